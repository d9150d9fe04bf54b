// A connection of a fuzzing client: octets out, and what the server says in, as a reader of the protocol has it.
import { once } from "node:events";
import { connect } from "node:net";

export interface WireReader<Said> {
  /** What is whole now. */
  push(octets: Buffer): Said[];
  /** True between two of them. */
  isWhole(): boolean;
  /** What the server said that the protocol does not know. */
  readonly faults: readonly string[];
}

export interface Wire<Said> {
  /** One write a piece. */
  send(...pieces: Uint8Array[]): Promise<void>;
  /** What the server says next, or "end" when it has closed; "silence" when neither comes in time. */
  next(withinMs: number): Promise<Said | "end" | "silence">;
  /** Resolves when the server has sent something or closed, or after that time. */
  changed(withinMs: number): Promise<void>;
  /** Something is there for `next`, if only the end. */
  readonly isHeard: boolean;
  readonly isOpen: boolean;
  /** Sends FIN: nothing more comes from us. */
  end(): void;
  destroy(): void;
  readonly faults: readonly string[];
}

/** @param what of the server may be cut off by the end, for a fault: "a reply" */
export async function openWire<Said>(
  port: number,
  reader: WireReader<Said>,
  what: string,
  { allowHalfOpen = false } = {},
): Promise<Wire<Said>> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen });
  const heard: Said[] = [];
  const faults: string[] = [];
  let ended = false;
  let wake: () => void = () => {};
  socket.on("data", (octets: Buffer) => {
    heard.push(...reader.push(octets));
    wake();
  });
  const onEnd = (): void => {
    if (!ended && !reader.isWhole()) faults.push(`the connection ended within ${what}`);
    ended = true;
    wake();
  };
  socket.on("end", onEnd);
  // A reset after its last word is the server's right: it has closed while we still talked.
  socket.on("error", onEnd);
  socket.on("close", onEnd);
  await Promise.race([once(socket, "connect"), once(socket, "close")]);

  const changed = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  return {
    changed,
    get isHeard() {
      return heard.length > 0 || ended;
    },
    get isOpen() {
      return !ended && !socket.destroyed;
    },
    get faults() {
      return [...faults, ...reader.faults];
    },
    async send(...pieces) {
      for (const piece of pieces) {
        if (ended || socket.destroyed) return;
        await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
      }
    },
    async next(withinMs) {
      const deadline = performance.now() + withinMs;
      for (;;) {
        const said = heard.shift();
        if (said !== undefined) return said;
        if (ended) return "end";
        const left = deadline - performance.now();
        if (left <= 0) return "silence";
        await changed(left + 1);
      }
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
}
