// What passes between ses-workers.ts and its threads.
import type { SesDefaults, SesMessage } from "./ses/attempt.ts";
import type { SesClientOptions } from "./ses/client.ts";

/** What a thread is started with. */
export interface SesWorkerData {
  readonly options: SesClientOptions & SesDefaults;
  /** Name of the BroadcastChannel that carries the numbers of attempts to abort. */
  readonly aborts: string;
}

/** One attempt, as a thread gets it. */
export interface SesTask {
  readonly number: number;
  readonly message: SesMessage;
  /** One element, shared: a `state`. */
  readonly shared: Int32Array;
}

/** Who first changes it decides: the thread that begins the call, or we who want it not to be made. */
export const state = { waiting: 0, called: 1, cancelled: 2 } as const;
