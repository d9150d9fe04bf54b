// Batching of concurrent calls into one call of the engine, as a group commit does: while one call is under
// way the next batch gathers. Two items of one key never are under way together, and keep their order.
import { nameOf } from "../key-name.ts";
import { BATCH_MAX } from "./engine.ts";

/** One call computes in the engine while the answer of the other is on its way; more make batches small. */
const CALLS_AT_ONCE = 2;

export interface Lane<Item, Answer> {
  /** Rejects as the call rejected that the item was part of. */
  ask(item: Item): Promise<Answer>;
}

interface Asked<Item, Answer> {
  readonly item: Item;
  readonly key: Uint8Array;
  /** The key as something that can be looked up. */
  readonly name: string;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** @param call answers in the order of its batch, which is that of the keys' octets */
export function createLane<Item, Answer>(
  call: (batch: readonly Item[]) => Promise<readonly Answer[]>,
  keyOf: (item: Item) => Uint8Array,
): Lane<Item, Answer> {
  type One = Asked<Item, Answer>;
  let waiting: One[] = [];
  const underWay = new Set<string>();
  let calls = 0;
  let isDue = false;

  /** The first of those that wait, as many as may go together. */
  function gather(): One[] {
    const batch: One[] = [];
    const others: One[] = [];
    for (const asked of waiting) {
      if (batch.length >= BATCH_MAX || underWay.has(asked.name)) others.push(asked);
      else {
        underWay.add(asked.name);
        batch.push(asked);
      }
    }
    waiting = others;
    return batch.sort((a, b) => Buffer.compare(a.key, b.key));
  }

  function start(): void {
    isDue = false;
    while (calls < CALLS_AT_ONCE && waiting.length > 0) {
      const batch = gather();
      if (batch.length === 0) return;
      void run(batch);
    }
  }

  async function run(batch: readonly One[]): Promise<void> {
    calls++;
    try {
      const answers = await call(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, index) => void resolve(answers[index] as Answer));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      calls--;
      for (const { name } of batch) underWay.delete(name);
      if (waiting.length > 0) start();
    }
  }

  return {
    ask: (item) =>
      new Promise((resolve, reject) => {
        const key = keyOf(item);
        waiting.push({ item, key, name: nameOf(key), resolve, reject });
        if (isDue) return;
        isDue = true;
        // All that is asked in this turn goes together.
        queueMicrotask(start);
      }),
  };
}
