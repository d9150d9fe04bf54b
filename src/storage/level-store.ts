// A Store on LevelDB. classic-level is imported here and nowhere else.
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { type Counters, createCounters } from "../metrics/counters.ts";
import { syncFolder } from "../runtime/sync-folder.ts";
import { damaged, toStorageError } from "./disk-error.ts";
import { createGroupCommit } from "./group-commit.ts";
import { type Kept, type Operation, type Range, StorageError, type Store } from "./storage.ts";

type Level = ClassicLevel<Uint8Array, Uint8Array> & {
  /**
   * The method of abstract-level's implementations beneath batch(). batch() copies each operation three times
   * for encodings, hooks and sublevels that are not used here, which costs a third of all commits in a
   * second. It does not check that the database is open; the group commit and `usable` below see to that.
   */
  _batch(operations: readonly Operation[], options: { readonly sync: boolean }): Promise<void>;
};

/**
 * Octets that LevelDB gathers in memory before it writes a table. Values that are kept long have random keys,
 * so every table spans all keys and is merged with all others; four times the default makes a quarter as
 * many. While a table is written, commits on the same disk wait for it, so values that are kept shortly get
 * small tables.
 */
const WRITE_BUFFER_OCTETS: Readonly<Record<Kept, number>> = {
  long: 16 * 2 ** 20,
  short: 2 * 2 ** 20,
  loosely: 2 * 2 ** 20,
};

/** Entries fetched in one call of an iteration, which crosses a thread each time. */
const ENTRIES_AT_ONCE = 1000;

/** Octets fetched in one call of an iteration; the default of 16 KB is a third slower on short values. */
const OCTETS_AT_ONCE = 128 * 1024;

/** classic-level makes no call for a batch of nothing, and so no sync. No store has the empty key. */
const NOTHING: readonly Operation[] = [{ type: "del", key: new Uint8Array() }];

/** Longer than any key, and after all of them. */
const BEYOND_ALL_KEYS = new Uint8Array(256).fill(255);

interface Request {
  readonly operations: readonly Operation[];
  readonly durable: boolean;
  /** Awaited before the next batch is written. Never rejects. */
  readonly after?: () => Promise<void>;
}

/** What a store counts. */
export interface StoreCounters extends Pick<Counters, "elapsed" | "commitSeconds" | "commitSize"> {
  /** The disk has failed once. */
  failed(): void;
}

const uncounted = (): StoreCounters => ({ ...createCounters(), failed() {} });

export interface LevelStore extends Store {
  /**
   * Syncs the log, and calls `read` at a moment when all of the newest log is durable and ends with a whole record:
   * nothing is written meanwhile.
   */
  measured<T>(read: () => Promise<T>): Promise<T>;
}

/**
 * After a failed write LevelDB accepts no other until it is opened anew, so the store does that on the
 * call after a failure, as often as it takes. The same object therefore works again once there is space;
 * iterations that were under way then end with an error.
 *
 * Nothing that is acknowledged after a failed sync rests on the octets of that sync, which the system may have
 * thrown away: opening reads the log, writes what it holds into a new table and a new manifest, syncs both, and
 * begins a new log.
 *
 * @param folder there already; its own entry in the parent folder is the caller's concern
 * @param check rejects when the files in the folder are not what they should be; called before each opening but the first
 * @param counters of what happens once it is open
 */
export async function openLevelStore(
  folder: string,
  kept: Kept = "long",
  check: () => Promise<void> = async () => {},
  counters: StoreCounters = uncounted(),
): Promise<LevelStore> {
  let level = await openLevel(folder, kept);
  let failed = false;
  let reopening: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  const requests = createGroupCommit<Request>(async (batch) => {
    const current = await usable();
    try {
      const gathered = batch.length === 1 ? batch[0]?.operations : batch.flatMap((one) => one.operations);
      const operations = gathered === undefined || gathered.length === 0 ? NOTHING : gathered;
      // LevelDB keeps the order of its calls, so a batch without sync is durable with the next one.
      const sync = batch.some((one) => one.durable);
      const began = counters.elapsed();
      await current._batch(operations, { sync });
      if (sync) {
        counters.commitSeconds.observe(counters.elapsed() - began);
        counters.commitSize.observe(batch.length);
      }
      for (const { after } of batch) await after?.();
    } catch (error) {
      failed = true;
      throw fault(error);
    }
  });

  function fault(error: unknown): StorageError {
    counters.failed();
    return toStorageError(error, folder);
  }

  async function usable(): Promise<Level> {
    if (failed) {
      reopening ??= reopen()
        .catch((error: unknown) => {
          throw fault(error);
        })
        .finally(() => {
          reopening = undefined;
        });
      await reopening;
    }
    return level;
  }

  async function reopen(): Promise<void> {
    await level.close();
    await check();
    level = await openLevel(folder, kept);
    failed = false;
  }

  /** For reads, which need not wait for writes under way: LevelDB shows what has resolved. */
  async function ready(): Promise<Level> {
    assertOpen();
    return await usable();
  }

  function assertOpen(): void {
    if (closing !== undefined) throw closed();
  }

  const closed = () => new StorageError("unavailable", `${folder} has been closed`);

  /** All callers of a group get the one promise of it. */
  function add(operations: readonly Operation[], durable: boolean): Promise<void> {
    return closing === undefined ? requests.add({ operations, durable }) : Promise.reject(closed());
  }

  async function* iterate<Entry>(begin: (level: Level) => EntrySource<Entry>): AsyncGenerator<Entry> {
    const source = begin(await ready());
    try {
      for (;;) {
        const entries = await source.nextv(ENTRIES_AT_ONCE);
        if (entries.length === 0) return;
        yield* entries;
      }
    } catch (error) {
      throw fault(error);
    } finally {
      await source.close();
    }
  }

  const options = { fillCache: false, highWaterMarkBytes: OCTETS_AT_ONCE };
  return {
    async get(key) {
      const current = failed || closing !== undefined ? await ready() : level;
      try {
        return await current.get(key);
      } catch (error) {
        throw fault(error);
      }
    },
    entries: (range?: Range) => iterate((current) => current.iterator({ ...options, ...range })),
    keys: (range?: Range) => iterate((current) => current.keys({ ...options, ...range })),
    commit: (operations) => add(operations, true),
    write: (operations) => add(operations, false),
    async measured<T>(read: () => Promise<T>): Promise<T> {
      assertOpen();
      let outcome: Promise<T> | undefined;
      const after = async (): Promise<void> => {
        outcome = read();
        await outcome.catch(() => {});
      };
      await requests.add({ operations: [], durable: true, after });
      return await (outcome as Promise<T>);
    },
    async rest() {
      await requests.drain();
      try {
        // LevelDB writes out what it has gathered before it compacts a range, and of this one it has nothing.
        await (await ready()).compactRange(BEYOND_ALL_KEYS, BEYOND_ALL_KEYS);
      } catch (error) {
        throw fault(error);
      }
    },
    close() {
      closing ??= (async () => {
        await requests.drain();
        await reopening?.catch(() => {});
        await level.close();
      })();
      return closing;
    },
  };
}

/** What this file uses of classic-level's two kinds of iterator. */
interface EntrySource<Entry> {
  nextv(size: number): Promise<Entry[]>;
  close(): Promise<void>;
}

async function openLevel(folder: string, kept: Kept): Promise<Level> {
  try {
    await refuseHeadless(folder);
    const level = new ClassicLevel<Uint8Array, Uint8Array>(folder, {
      keyEncoding: "view",
      valueEncoding: "view",
      writeBufferSize: WRITE_BUFFER_OCTETS[kept],
      // Ids and digests do not compress, and what is not compressed is read where the kernel has it. What is kept
      // loosely is text for people, and much of it.
      compression: kept === "loosely",
    }) as Level;
    await level.open();
    try {
      // LevelDB renames its file CURRENT into place without making the new name durable.
      await syncFolder(folder);
    } catch (error) {
      // Left open it would keep its lock, and every later try would find the store in use.
      await level.close();
      throw error;
    }
    return level;
  } catch (error) {
    throw toStorageError(error, folder);
  }
}

/**
 * Asks for the lock of a store and changes nothing in it. Resolves when nobody has it.
 *
 * @param folder there, with a store in it or not
 * @throws StorageError "locked" when another process or another opening has the store
 */
export async function refuseLocked(folder: string): Promise<void> {
  const level = new ClassicLevel<Uint8Array, Uint8Array>(folder);
  try {
    // LevelDB locks the folder before it finds that it must not open what is there, nor make what is not.
    await level.open({ createIfMissing: false, errorIfExists: true });
    await level.close();
  } catch (error) {
    const refusal = toStorageError(error, folder);
    if (refusal.code === "locked") throw refusal;
  }
}

/**
 * Holds LevelDB's lock on a folder that nothing is kept in: Node.js has no lock of its own that the system takes back
 * from a process that dies. Rejects with LevelDB's own error, of which `toStorageError` makes "locked" when another process
 * or another opening has it.
 *
 * @param folder there already
 * @returns what gives it back
 */
export async function holdLock(folder: string): Promise<() => Promise<void>> {
  const hold = async (): Promise<() => Promise<void>> => {
    const level = new ClassicLevel(folder);
    await level.open();
    return () => level.close();
  };
  try {
    return await hold();
  } catch (error) {
    if (toStorageError(error, folder).code === "locked") throw error;
    // Whatever a crash or a person has done to its files. Without LOCK itself, two processes could each have one.
    for (const name of await readdir(folder)) {
      if (name !== "LOCK") await rm(join(folder, name), { recursive: true, force: true });
    }
    return await hold();
  }
}

/** Makes a store of whatever tables and logs can be read. Rejects with a StorageError. */
export async function repairLevelStore(folder: string): Promise<void> {
  try {
    await ClassicLevel.repair(folder);
  } catch (error) {
    throw toStorageError(error, folder);
  }
}

/**
 * LevelDB takes a folder without the file CURRENT for a new one and removes the tables in it. Losing the
 * ledger that way must not look like an empty ledger.
 */
async function refuseHeadless(folder: string): Promise<void> {
  const names = await readdir(folder);
  if (names.includes("CURRENT")) {
    const manifest = (await readFile(join(folder, "CURRENT"), "utf8")).trim();
    if (!names.includes(manifest)) throw damaged(folder, `CURRENT names ${manifest}, which is not there`);
    return;
  }
  for (const name of names) {
    const holdsData =
      /\.(ldb|sst)$/.test(name) || (/\.log$/.test(name) && (await stat(join(folder, name))).size > 0);
    if (holdsData) throw damaged(folder, `${name} is there, but no CURRENT`);
  }
}
