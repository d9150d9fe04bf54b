// The calls of a ledger that its close has to wait for.
import { StorageError } from "../storage/storage.ts";

export interface UnderWay {
  /** Runs the work, which `close` then waits for. Rejects with a StorageError once the ledger is closed. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Lets nothing more begin, from the call on; false when that was so already. */
  shut(): boolean;
  /** Resolves when nothing is under way any more. */
  idle(): Promise<void>;
}

export function createUnderWay(): UnderWay {
  let isShut = false;
  let count = 0;
  let onIdle: () => void = () => {};
  function leave(): void {
    if (--count === 0) onIdle();
  }

  return {
    // Not an async function, of which each call under way would keep one more in memory.
    run(work) {
      if (isShut) return Promise.reject(new StorageError("unavailable", "the ledger has been closed"));
      count++;
      const done = work();
      done.then(leave, leave);
      return done;
    },
    shut() {
      const wasOpen = !isShut;
      isShut = true;
      return wasOpen;
    },
    async idle() {
      if (count === 0) return;
      await new Promise<void>((resolve) => {
        onIdle = resolve;
      });
    },
  };
}
