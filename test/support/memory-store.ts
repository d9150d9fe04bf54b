// A Store in memory that knows what of it would survive a loss of power. Part of memory-storage.ts.
import type { Operation, Range } from "../../src/storage/storage.ts";

/** What is applied but not durable yet: one commit or write. */
type Unsynced = readonly Operation[];

/** What a store holds, by key as a latin1 string; not to be changed. */
export interface StoreView {
  /** What its users see. */
  readonly visible: ReadonlyMap<string, Uint8Array>;
  /** What a loss of power at this moment leaves at least. */
  readonly durable: ReadonlyMap<string, Uint8Array>;
}

/** The content of one store. Keys are latin1 strings, whose order is that of the octets. */
export interface MemoryContent extends StoreView {
  get(key: Uint8Array): Uint8Array | undefined;
  entries(range?: Range): [Uint8Array, Uint8Array][];
  /** Visible from now on. Returns its position, for sync. */
  apply(operations: readonly Operation[]): number;
  /** Makes all up to and including this position durable. */
  sync(position: number): void;
  /** Notes that the caller was told: the end of the process alone does not undo it. */
  acknowledge(position: number): void;
  /** How many applied commits and writes a loss of power may undo. */
  readonly unsynced: number;
  /** How many of them, from the oldest on, hold one that a caller was told of. */
  readonly acknowledged: number;
  /** Loss of power: of what is not durable only the first `kept` stay. */
  crash(kept: number): void;
}

export function createMemoryContent(): MemoryContent {
  const durable = new Map<string, Uint8Array>();
  let current = new Map<string, Uint8Array>();
  let unsynced: Unsynced[] = [];
  let synced = 0;
  let told = 0;

  function sync(position: number): void {
    while (synced < position) {
      const operations = unsynced.shift();
      if (operations === undefined) return;
      applyTo(durable, operations);
      synced++;
    }
  }

  return {
    durable,
    get visible() {
      return current;
    },
    get(key) {
      return current.get(textOf(key))?.slice();
    },
    entries(range = {}) {
      const from = range.gte === undefined ? undefined : textOf(range.gte);
      const to = range.lt === undefined ? undefined : textOf(range.lt);
      return [...current.keys()]
        .filter((key) => (from === undefined || key >= from) && (to === undefined || key < to))
        .sort()
        .map((key) => [octetsOf(key), (current.get(key) as Uint8Array).slice()]);
    },
    apply(operations) {
      // The caller may reuse its arrays once the call has returned.
      const own = operations.map(copyOf);
      applyTo(current, own);
      unsynced.push(own);
      return synced + unsynced.length;
    },
    sync,
    acknowledge(position) {
      told = Math.max(told, position);
    },
    get unsynced() {
      return unsynced.length;
    },
    get acknowledged() {
      return Math.max(0, told - synced);
    },
    crash(kept) {
      sync(synced + kept);
      unsynced = [];
      told = synced;
      current = new Map(durable);
    },
  };
}

function copyOf(operation: Operation): Operation {
  // A Buffer's slice() would be no copy.
  const key = new Uint8Array(operation.key);
  return operation.type === "put"
    ? { type: "put", key, value: new Uint8Array(operation.value) }
    : { type: "del", key };
}

function applyTo(map: Map<string, Uint8Array>, operations: readonly Operation[]): void {
  for (const operation of operations) {
    if (operation.type === "put") map.set(textOf(operation.key), operation.value);
    else map.delete(textOf(operation.key));
  }
}

function textOf(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString("latin1");
}

function octetsOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}
