// Which generations there are, on the disk: a record for each, and a note of what a crash may cut short.
import type { Store } from "../../storage/storage.ts";
import {
  decodeGeneration,
  decodeUnfinished,
  encodeGeneration,
  encodeUnfinished,
  GENERATION_RANGE,
  type GenerationRecord,
  generationKey,
  numberAt,
  UNFINISHED_RANGE,
  type Unfinished,
  unfinishedKey,
} from "./records.ts";

/** Changes are durable when they resolve, unless said otherwise. */
export interface GenerationList {
  /** In the order of their numbers. */
  records(): Promise<GenerationRecord[]>;
  put(records: readonly GenerationRecord[]): Promise<void>;
  /** What a crash may have cut short. Of no other generation may the store be missing. */
  unfinished(): Promise<Map<number, Unfinished>>;
  /** Notes the record before its store is made. */
  begin(record: GenerationRecord): Promise<void>;
  /** The store is there, durably. A crash may undo this: then the generation counts as unfinished again. */
  finish(number: number): Promise<void>;
  /** To be called before the store is removed; `remove` forgets the record after that. */
  beginRemoval(number: number): Promise<void>;
  remove(number: number): Promise<void>;
}

export const createGenerationList = (store: Store): GenerationList => ({
  async records() {
    const records: GenerationRecord[] = [];
    for await (const [key, value] of store.entries(GENERATION_RANGE))
      records.push(decodeGeneration(key, value));
    return records;
  },
  put: (records) =>
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
  begin: (record) =>
    store.commit([
      { type: "put", key: unfinishedKey(record.number), value: encodeUnfinished("making") },
      { type: "put", key: generationKey(record.number), value: encodeGeneration(record) },
    ]),
  finish: (number) => store.write([{ type: "del", key: unfinishedKey(number) }]),
  beginRemoval: (number) =>
    store.commit([{ type: "put", key: unfinishedKey(number), value: encodeUnfinished("removing") }]),
  remove: (number) =>
    store.commit([
      { type: "del", key: generationKey(number) },
      { type: "del", key: unfinishedKey(number) },
    ]),
});

/** The number of a generation from the name of its store; undefined for any other name. */
export function generationNumber(name: string): number | undefined {
  const digits = /^generation-(\d{6,})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
