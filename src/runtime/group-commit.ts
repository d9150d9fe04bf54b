// Group commit: one sync of the disk costs the same for one caller as for a thousand, so what arrives
// while a flush is under way waits and goes together as the next one. Knows nothing of what is flushed.

export interface GroupCommit<Item> {
  /**
   * Puts one item into the next batch. Resolves or rejects with that batch: all callers of a batch share
   * its result, and a failed batch says nothing about the next.
   */
  add(item: Item): Promise<void>;
  /** Resolves once everything added before the call has been flushed, whether or not that succeeded. */
  drain(): Promise<void>;
}

interface Batch<Item> {
  readonly items: Item[];
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The size of a batch has no limit of its own: the items are in memory already, and whoever makes them
 * bounds how many there are.
 *
 * @param flush writes the items, which stand in the order of the calls; never called before the flush
 *   before it has ended
 */
export function createGroupCommit<Item>(flush: (items: readonly Item[]) => Promise<void>): GroupCommit<Item> {
  let waiting: Batch<Item> | undefined;
  let flushing: Batch<Item> | undefined;

  async function run(): Promise<void> {
    // Whoever calls in the same turn of the event loop belongs to the first batch too.
    await undefined;
    while (waiting !== undefined) {
      const batch = waiting;
      flushing = batch;
      waiting = undefined;
      try {
        await flush(batch.items);
        batch.resolve();
      } catch (error) {
        batch.reject(error);
      }
      flushing = undefined;
      // The callers just told often have their next item at hand; a batch that leaves before they have
      // added it would split them into two groups that take turns, at half the speed.
      if (waiting !== undefined) await new Promise(setImmediate);
    }
    running = false;
  }

  let running = false;
  return {
    add(item) {
      waiting ??= createBatch();
      waiting.items.push(item);
      const { done } = waiting;
      if (!running) {
        running = true;
        void run();
      }
      return done;
    },
    async drain() {
      // Batches end in order, so the last one there is ends after all that were added before.
      await (waiting ?? flushing)?.done.catch(() => {});
    },
  };
}

function createBatch<Item>(): Batch<Item> {
  let resolve: () => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const done = new Promise<void>((onDone, onFailed) => {
    resolve = onDone;
    reject = onFailed;
  });
  return { items: [], done, resolve, reject };
}
