// Attempts at SES in threads of their own, so that signing and TLS leave the one thread that decides. The pool
// is imported here and nowhere else. It has no part in an abort: it would end the thread, and with it every
// other attempt there.
import { randomUUID } from "node:crypto";
import { Piscina } from "piscina";
import { type Log, silentLog } from "../runtime/log.ts";
import { ownContent } from "./content.ts";
import { oneLine } from "./line.ts";
import {
  notCalled,
  type SesAttempts,
  type SesDefaults,
  type SesMessage,
  type SesResult,
} from "./ses/attempt.ts";
import type { SesClientOptions } from "./ses/client.ts";
import { type SesTask, type SesWorkerData, state } from "./ses-task.ts";

export interface SesWorkersOptions extends SesClientOptions, SesDefaults {
  readonly threads: number;
  readonly log?: Log | undefined;
}

/** More than any number of attempts at once, which is for the dispatcher to bound. */
const ATTEMPTS_MAX = 100_000;

/** Attempts that are kept for it. */
const QUEUE_MAX = 1_000;

/**
 * Each thread has connections and credentials of its own. One that ends is replaced; what it had begun to
 * send is doubtful.
 */
export function createSesWorkers({ threads, log = silentLog, ...options }: SesWorkersOptions): SesAttempts {
  const data: SesWorkerData = { options, aborts: `mailonce-${randomUUID()}` };
  const aborts = new BroadcastChannel(data.aborts);
  const pool = new Piscina({
    filename: new URL("./ses-worker.js", import.meta.url).href,
    name: "transmit",
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: ATTEMPTS_MAX,
    // Otherwise a thread without a task sleeps so deeply that it does not see a server close a connection,
    // and the next request on that connection is doubtful.
    atomics: "disabled",
    // While a thread starts in the place of one that ended.
    maxQueue: QUEUE_MAX,
    recordTiming: false,
    workerData: data,
  });
  pool.on("error", (error: unknown) => log.error("upstream.worker_ended", { error: oneLine(String(error)) }));
  /** Each ends an attempt whose call has not begun. */
  const waiting = new Set<(reason: unknown) => void>();
  // The pool keeps an attempt for a thread that is to come, and for ever when none can start.
  pool.on("workerDestroy", () => {
    for (const cancel of waiting) cancel("a thread ended");
  });
  let attempts = 0;

  const run = (message: SesMessage, signal: AbortSignal): Promise<SesResult> =>
    new Promise((resolve) => {
      const number = attempts++;
      const shared = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
      const end = (result: SesResult): void => {
        waiting.delete(cancel);
        signal.removeEventListener("abort", abort);
        resolve(result);
      };
      /** False when it is too late for that. */
      const cancel = (reason: unknown): boolean => {
        const before = Atomics.compareExchange(shared, 0, state.waiting, state.cancelled);
        if (before !== state.called) end(notCalled(reason));
        return before !== state.called;
      };
      const abort = (): void => {
        if (!cancel(signal.reason)) aborts.postMessage(number);
      };
      const fail = (error: unknown): void => {
        const reason = `the thread ended: ${String(error)}`;
        if (cancel(reason)) return;
        end({ outcome: { kind: "doubtful", cause: oneLine(reason) }, badTags: 0 });
      };
      waiting.add(cancel);
      signal.addEventListener("abort", abort, { once: true });
      const task: SesTask = { number, message, shared };
      pool.run(task, { transferList: [message.content.buffer as ArrayBuffer] }).then(end, fail);
    });

  return {
    async make(transmission, signal) {
      let content: Uint8Array;
      try {
        signal.throwIfAborted();
        content = await ownContent(transmission);
        signal.throwIfAborted();
      } catch (error) {
        return notCalled(error);
      }
      const { id, reversePath, recipient } = transmission;
      return await run({ id, reversePath, recipient, content }, signal);
    },
    async close() {
      await pool.destroy();
      aborts.close();
    },
  };
}
