// The calls of a ledger that its close has to wait for.
import { StorageError } from "../runtime/storage.ts";

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
  return {
    async run(work) {
      if (isShut) throw new StorageError("unavailable", "the ledger has been closed");
      count++;
      try {
        return await work();
      } finally {
        if (--count === 0) onIdle();
      }
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
