// Reads the ids of the embedded ledger in the order of their octets, each once, from all generations and the
// marks at the same time: no more than a page of each is held.
import { missingStore, type Storage, type Store } from "../../storage/storage.ts";
import type { Relayed } from "../archive/archive.ts";
import { type ArchiveRecord, archived, stronger } from "../archive/archive.ts";
import { storeName } from "./generation.ts";
import { type GenerationList, generationNumber } from "./generation-list.ts";
import type { MarkStore } from "./mark-store.ts";
import { decodeRelayed, isIdKey, type Mark } from "./records.ts";
import type { State } from "./state.ts";

/** One ordered source of records, and the record that comes next from it. */
interface Head {
  readonly records: AsyncIterator<ArchiveRecord>;
  next: ArchiveRecord;
}

/** Rejects with a StorageError, also when a generation is missing. */
export async function* readEmbedded(storage: Storage, state: State): AsyncGenerator<ArchiveRecord> {
  const stores: Store[] = [];
  try {
    for (const name of await generationsOf(storage, state.generations))
      stores.push(await storage.openStore(name));
    yield* merged([...stores.map(relayedOf), doubtsOf(state.marks)]);
  } finally {
    for (const store of stores) await store.close();
  }
}

/** Names of the stores that hold what counts. */
async function generationsOf(storage: Storage, list: GenerationList): Promise<string[]> {
  const unfinished = await list.unfinished();
  const present = (await storage.list("ledger")).flatMap((name) => generationNumber(name) ?? []);
  for (const { number } of await list.records()) {
    if (!present.includes(number) && !unfinished.has(number)) {
      throw missingStore(storeName(number), "ids relayed before are then not exported");
    }
  }
  return present.filter((number) => unfinished.get(number) !== "removing").map(storeName);
}

async function* relayedOf(store: Store): AsyncGenerator<ArchiveRecord> {
  for await (const [key, value] of store.entries()) {
    if (isIdKey(key)) yield { key, relayed: decodeRelayed(value) };
  }
}

async function* doubtsOf(marks: MarkStore): AsyncGenerator<ArchiveRecord> {
  for await (const [key, mark] of marks.all()) yield { key, doubt: doubtOf(mark) };
}

export const doubtOf = ({ firstDate, time, digest }: Mark) => ({ firstDate, changedAt: time, digest });

/** The records of all sources in the order of their keys, those of one id as one. */
async function* merged(sources: readonly AsyncGenerator<ArchiveRecord>[]): AsyncGenerator<ArchiveRecord> {
  let heads: Head[] = [];
  try {
    for (const records of sources) {
      const { done, value } = await records.next();
      if (done !== true) heads.push({ records, next: value });
    }
    while (heads.length > 0) {
      const first = heads.reduce((least, head) => (before(head.next, least.next) ? head : least));
      const { key } = first.next;
      const same = heads.filter(({ next }) => Buffer.compare(next.key, key) === 0);
      yield joined(same.map(({ next }) => next));
      for (const head of same) {
        const { done, value } = await head.records.next();
        if (done === true) heads = heads.filter((one) => one !== head);
        else head.next = value;
      }
    }
  } finally {
    for (const source of sources) await source.return(undefined);
  }
}

const before = (one: ArchiveRecord, other: ArchiveRecord): boolean => Buffer.compare(one.key, other.key) < 0;

function joined(records: readonly ArchiveRecord[]): ArchiveRecord {
  const [only] = records;
  if (only !== undefined && records.length === 1) return only;
  const marked = records.find(({ doubt }) => doubt !== undefined);
  const relayed = records.filter((record) => record !== marked);
  const latest = relayed.reduce(stronger).relayed;
  return standing(records[0]?.key as Uint8Array, latest, marked?.doubt);
}

/** A mark that is not later than the relaying was settled by it: a crash has brought it back. */
export function standing(
  key: Uint8Array,
  relayed: Relayed | undefined,
  doubt: ArchiveRecord["doubt"],
): ArchiveRecord {
  const isSettled = relayed !== undefined && doubt !== undefined && doubt.changedAt <= relayed.time;
  return archived(key, relayed, isSettled ? undefined : doubt);
}
