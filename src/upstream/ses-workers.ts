// Attempts at SES in threads of their own, so that signing and TLS leave the one thread that decides. The pool
// is imported here and nowhere else. It has no part in an abort: it would end the thread, and with it every
// other attempt there.
import { randomUUID } from "node:crypto";
import { Piscina } from "piscina";
import { type Log, silentLog } from "../runtime/log.ts";
import { oneLine } from "./line.ts";
import { notCalled, ownContent, type SesAttempts, type SesDefaults, type SesResult } from "./ses-attempt.ts";
import type { SesClientOptions } from "./ses-client.ts";
import { type SesTask, type SesWorkerData, state } from "./ses-task.ts";

export interface SesWorkersOptions extends SesClientOptions, SesDefaults {
  readonly threads: number;
  readonly log?: Log | undefined;
}

/** More than any number of attempts at once, which is for the dispatcher to bound. */
const ATTEMPTS_MAX = 100_000;

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
    recordTiming: false,
    workerData: data,
  });
  pool.on("error", (error: unknown) => log.error("upstream.worker_ended", { error: oneLine(String(error)) }));
  let attempts = 0;

  async function run(task: SesTask): Promise<SesResult> {
    const { shared, message } = task;
    try {
      return await pool.run(task, { transferList: [message.content.buffer as ArrayBuffer] });
    } catch (error) {
      const before = Atomics.compareExchange(shared, 0, state.waiting, state.cancelled);
      const ended = `the thread ended: ${String(error)}`;
      if (before !== state.called) return notCalled(ended);
      return { outcome: { kind: "doubtful", cause: oneLine(ended) }, badTags: 0 };
    }
  }

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
      const number = attempts++;
      const shared = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
      const abort = (): void => {
        const before = Atomics.compareExchange(shared, 0, state.waiting, state.cancelled);
        if (before === state.called) aborts.postMessage(number);
      };
      signal.addEventListener("abort", abort, { once: true });
      try {
        return await run({ number, message: { id, reversePath, recipient, content }, shared });
      } finally {
        signal.removeEventListener("abort", abort);
      }
    },
    async close() {
      await pool.destroy();
      aborts.close();
    },
  };
}
