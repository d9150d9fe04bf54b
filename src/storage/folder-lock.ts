// The data folder is one process's, from its first look at it until its last seal is written: the locks of the stores are
// given back before that.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { FOLDER_MODE } from "./data-folder.ts";
import { toStorageError } from "./disk-error.ts";
import { holdLock, refuseLocked } from "./level-store.ts";

const NAME = "lock";

/**
 * @param folder there already
 * @returns what gives it back
 * @throws StorageError, "locked" when another process has the folder
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  try {
    await mkdir(join(folder, NAME), { recursive: true, mode: FOLDER_MODE });
    return await holdLock(join(folder, NAME));
  } catch (error) {
    throw toStorageError(error, folder);
  }
}

/** @throws StorageError, as lockFolder does */
export async function whileLocked<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const release = await lockFolder(folder);
  try {
    return await work();
  } finally {
    await release();
  }
}

/** Versions before 0.2 lock their stores alone. Rejects with a StorageError, "locked" when a process has one of these. */
export async function refuseHeld(folder: string, stores: readonly string[]): Promise<void> {
  for (const name of stores) {
    if (existsSync(join(folder, name, "LOCK"))) await refuseLocked(join(folder, name));
  }
}
