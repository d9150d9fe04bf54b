// Accepts a data folder with its losses: damaged parts are put into a state that can be opened, and sealed.
// Only an operator decides this, since the gateway forgets the missing parts from then on.
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FOLDER_MODE } from "./data-folder.ts";
import { type FolderCheck, sealedFilesIn, storesIn } from "./folder-check.ts";
import { openLevelStore, repairLevelStore } from "./level-store.ts";
import { SEAL_FILES, type StoreSeal, writeSeal } from "./seal.ts";
import type { Finding } from "./store-check.ts";
import { measureClosed } from "./store-measure.ts";

/** Where damaged tables go: nothing is deleted. */
export const ASIDE = "damaged";

/**
 * @param check of this folder, with all that is wrong
 * @returns what was done, a line each
 */
export async function acceptFolder(folder: string, { findings, seals }: FolderCheck): Promise<string[]> {
  const done: string[] = [];
  const missing = namesOf(findings.filter(({ file, fault }) => file === "" && !isForeign(fault)));
  for (const name of missing) {
    if (isGone(folder, name)) continue;
    await mkdir(join(folder, name), { recursive: true, mode: FOLDER_MODE });
    done.push(`${name}: an empty one is made`);
  }
  for (const { store, file, fault } of findings) {
    if (!isActedOn(store) || !/\.(ldb|sst)$/.test(file) || fault.startsWith("it is missing")) continue;
    await setAside(folder, `${store}/${file}`);
    done.push(`${store}/${file}: moved to ${ASIDE}/${store}/${file}`);
  }
  const stores = new Map<string, StoreSeal>();
  for (const name of new Set([...storesIn(folder), ...missing])) {
    if (isGone(folder, name)) continue;
    if (await openedOnce(folder, name)) done.push(`${name}: repaired with what could be read`);
    stores.set(name, await measureClosed(join(folder, name)));
  }
  for (const file of SEAL_FILES) await rm(join(folder, file), { force: true });
  const files = await sealedFilesIn(folder);
  const number = seals.seal?.number ?? 0;
  for (const next of [number + 1, number + 2]) {
    await writeSeal(folder, { number: next, running: false, stores: Object.fromEntries(stores), files });
  }
  done.push("the data folder is sealed as it is now");
  return done;
}

const namesOf = (findings: readonly Finding[]): string[] => [
  ...new Set(findings.map(({ store }) => store).filter((store) => store !== "")),
];

const isForeign = (fault: string): boolean => fault.startsWith("it was not there");

/** Its tables are read and acted on at the start; those of a generation are kept, as all but one block is right. */
const isActedOn = (store: string): boolean => store === "spool/queue" || store === "ledger/state";

/** The whole ledger is gone, as after moving to a shared one. Nothing is made in its place. */
const isGone = (folder: string, name: string): boolean =>
  name.startsWith("ledger/") && !storesIn(folder).some((store) => store.startsWith("ledger/"));

async function setAside(folder: string, name: string): Promise<void> {
  const to = join(folder, ASIDE, name);
  await mkdir(dirname(to), { recursive: true, mode: FOLDER_MODE });
  await rename(join(folder, name), to);
}

/** Opening writes what the logs hold into tables. @returns whether it could be opened only after a repair */
async function openedOnce(folder: string, name: string): Promise<boolean> {
  const path = join(folder, name);
  const open = async () => await (await openLevelStore(path)).close();
  const isHeadless = !existsSync(join(path, "CURRENT")) && storesIn(folder).includes(name);
  if (!isHeadless) {
    try {
      await open();
      return false;
    } catch {
      // What LevelDB can't open it can repair.
    }
  }
  await repairLevelStore(path);
  await open();
  return true;
}
