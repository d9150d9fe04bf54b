// Removes what is older than the retention, batch by batch, in small steps with pauses between them.
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Operation, Store } from "../storage/storage.ts";
import { batchesUntil, FIRST_BATCH, removalOf } from "./record.ts";
import type { Shelf } from "./shelf.ts";
import type { Writing } from "./writing.ts";

export interface Sweeping {
  start(): void;
  stop(): Promise<void>;
}

export interface SweepingParts {
  readonly shelf: Shelf;
  readonly writing: Pick<Writing, "failed">;
  readonly clock: Clock;
  readonly retentionMs: number;
}

/** Sweeps in a retention. */
const SWEEPS = 64;

/** The longest time between two sweeps, so that each has little to do. */
const SWEEP_MAX_MS = 10 * 60_000;

/** Keys that a step removes, about: some 5 ms. */
const STEP_KEYS = 2_000;

/** With a step, a tenth of the time at most; and 30,000 keys a second, more than the fastest load writes. */
const PAUSE_MS = 50;

export function createSweeping({ shelf, writing, clock, retentionMs }: SweepingParts): Sweeping {
  let timer: Timer | undefined;
  let step: Promise<void> = Promise.resolve();
  let isStopped = false;
  /** What is before it has been removed: the store would look at each removed key again. */
  let from = FIRST_BATCH;

  async function removeOldest(store: Store): Promise<boolean> {
    const operations: Operation[] = [];
    let last: Uint8Array | undefined;
    for await (const [key, keys] of store.entries(batchesUntil(from, clock.now() - retentionMs))) {
      operations.push(...removalOf(key, keys));
      last = key;
      if (operations.length >= STEP_KEYS) break;
    }
    if (last === undefined) return false;
    await store.write(operations);
    from = last;
    return operations.length >= STEP_KEYS;
  }

  async function sweep(): Promise<void> {
    let isMore = false;
    try {
      isMore = await removeOldest(await shelf.store());
    } catch (error) {
      await writing.failed(error);
    }
    wait(isMore ? PAUSE_MS : Math.min(retentionMs / SWEEPS, SWEEP_MAX_MS));
  }

  function wait(ms: number): void {
    if (isStopped) return;
    timer = clock.after(ms, () => {
      step = sweep();
    });
  }

  return {
    start: () => wait(PAUSE_MS),
    async stop() {
      isStopped = true;
      timer?.cancel();
      await step;
    },
  };
}
