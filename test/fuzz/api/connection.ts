// One connection of the fuzzing caller: octets out, answers in, each within a time limit.
import { once } from "node:events";
import { connect } from "node:net";
import { type Answer, createAnswerReader } from "./answers.ts";

/** A server that has not answered by then hangs. Far above what a busy machine needs. */
const ANSWER_MS = 30_000;

export interface ApiConnection {
  /** One write a piece. */
  send(...pieces: Uint8Array[]): Promise<void>;
  /** The next answer, or "end" when the server has closed; "silence" where `withinMs` is given and is over. Else rejects. */
  next(withinMs?: number): Promise<Answer | "end" | "silence">;
  /** Resolves when the server has said that it waits for the body, has answered, or has closed. */
  permitted(): Promise<void>;
  /** Whether the request that is answered next is HEAD. */
  isHead: boolean;
  readonly isOpen: boolean;
  /** Sends FIN: nothing more comes from us. */
  end(): void;
  destroy(): void;
  /** What the server said that was no answer. */
  readonly faults: readonly string[];
}

export async function openApiConnection(port: number): Promise<ApiConnection> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  const answers: Answer[] = [];
  const faults: string[] = [];
  let isHead = false;
  const reader = createAnswerReader(() => isHead);
  let ended = false;
  let wake: () => void = () => {};
  socket.on("data", (octets: Buffer) => {
    answers.push(...reader.push(octets));
    wake();
  });
  const onEnd = (): void => {
    if (!ended && !reader.isWhole()) faults.push("the connection ended within an answer");
    ended = true;
    wake();
  };
  socket.on("end", onEnd);
  // A reset after its last answer is the server's right: it has closed while we still talked.
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
    get isHead() {
      return isHead;
    },
    set isHead(is) {
      isHead = is;
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
      const deadline = performance.now() + (withinMs ?? ANSWER_MS);
      for (;;) {
        const answer = answers.shift();
        if (answer !== undefined) return answer;
        if (ended) return "end";
        const left = deadline - performance.now();
        if (left <= 0) {
          if (withinMs !== undefined) return "silence";
          throw new Error(`no answer within ${ANSWER_MS} ms`);
        }
        await changed(left + 1);
      }
    },
    async permitted() {
      const before = reader.continues;
      const deadline = performance.now() + ANSWER_MS;
      while (reader.continues === before && answers.length === 0 && !ended) {
        if (performance.now() > deadline) throw new Error(`no word to go on within ${ANSWER_MS} ms`);
        await changed(ANSWER_MS + 1);
      }
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
}
