// One connection of the fuzzing client: octets out, replies in, each within a time limit.
import { once } from "node:events";
import { connect } from "node:net";
import { createReplyReader, type FuzzReply } from "./replies.ts";

/** A server that has not answered by then hangs. Far above what a busy machine needs. */
const REPLY_MS = 30_000;

export interface FuzzConnection {
  /** One write a piece. */
  send(...pieces: Uint8Array[]): Promise<void>;
  /** The next reply, or "end" when the server has closed. Rejects when neither comes in time. */
  next(): Promise<FuzzReply | "end">;
  /** Sends FIN: nothing more comes from us. */
  end(): void;
  destroy(): void;
  /** What the server said that was no reply. */
  readonly faults: readonly string[];
}

export async function openConnection(port: number): Promise<FuzzConnection> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const reader = createReplyReader();
  const replies: FuzzReply[] = [];
  const faults: string[] = [];
  let ended = false;
  let wake: () => void = () => {};
  socket.on("data", (octets: Buffer) => {
    replies.push(...reader.push(octets));
    wake();
  });
  const onEnd = (): void => {
    if (!ended && !reader.isWhole()) faults.push("the connection ended within a reply");
    ended = true;
    wake();
  };
  socket.on("end", onEnd);
  // A reset after its last reply is the server's right: it has closed while we still talked.
  socket.on("error", onEnd);
  socket.on("close", onEnd);
  await Promise.race([once(socket, "connect"), once(socket, "close")]);

  return {
    get faults() {
      return [...faults, ...reader.faults];
    },
    async send(...pieces) {
      for (const piece of pieces) {
        if (ended || socket.destroyed) return;
        await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
      }
    },
    async next() {
      const deadline = performance.now() + REPLY_MS;
      for (;;) {
        const reply = replies.shift();
        if (reply !== undefined) return reply;
        if (ended) return "end";
        if (performance.now() > deadline) throw new Error(`no reply within ${REPLY_MS} ms`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, REPLY_MS + 1);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
}
