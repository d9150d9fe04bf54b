// Whether a store that no seal covers has been sealed before, as its format says: then its seal is lost.
import { join } from "node:path";
import { type FolderCheck, sealNames } from "./folder-check.ts";
import { FORMAT_KEY, SEALED_FORMAT } from "./format.ts";
import { openLevelStore } from "./level-store.ts";
import { StorageError, type Store } from "./storage.ts";
import type { Finding } from "./store-check.ts";

/** Stores that have a format. A gateway holds them open as long as it runs. */
export const FORMATTED: readonly string[] = ["spool/queue", "ledger/state"];

export async function wasSealed(store: Store): Promise<boolean> {
  const format = await store.get(FORMAT_KEY);
  return format !== undefined && (format[0] ?? 0) >= SEALED_FORMAT;
}

export function lostSeal(name: string, isAny: boolean): Finding {
  return { store: "", file: sealNames, fault: isAny ? `they do not know ${name}` : "they are missing" };
}

/** Opens what is unsealed, which nothing but LevelDB can read. */
export async function findLostSeals(folder: string, { seals, unsealed }: FolderCheck): Promise<Finding[]> {
  for (const name of FORMATTED.filter((one) => unsealed.includes(one))) {
    let store: Store | undefined;
    try {
      store = await openLevelStore(join(folder, name), "short");
      if (await wasSealed(store)) return [lostSeal(name, seals.isAny)];
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return [{ store: name, file: "", fault: error.message }];
    } finally {
      await store?.close();
    }
  }
  return [];
}
