// The real Storage: LevelDB for stores, files that appear whole, both below one folder. What is durable
// here is so after a loss of power: content by fsync, names by fsync of every folder above them.
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { type Counters, createCounters } from "../metrics/counters.ts";
import { type Log, silentLog } from "../runtime/log.ts";
import { syncFolder } from "../runtime/sync-folder.ts";
import { FOLDER_MODE, refuseShared } from "./data-folder.ts";
import { toStorageError } from "./disk-error.ts";
import { type LevelStore, openLevelStore, type StoreCounters } from "./level-store.ts";
import { createSeals } from "./seals.ts";
import type { FileWriter, Storage } from "./storage.ts";
import { removeHalfMade } from "./store-check.ts";

/** Names of files and stores that are being written or removed. They never show in a list. */
const TEMPORARY_PREFIX = ".tmp-";

/** Mails and the record of who got them are for the user who runs the gateway, and nobody else. */
const FILE_MODE = 0o600;

const CHUNK_OCTETS = 64 * 1024;

/**
 * @param folder made when it is not there; one that is there must be our user's, and closed to all others.
 *   One process at a time, which the locks of its stores see to
 * @param log of faults in the folder that are found and repaired
 */
export function createDiskStorage(
  folder: string,
  log: Log = silentLog,
  counters: Pick<Counters, "elapsed" | "commitSeconds" | "commitSize" | "storageErrors"> = createCounters(),
): Storage {
  const seals = createSeals(folder, log);
  const prefix = `${TEMPORARY_PREFIX}${randomBytes(6).toString("hex")}-`;
  let temporaries = 0;
  /** Folders that exist durably and have been cleared of an earlier process's leftovers. */
  const prepared = new Map<string, Promise<void>>();
  /** Stores that are out of sight, by their own names, and whose removal failed after that. */
  const hidden = new Map<string, string>();
  let checked: Promise<void> | undefined;

  /** Before anything is put into the folder. A fault may have been repaired since it was found. */
  function check(): Promise<void> {
    checked ??= mkdir(folder, { recursive: true, mode: FOLDER_MODE }).then(() => refuseShared(folder));
    checked.catch(() => {
      checked = undefined;
    });
    return checked;
  }

  function temporaryIn(parent: string): string {
    return join(parent, `${prefix}${temporaries++}`);
  }

  function prepare(path: string): Promise<void> {
    let done = prepared.get(path);
    if (done === undefined) {
      done = check()
        .then(() => makeFolder(folder, path))
        .then(() => removeLeftovers(path, prefix));
      prepared.set(path, done);
      done.catch(() => prepared.delete(path));
    }
    return done;
  }

  const { elapsed, commitSeconds, commitSize, storageErrors } = counters;
  /** By the first part of the name: generations come and go. */
  const countersOf = (name: string): StoreCounters => {
    const [store = name] = name.split("/");
    return { elapsed, commitSeconds, commitSize, failed: () => storageErrors.add(store) };
  };

  async function using<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      countersOf(name).failed();
      throw toStorageError(error, join(folder, name));
    }
  }

  return {
    async openStore(name, kept) {
      const path = join(folder, name);
      return await using(name, async () => {
        await check();
        if (kept === "loosely") {
          await makeFolder(folder, path);
          await removeHalfMade(path);
          return await openLevelStore(path, kept, undefined, countersOf(name));
        }
        await seals.begin(name);
        let level: LevelStore | undefined;
        try {
          await makeFolder(folder, path);
          level = await openLevelStore(path, kept, () => seals.check(name), countersOf(name));
          return await seals.hold(name, level);
        } catch (error) {
          // Whatever becomes of that, the folder is not held for it.
          await level?.close().catch(() => {});
          await seals.fail();
          throw error;
        }
      });
    },
    async removeStore(name) {
      const path = join(folder, name);
      await using(name, async () => {
        await prepare(dirname(path));
        // Half a store would be a damaged one after a crash, so it goes out of sight at once.
        const removed = hidden.get(path) ?? temporaryIn(dirname(path));
        await seals.begin(name);
        try {
          await seals.remove(name);
          if (!(await renamed(path, removed)) && !hidden.has(path)) return;
          hidden.set(path, removed);
          await syncFolder(dirname(path));
        } finally {
          await seals.end();
        }
        await rm(removed, { recursive: true, force: true });
        hidden.delete(path);
      });
    },
    async createFile(name) {
      const path = join(folder, name);
      return await using(name, async () => {
        await prepare(dirname(path));
        const temporary = temporaryIn(dirname(path));
        const file = await open(temporary, "wx", FILE_MODE);
        const writer = createWriter(file, temporary, path, (work) => using(name, work));
        return { ...writer, close: () => writer.close().then(() => seals.keep(name)) };
      });
    },
    async *readFile(name) {
      const path = join(folder, name);
      const file = await using(name, () => open(path, "r"));
      try {
        for (;;) {
          const chunk = new Uint8Array(CHUNK_OCTETS);
          const { bytesRead } = await using(name, () => file.read(chunk));
          if (bytesRead === 0) return;
          yield chunk.subarray(0, bytesRead);
        }
      } finally {
        await file.close();
      }
    },
    async fileSize(name) {
      const path = join(folder, name);
      return await using(name, () => stat(path).then(({ size }) => size, failedWith("ENOENT", undefined)));
    },
    async removeFile(name) {
      const path = join(folder, name);
      await using(name, async () => {
        await rm(path, { force: true });
        if (await exists(dirname(path))) await syncFolder(dirname(path));
      });
    },
    async list(name) {
      const path = join(folder, name);
      // Without making the folder: a command asks whether anything is there at all.
      await using(name, () => refuseShared(folder).catch(failedWith("ENOENT", undefined)));
      const names = await using(name, () => readdir(path).catch(failedWith("ENOENT", [])));
      return names.filter((entry) => !entry.startsWith(TEMPORARY_PREFIX));
    },
  };
}

function createWriter(
  file: FileHandle,
  temporary: string,
  path: string,
  using: <T>(work: () => Promise<T>) => Promise<T>,
): FileWriter {
  /** Where the content lies, and under its name only once that is known to be durable. */
  let place = temporary;
  return {
    append: (octets) => using(() => file.appendFile(octets)),
    close: () =>
      using(async () => {
        await file.sync();
        await file.close();
        await rename(temporary, path);
        place = path;
        await syncFolder(dirname(path));
      }),
    async discard() {
      await file.close().catch(() => {});
      await rm(place, { force: true }).catch(() => {});
    },
  };
}

/** Makes the folder and, always, its name durable: an earlier process may have died before it did. */
async function makeFolder(root: string, path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: FOLDER_MODE });
  try {
    await syncFoldersAbove(root, path);
  } catch (error) {
    // A sync that is made again may have nothing left to do and still succeed. A new folder has a new name to write.
    if (made !== undefined) await rmdir(path).catch(() => {});
    throw error;
  }
}

async function syncFoldersAbove(root: string, path: string): Promise<void> {
  let parent = dirname(root);
  // Often /var/lib, which need not be readable to the user who owns the folder in it.
  await syncFolder(parent).catch(failedWith("EACCES", undefined));
  for (const part of relative(parent, path).split(sep).slice(0, -1)) {
    parent = join(parent, part);
    await syncFolder(parent);
  }
}

async function removeLeftovers(folder: string, ownPrefix: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const isLeftover = name.startsWith(TEMPORARY_PREFIX) && !name.startsWith(ownPrefix);
    if (isLeftover) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function renamed(from: string, to: string): Promise<boolean> {
  return await rename(from, to).then(() => true, failedWith("ENOENT", false));
}

async function exists(path: string): Promise<boolean> {
  return await open(path, "r").then((handle) => handle.close().then(() => true), failedWith("ENOENT", false));
}

/** Turns one expected error of the system into a value; any other stays an error. */
function failedWith<T>(code: string, value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && "code" in error && error.code === code) return value;
    throw error;
  };
}
