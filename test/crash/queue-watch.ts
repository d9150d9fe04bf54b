// What is in the spool's queue, followed through its store: the queue has run dry when all that is left
// is held for an operator.
import type { Operation, Storage, Store } from "../../src/runtime/storage.ts";
import { decodeTransmission } from "../../src/spool/record.ts";

export interface QueueWatch {
  watching(storage: Storage): Storage;
  /** Calls once: now if the queue is dry, else as soon as it is. */
  whenDry(call: () => void): void;
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
      async openStore(name) {
        const store = await storage.openStore(name);
        if (name !== "spool/queue") return store;
        for await (const [key, value] of store.entries()) see(key, value);
        return watched(store);
      },
    }),
    whenDry(call) {
      if (waiting.size === 0) call();
      else calls.push(call);
    },
  };
}
