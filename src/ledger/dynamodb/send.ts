// Sends a request until it is answered, within the time of the engine's call. The SDK itself sends each
// request once: it is sent again here, because only the sender knows whether an earlier request of its own may have
// taken effect, so that a condition is refused because of it.
import { setTimeout as wait } from "node:timers/promises";
import { StorageError } from "../../storage/storage.ts";
import { meaningOf, retryDelay } from "./errors.ts";
import type { UseCounter } from "./use.ts";

/** Of requests whose answer was lost; after that DynamoDB is away, and the caller should know soon. */
const LOST_MAX = 3;

/** The time of one call of the engine. */
export interface Call {
  /** Milliseconds that are left. */
  left(): number;
  /** One of its requests has failed for good: the others need not begin. */
  isGivenUp: boolean;
}

export type Sent<Answer, Item> =
  | { readonly kind: "answered"; readonly answer: Answer }
  /** The condition did not hold; but perhaps it did for an earlier request of the same call, if uncertain. */
  | { readonly kind: "refused"; readonly found: Item | undefined; readonly isUncertain: boolean };

/** Both reject with a StorageError, and end within the time of the call. */
export interface Sender {
  /** @param ms at most; never more than a call has */
  begin(ms?: number): Call;
  send<Answer, Item>(
    kind: string,
    call: Call,
    request: (signal: AbortSignal) => Promise<Answer>,
  ): Promise<Sent<Answer, Item>>;
  /** A request without a condition. */
  ask<Answer>(kind: string, call: Call, request: (signal: AbortSignal) => Promise<Answer>): Promise<Answer>;
}

export interface SenderOptions {
  /** Milliseconds of one request, and of one call of the engine. */
  readonly requestMs: number;
  readonly callMs: number;
  readonly table: string;
  readonly use: UseCounter;
}

export function createSender({ requestMs, callMs, table, use }: SenderOptions): Sender {
  // Its cause is not handed on: an error of the SDK holds the whole request, signature and all, and ends in logs.
  const failure = (kind: string, cause: unknown) =>
    new StorageError("unavailable", `DynamoDB, ${kind} of table ${table}: ${String(cause)}`);

  const sender: Sender = {
    begin(ms = callMs) {
      const until = performance.now() + Math.min(ms, callMs);
      return { left: () => until - performance.now(), isGivenUp: false };
    },
    async send(kind, call, request) {
      let lost = 0;
      for (let tries = 0; ; tries++) {
        const left = call.left();
        if (left <= 0 || call.isGivenUp) throw failure(kind, "not sent, the call was over");
        try {
          return { kind: "answered", answer: await within(Math.min(left, requestMs), request) };
        } catch (error) {
          const meaning = meaningOf(error);
          if (meaning === "refused") {
            use.refused(kind);
            return { kind: "refused", found: (error as { Item?: never }).Item, isUncertain: lost > 0 };
          }
          if (meaning === "lost") lost++;
          const delay = retryDelay(tries);
          const mayGoAgain = meaning === "throttled" || (meaning === "lost" && lost < LOST_MAX);
          if (!mayGoAgain || call.left() <= delay) {
            call.isGivenUp = true;
            throw failure(kind, error);
          }
          use.again(kind);
          await wait(delay);
        }
      }
    },
    async ask(kind, call, request) {
      const sent = await sender.send(kind, call, request);
      if (sent.kind === "answered") return sent.answer;
      throw failure(kind, "a condition was refused that was not made");
    },
  };
  return sender;
}

/** The time-outs of the HTTP client each cover a part of a request; this one covers it whole. */
async function within<Answer>(
  ms: number,
  request: (signal: AbortSignal) => Promise<Answer>,
): Promise<Answer> {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = Object.assign(new Error(`no answer within ${Math.round(ms)} ms`), {
        name: "TimeoutError",
      });
      late.abort(error);
      reject(error);
    }, ms);
  });
  try {
    return await Promise.race([request(late.signal), timedOut]);
  } finally {
    clearTimeout(timer);
  }
}
