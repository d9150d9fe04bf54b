// One generation: the ids relayed in one span of time, in a store, behind a filter of their own.
//
// Invariant: a filter file holds every id of its store. It is written only while nothing is added, and
// removed, durably, before the first id that this process adds; so a crash leaves no file or a whole one.
import type { Log } from "../runtime/log.ts";
import type { FileWriter, Storage } from "../runtime/storage.ts";
import { createFilter, type Filter, type Probes } from "./filter.ts";
import { deserialiseFilter, serialiseFilter } from "./filter-file.ts";
import { decodeRelayed, encodeRelayed, type GenerationRecord, type Relayed } from "./records.ts";

/** Keys added to a filter before others get their turn: about a millisecond. */
const KEYS_AT_ONCE = 2048;

export interface Generation {
  readonly number: number;
  readonly filter: Filter;
  /** False: certainly not here. Always true until the filter is ready. */
  maybe(probes: Probes): boolean;
  get(key: Uint8Array): Promise<Relayed | undefined>;
  /** Durable when it resolves. */
  add(key: Uint8Array, relayed: Relayed): Promise<void>;
  /** Makes the filter ready, from its file or from the keys. Never rejects: without it all is slower. */
  warm(): Promise<void>;
  /** Saves the filter if it is ready and not saved. Nothing may be added afterwards. Never rejects. */
  save(): Promise<void>;
  /** Nothing is added any more: saves the filter and gives back memory. Never rejects. */
  rest(): Promise<void>;
  /** Ends warming early. */
  stop(): void;
  /** Stops, and waits for what is under way. */
  close(): Promise<void>;
  /** Closes it and removes all of it. */
  remove(): Promise<void>;
}

/** Removes what a removal that was cut short has left of a generation. */
export async function removeRemains(storage: Storage, number: number): Promise<void> {
  // The file first: it must never be found beside a new store of the same number.
  await storage.removeFile(filterName(number));
  await storage.removeStore(storeName(number));
}

export const storeName = (number: number) => `ledger/generation-${String(number).padStart(6, "0")}`;
const filterName = (number: number) => `${storeName(number)}.filter`;

/** @param record of which number and capacity are used */
export async function openGeneration(
  storage: Storage,
  log: Log,
  record: GenerationRecord,
): Promise<Generation> {
  const { number } = record;
  const store = await storage.openStore(storeName(number));
  let filter = createFilter(record.capacity);
  let isReady = false;
  let isSaved = false;
  let isStopped = false;
  /** There certainly is no file. */
  let isUnsaved = false;
  let reading: Promise<Filter | undefined> | undefined;
  let unsaving: Promise<void> | undefined;
  let warming: Promise<void> | undefined;

  async function read(): Promise<Filter | undefined> {
    try {
      return await deserialiseFilter(storage.readFile(filterName(number)), record.capacity);
    } catch {
      // There is none, or the disk fails, which the rebuild will find too and report.
      return undefined;
    }
  }

  async function rebuild(): Promise<void> {
    let left = KEYS_AT_ONCE;
    for await (const key of store.keys()) {
      filter.add(key);
      if (--left > 0) continue;
      if (isStopped) return;
      await new Promise(setImmediate);
      left = KEYS_AT_ONCE;
    }
    isReady = true;
    if (filter.count > 0) log.info("ledger.filter_rebuilt", { generation: number, ids: filter.count });
  }

  async function warm(): Promise<void> {
    if (isStopped) return;
    try {
      reading = read();
      const found = await reading;
      if (found === undefined) return await rebuild();
      // Ids may have come in meanwhile; they are in the filter and not in the file.
      if (filter.count === 0) filter = found;
      else filter.merge(found);
      isSaved = unsaving === undefined;
      isReady = true;
    } catch (cause) {
      log.warn("ledger.filter_missing", { generation: number, cause });
    }
  }

  /** Removes the file before the first id, but not before it has been read. */
  function unsaved(): Promise<void> {
    unsaving ??= unsave();
    unsaving.catch(() => {
      unsaving = undefined;
    });
    return unsaving;
  }

  async function unsave(): Promise<void> {
    await reading;
    await storage.removeFile(filterName(number));
    isUnsaved = true;
    isSaved = false;
  }

  function put(key: Uint8Array, relayed: Relayed): Promise<void> {
    // Of Node's pool: handing over a small array of its own would first move it out of the heap.
    return store.commit([{ type: "put", key: Buffer.from(key), value: encodeRelayed(relayed) }]);
  }

  async function save(): Promise<void> {
    await unsaving?.catch(() => {});
    if (!isReady || isSaved) return;
    let file: FileWriter | undefined;
    try {
      file = await storage.createFile(filterName(number));
      for (const chunk of serialiseFilter(filter)) await file.append(chunk);
      await file.close();
      isSaved = true;
    } catch (cause) {
      await file?.discard();
      log.warn("ledger.filter_unsaved", { generation: number, cause });
    }
  }

  async function close(): Promise<void> {
    isStopped = true;
    await warming;
    await store.close();
  }

  return {
    number,
    get filter() {
      return filter;
    },
    maybe: (probes) => !isReady || filter.mayHold(probes),
    async get(key) {
      const value = await store.get(key);
      return value === undefined ? undefined : decodeRelayed(value);
    },
    add(key, relayed) {
      filter.add(key);
      return isUnsaved ? put(key, relayed) : unsaved().then(() => put(key, relayed));
    },
    warm() {
      warming ??= warm();
      return warming;
    },
    save,
    async rest() {
      await save();
      // Should it fail, it is memory that is lost, until the next start.
      await store.rest().catch(() => {});
    },
    stop() {
      isStopped = true;
    },
    close,
    async remove() {
      await close();
      await removeRemains(storage, number);
    },
  };
}
