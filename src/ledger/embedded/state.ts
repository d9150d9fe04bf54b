// The store `ledger/state`: which generations there are, the marks of attempted and doubtful ids, the
// fences that may be given out, and the format of it all. Small: what is relayed lies in generations.
import { checkFormat } from "../../storage/format.ts";
import { missingStore, type Storage, StorageError, type Store } from "../../storage/storage.ts";
import {
  decodeGeneration,
  decodeMark,
  decodeUnfinished,
  encodeGeneration,
  encodeMark,
  encodeUnfinished,
  GENERATION_RANGE,
  type GenerationRecord,
  generationKey,
  MARK_RANGE,
  type Mark,
  markKey,
  numberAt,
  putNumber,
  UNFINISHED_RANGE,
  type Unfinished,
  unfinishedKey,
} from "./records.ts";

const NAME = "ledger/state";
const FORMAT = 2;

/** The same records, in a folder without seals. */
const UNSEALED_FORMAT = 1;
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
  /** What a crash may have cut short. Of no other generation may the store be missing. */
  unfinished(): Promise<Map<number, Unfinished>>;
  /** Notes the record before its store is made. */
  beginGeneration(record: GenerationRecord): Promise<void>;
  /** The store is there, durably. Should a crash undo it, the generation counts as unfinished again. */
  finishGeneration(number: number): Promise<void>;
  /** To be called before the store is removed; `removeGeneration` forgets the record after that. */
  beginRemoval(number: number): Promise<void>;
  removeGeneration(number: number): Promise<void>;
  /** Greater than every fence before it, those of earlier processes included. */
  nextFence(): number;
  /** Reserves more fences when half of them are gone; to be called now and then. */
  reserveFences(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Rejects when the store was written by a mailonce that knows more than this one, or when it is gone while
 * there are generations: a new one would know of no attempt without an answer.
 */
export async function openState(storage: Storage): Promise<State> {
  const names = await storage.list("ledger");
  if (!names.includes("state") && names.some((name) => generationNumber(name) !== undefined)) {
    throw missingStore(
      NAME,
      "which mails are without an answer is then forgotten, and they may be relayed again",
    );
  }
  const store = await storage.openStore(NAME, "short");
  try {
    await checkFormat(store, NAME, FORMAT, [UNSEALED_FORMAT]);
    return await createState(store);
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The number of a generation from the name of its store; undefined for any other name. */
export function generationNumber(name: string): number | undefined {
  const digits = /^generation-(\d{6,})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
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
    async unfinished() {
      const numbers = new Map<number, Unfinished>();
      for await (const [key, value] of store.entries(UNFINISHED_RANGE)) {
        numbers.set(numberAt(key, 1), decodeUnfinished(value));
      }
      return numbers;
    },
    beginGeneration: (record) =>
      store.commit([
        { type: "put", key: unfinishedKey(record.number), value: encodeUnfinished("making") },
        { type: "put", key: generationKey(record.number), value: encodeGeneration(record) },
      ]),
    finishGeneration: (number) => store.write([{ type: "del", key: unfinishedKey(number) }]),
    beginRemoval: (number) =>
      store.commit([{ type: "put", key: unfinishedKey(number), value: encodeUnfinished("removing") }]),
    removeGeneration: (number) =>
      store.commit([
        { type: "del", key: generationKey(number) },
        { type: "del", key: unfinishedKey(number) },
      ]),
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
