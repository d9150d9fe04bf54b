// What is in the spool's queue, followed through its store: the queue has run dry when all that is left
// is held for an operator.

import { decodeTransmission } from "../../src/spool/record.ts";
import type { Operation, Storage, Store } from "../../src/storage/storage.ts";

export interface QueueWatch {
  watching(storage: Storage): Storage;
  /** Resolves with 0 when the queue is dry; with what is left in it when that takes longer. */
  dry(patienceMs: number): Promise<number>;
}

const TRANSMISSION = "t".charCodeAt(0);

export function createQueueWatch(): QueueWatch {
  const waiting = new Set<string>();
  const calls: (() => void)[] = [];

  const nameOf = (key: Uint8Array): string => Buffer.from(key).toString("latin1");

  function see(key: Uint8Array, value: Uint8Array | undefined): void {
    if (key[0] !== TRANSMISSION) return;
    if (value === undefined || decodeTransmission(value).held === true) waiting.delete(nameOf(key));
    else waiting.add(nameOf(key));
  }

  function apply(operations: readonly Operation[]): void {
    for (const operation of operations)
      see(operation.key, operation.type === "put" ? operation.value : undefined);
    if (waiting.size === 0) for (const call of calls.splice(0)) call();
  }

  const watched = (store: Store): Store => ({
    ...store,
    async commit(operations) {
      await store.commit(operations);
      apply(operations);
    },
    async write(operations) {
      await store.write(operations);
      apply(operations);
    },
  });

  return {
    watching: (storage) => ({
      ...storage,
      async openStore(name, kept) {
        const store = await storage.openStore(name, kept);
        if (name !== "spool/queue") return store;
        for await (const [key, value] of store.entries()) see(key, value);
        return watched(store);
      },
    }),
    dry: (patienceMs) =>
      new Promise((resolve) => {
        if (waiting.size === 0) return resolve(0);
        const timer = setTimeout(() => resolve(waiting.size), patienceMs);
        calls.push(() => {
          clearTimeout(timer);
          resolve(0);
        });
      }),
  };
}
