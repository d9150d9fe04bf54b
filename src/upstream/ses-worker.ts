// A thread that makes attempts at SES, on its side of ses-workers.ts.
import { workerData } from "node:worker_threads";
import { attemptSes, type SesResult } from "./ses/attempt.ts";
import { createSesClient } from "./ses/client.ts";
import { type SesTask, type SesWorkerData, state } from "./ses-task.ts";

const { options, aborts } = workerData as SesWorkerData;
const client = createSesClient(options);

/** By their numbers. */
const underWay = new Map<number, AbortController>();
new BroadcastChannel(aborts).onmessage = (event) => {
  underWay.get((event as { readonly data: number }).data)?.abort();
};

export async function transmit({ number, message, shared }: SesTask): Promise<SesResult> {
  const abort = new AbortController();
  underWay.set(number, abort);
  try {
    return await attemptSes(client, message, options, abort.signal, () => {
      if (Atomics.compareExchange(shared, 0, state.waiting, state.called) === state.waiting) return;
      abort.abort();
      abort.signal.throwIfAborted();
    });
  } finally {
    underWay.delete(number);
  }
}
