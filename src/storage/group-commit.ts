// Group commit: one sync of the disk costs the same for one caller as for a thousand, so items that arrive
// during a flush wait and form the next one together. It knows nothing of their content.

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
 * Items of a batch at most. As many share a sync so well that more would share it no better; and while one of
 * two batches is written, the callers of the other get their next items ready.
 */
export const BATCH_MAX = 256;

/**
 * @param flush writes the items, which stand in the order of the calls; never called before the flush
 *   before it has ended
 */
export function createGroupCommit<Item>(flush: (items: readonly Item[]) => Promise<void>): GroupCommit<Item> {
  /** In the order in which they are written; only the last may have room. */
  const waiting: Batch<Item>[] = [];
  let flushing: Batch<Item> | undefined;
  let running = false;

  async function run(): Promise<void> {
    // Callers in the same turn of the event loop belong to the first batch too.
    await undefined;
    for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) {
      flushing = batch;
      try {
        await flush(batch.items);
        batch.resolve();
      } catch (error) {
        batch.reject(error);
      }
      flushing = undefined;
      // The callers of the last batch often have their next item ready. A batch that leaves before they have
      // added it would split them into two groups that take turns, at half the speed. A full one need not
      // wait.
      const [next] = waiting;
      if (next !== undefined && next.items.length < BATCH_MAX) await new Promise(setImmediate);
    }
    running = false;
  }

  /** The batch that the next item goes into. */
  function open(): Batch<Item> {
    const last = waiting.at(-1);
    if (last !== undefined && last.items.length < BATCH_MAX) return last;
    const batch = createBatch<Item>();
    waiting.push(batch);
    return batch;
  }

  return {
    add(item) {
      const { items, done } = open();
      items.push(item);
      if (!running) {
        running = true;
        void run();
      }
      return done;
    },
    async drain() {
      // Batches end in order, so the last one there is ends after all that were added before.
      await (waiting.at(-1) ?? flushing)?.done.catch(() => {});
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
