// One connection of the fuzzing caller: octets out, answers in, each within a time limit.
import { openWire } from "../wire.ts";
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
  let isHead = false;
  const reader = createAnswerReader(() => isHead);
  const wire = await openWire(port, reader, "an answer", { allowHalfOpen: true });
  return {
    get isHead() {
      return isHead;
    },
    set isHead(is) {
      isHead = is;
    },
    get isOpen() {
      return wire.isOpen;
    },
    get faults() {
      return wire.faults;
    },
    send: wire.send,
    async next(withinMs) {
      const answer = await wire.next(withinMs ?? ANSWER_MS);
      if (answer === "silence" && withinMs === undefined) throw new Error(`no answer within ${ANSWER_MS} ms`);
      return answer;
    },
    async permitted() {
      const before = reader.continues;
      const deadline = performance.now() + ANSWER_MS;
      while (reader.continues === before && !wire.isHeard) {
        if (performance.now() > deadline) throw new Error(`no word to go on within ${ANSWER_MS} ms`);
        await wire.changed(ANSWER_MS + 1);
      }
    },
    end: wire.end,
    destroy: wire.destroy,
  };
}
