// One generation: the ids relayed in one span of time, in a store, behind a filter of their own.
//
// A filter file counts only if the store holds its digest (P7). The digest is written after the file, and removed in
// the same commit that adds the next id: whatever file lies there later, from a crash, a backup or another folder, is
// not used, and the filter is rebuilt from the ids.
import { createHash } from "node:crypto";
import type { Log } from "../../runtime/log.ts";
import type { FileWriter, Operation, Storage } from "../../storage/storage.ts";
import type { Relayed } from "../archive/archive.ts";
import { createFilter, type Filter, type Probes } from "../filter.ts";
import { deserialiseFilter, type FilterFile, serialiseFilter } from "./filter-file.ts";
import { decodeRelayed, encodeRelayed, FILTER_KEY, type GenerationRecord, isIdKey } from "./records.ts";

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
  /**
   * Reads the filter's file, if there is one that counts. To be awaited before the first id is added. Never rejects:
   * what is wrong with the file is in the log.
   */
  read(): Promise<void>;
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
  /** The store may hold the digest of a file. */
  let isProven = true;
  /** There may be a file. */
  let isFile = true;
  let additions = 0;
  let saves = 0;
  let reading: Promise<void> | undefined;
  let removing: Promise<void> | undefined;
  let warming: Promise<void> | undefined;

  async function read(): Promise<void> {
    try {
      const digest = await store.get(FILTER_KEY);
      const found = await fileOrFault(digest);
      isProven = digest !== undefined;
      isFile = found !== undefined;
      if (found === undefined) return;
      if (typeof found === "string") {
        const consequence = "it is built anew from the ids; nothing is forgotten";
        log.warn("ledger.filter_unused", { generation: number, fault: found, consequence });
        return;
      }
      if (filter.count === 0) filter = found.filter;
      else filter.merge(found.filter);
      isSaved = true;
      isReady = true;
    } catch (cause) {
      // Reading the ids finds it too, and says so.
      log.debug("ledger.filter_unread", { generation: number, cause });
    }
  }

  /** @returns undefined after a crash, which leaves neither file nor digest; a text when the file does not count */
  async function fileOrFault(digest: Uint8Array | undefined): Promise<FilterFile | string | undefined> {
    const name = filterName(number);
    const isThere = (await storage.list("ledger")).includes(name.slice("ledger/".length));
    if (!isThere) return digest === undefined ? undefined : `${name} is missing`;
    if (digest === undefined) {
      return `nothing shows that ${name} is of this state: it is older, or an earlier version wrote it`;
    }
    const file = await deserialiseFilter(storage.readFile(name), record.capacity);
    if (file === undefined) return `${name} is damaged`;
    return Buffer.compare(file.digest, digest) === 0 ? file : `${name} is of another state of the generation`;
  }

  async function rebuild(): Promise<void> {
    let left = KEYS_AT_ONCE;
    for await (const key of store.keys()) {
      if (isIdKey(key)) filter.add(key);
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
      reading ??= read();
      await reading;
      if (!isReady) await rebuild();
    } catch (cause) {
      log.warn("ledger.filter_missing", { generation: number, cause });
    }
  }

  function put(key: Uint8Array, relayed: Relayed): Promise<void> {
    additions++;
    // Of Node's pool: handing over a small array of its own would first move it out of the heap.
    const add: Operation = { type: "put", key: Buffer.from(key), value: encodeRelayed(relayed) };
    return isProven ? putUnproving(add) : store.commit([add]);
  }

  /** What is added is not in the file, so the file must not count once it is in the store. */
  async function putUnproving(add: Operation): Promise<void> {
    isSaved = false;
    const before = saves;
    await store.commit([add, { type: "del", key: FILTER_KEY }]);
    if (before === saves) isProven = false;
    if (isFile) removing ??= removeFile();
  }

  /** It does not count any more. One that stays because the disk fails is not used either. */
  async function removeFile(): Promise<void> {
    await storage.removeFile(filterName(number)).catch(() => {});
    isFile = false;
    removing = undefined;
  }

  async function save(): Promise<void> {
    await removing;
    if (!isReady || isSaved) return;
    const added = additions;
    let file: FileWriter | undefined;
    try {
      file = await storage.createFile(filterName(number));
      const hash = createHash("sha256");
      for (const chunk of serialiseFilter(filter)) {
        hash.update(chunk);
        await file.append(chunk);
      }
      await file.close();
      isFile = true;
      // What came in meanwhile need not be in the file.
      if (added !== additions) return;
      saves++;
      isProven = true;
      await store.commit([{ type: "put", key: FILTER_KEY, value: hash.digest() }]);
      isSaved = true;
    } catch (cause) {
      await file?.discard();
      log.warn("ledger.filter_unsaved", { generation: number, cause });
    }
  }

  async function close(): Promise<void> {
    isStopped = true;
    await warming;
    await removing;
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
      return put(key, relayed);
    },
    read() {
      reading ??= read();
      return reading;
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
