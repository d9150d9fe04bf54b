// The store `ledger/state`: which generations there are, the marks of attempted and doubtful ids, the
// fences that may be given out, and the format of it all. Small: what is relayed lies in generations.
import type { Storage, Store } from "../runtime/storage.ts";
import { StorageError } from "../runtime/storage.ts";
import {
  decodeGeneration,
  decodeMark,
  encodeGeneration,
  encodeMark,
  GENERATION_RANGE,
  type GenerationRecord,
  generationKey,
  MARK_RANGE,
  type Mark,
  markKey,
  numberAt,
  putNumber,
} from "./records.ts";

const NAME = "ledger/state";
const FORMAT = 1;
const FORMAT_KEY = Uint8Array.of(0x76);
const FENCE_KEY = Uint8Array.of(0x66);

/**
 * Fences reserved at a time. They are given out from memory, so one that a dead process may have given
 * out must lie below the mark on the disk. 2^31 last for half a day at 50,000 claims a second, and the
 * six octets of the mark for 131,000 starts after crashes.
 */
const FENCES_AT_ONCE = 2 ** 31;

export interface State {
  /** Each mark with the 20 octets of its id. */
  marks(): AsyncIterable<[key: Uint8Array, mark: Mark]>;
  /** Durable when it resolves. */
  putMark(key: Uint8Array, mark: Mark): Promise<void>;
  /** Durable when it resolves. */
  removeMark(key: Uint8Array): Promise<void>;
  /** In order with the others, and for marks whose return after a crash would be seen through. */
  forgetMark(key: Uint8Array): Promise<void>;
  /** In the order of their numbers. */
  generations(): Promise<GenerationRecord[]>;
  putGenerations(records: readonly GenerationRecord[]): Promise<void>;
  removeGeneration(number: number): Promise<void>;
  /** Greater than every fence before it, those of earlier processes included. */
  nextFence(): number;
  /** Reserves more fences when half of them are gone; to be called now and then. */
  reserveFences(): Promise<void>;
  close(): Promise<void>;
}

/** Rejects when the store was written by a mailonce that knows more than this one. */
export async function openState(storage: Storage): Promise<State> {
  const store = await storage.openStore(NAME);
  try {
    await checkFormat(store);
    return await createState(store);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function checkFormat(store: Store): Promise<void> {
  const found = await store.get(FORMAT_KEY);
  if (found === undefined) {
    await store.commit([{ type: "put", key: FORMAT_KEY, value: Uint8Array.of(FORMAT) }]);
  } else if (found.length !== 1 || found[0] !== FORMAT) {
    throw new StorageError(
      "unavailable",
      `${NAME} has format ${found.join(".")}; this version of mailonce knows only format ${FORMAT}`,
    );
  }
}

async function createState(store: Store): Promise<State> {
  const found = await store.get(FENCE_KEY);
  let fence = found === undefined ? 0 : numberAt(found, 0);
  let reserved = fence;

  async function saveFence(upTo: number): Promise<void> {
    const value = new Uint8Array(6);
    putNumber(value, 0, upTo);
    await store.commit([{ type: "put", key: FENCE_KEY, value }]);
    reserved = upTo;
  }

  await saveFence(fence + FENCES_AT_ONCE);
  return {
    async *marks() {
      for await (const [key, value] of store.entries(MARK_RANGE)) yield [key.slice(1), decodeMark(value)];
    },
    putMark: (key, mark) => store.commit([{ type: "put", key: markKey(key), value: encodeMark(mark) }]),
    removeMark: (key) => store.commit([{ type: "del", key: markKey(key) }]),
    forgetMark: (key) => store.write([{ type: "del", key: markKey(key) }]),
    async generations() {
      const records: GenerationRecord[] = [];
      for await (const [key, value] of store.entries(GENERATION_RANGE))
        records.push(decodeGeneration(key, value));
      return records;
    },
    putGenerations: (records) =>
      store.commit(
        records.map((record) => ({
          type: "put",
          key: generationKey(record.number),
          value: encodeGeneration(record),
        })),
      ),
    removeGeneration: (number) => store.commit([{ type: "del", key: generationKey(number) }]),
    nextFence() {
      if (fence >= reserved)
        throw new StorageError("unavailable", "no fence is left that is known to be new");
      return ++fence;
    },
    async reserveFences() {
      if (reserved - fence < FENCES_AT_ONCE / 2) await saveFence(fence + FENCES_AT_ONCE);
    },
    async close() {
      // What was reserved and not given out need not be lost; if this fails, it is.
      await saveFence(fence).catch(() => {});
      await store.close();
    },
  };
}
