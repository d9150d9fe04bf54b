// One connection of the fuzzing client: octets out, replies in, each within a time limit.
import { createReplyReader, type FuzzReply } from "./replies.ts";
import { openWire } from "./wire.ts";

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
  const wire = await openWire(port, createReplyReader(), "a reply");
  return {
    get faults() {
      return wire.faults;
    },
    send: wire.send,
    async next() {
      const reply = await wire.next(REPLY_MS);
      if (reply === "silence") throw new Error(`no reply within ${REPLY_MS} ms`);
      return reply;
    },
    end: wire.end,
    destroy: wire.destroy,
  };
}
