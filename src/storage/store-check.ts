// Compares the files of one store with its seal before LevelDB opens it. LevelDB silently drops damaged parts
// of a log, treats a shorter or older manifest as whole, and overwrites files that it finds.
import { existsSync, readdirSync, statSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { currentManifest, logName, manifestName, tableName } from "./leveldb/files.ts";
import { walkLog } from "./leveldb/log-file.ts";
import { type Manifest, readManifest } from "./leveldb/manifest.ts";
import { checkTable } from "./leveldb/table.ts";
import type { SealedFile, StoreSeal } from "./seal.ts";

/** The fault of one file. */
export interface Finding {
  /** The name of the store. */
  readonly store: string;
  /** The name of the file in the store's folder; empty when it is the folder. */
  readonly file: string;
  readonly fault: string;
}

/** What of the tables is looked at: that they are there and as long as they should be, or each octet too. */
export type Depth = "sizes" | "octets";

/** Whether there is a store in the folder: an empty folder is none yet. */
export function holdsStore(folder: string): boolean {
  if (!existsSync(folder)) return false;
  return readdirSync(folder).some((name) => /^(CURRENT|MANIFEST-\d+|\d+\.(ldb|sst|log))$/.test(name));
}

/**
 * Whether a crash has cut the making of the store short: there is nothing in it yet. LevelDB does not sync its first
 * manifest, and does not open a store where that is empty; CURRENT names a second one before anything is written.
 */
export async function isHalfMade(folder: string): Promise<boolean> {
  if (!holdsStore(folder)) return false;
  for (const name of readdirSync(folder)) {
    if (/\.(ldb|sst)$/.test(name)) return false;
    if (/\.log$/.test(name) && statSync(join(folder, name)).size > 0) return false;
  }
  return !existsSync(join(folder, "CURRENT")) || (await currentManifest(folder)) === FIRST_MANIFEST;
}

const FIRST_MANIFEST = 1;

/** To be called for a store that no seal knows, before it is opened: it is made anew then. */
export async function removeHalfMade(folder: string): Promise<void> {
  if (!(await isHalfMade(folder))) return;
  // In this order, so that what a crash leaves is half made too.
  const manifests = readdirSync(folder).filter((name) => name.startsWith("MANIFEST-"));
  for (const name of ["CURRENT", ...manifests]) await rm(join(folder, name), { force: true });
}

/**
 * @param sealed what is known of the store; undefined when nothing is
 * @returns nothing when all is well. Rejects when a file can't be read
 */
export async function checkStore(
  dataFolder: string,
  store: string,
  sealed: StoreSeal | undefined,
  depth: Depth,
): Promise<Finding[]> {
  const folder = join(dataFolder, store);
  const findings: Finding[] = [];
  const find = (file: string, fault: string): void => void findings.push({ store, file, fault });

  if (!existsSync(folder)) find("", "it is missing");
  else if (!holdsStore(folder)) find("", "it is empty");
  else if (!existsSync(join(folder, "CURRENT"))) find("CURRENT", "it is missing");
  if (findings.length > 0) return findings;

  const number = await currentManifest(folder);
  if (number === undefined) {
    find("CURRENT", "it names no manifest");
    return findings;
  }
  if (sealed !== undefined && number < sealed.manifest.number) {
    find(
      "CURRENT",
      `it names ${manifestName(number)}, which is older than ${manifestName(sealed.manifest.number)}`,
    );
    return findings;
  }
  const known = sealed?.manifest.number === number ? sealed : undefined;
  const manifest = await checkManifest(folder, number, known, find);
  if (manifest === undefined) return findings;
  const isFinal = known?.final === true;
  if (sealed?.final === true && !isFinal && !isSameContent(folder, manifest, sealed)) {
    find("CURRENT", `it names ${manifestName(number)}, which is newer than the seal of the last stop`);
    return findings;
  }
  for (const log of sealed?.logs ?? []) {
    // One below has gone into tables, and is not read any more.
    if (log.number >= manifest.logNumber) await checkLog(folder, log, isFinal, find);
  }
  if (isFinal) findUnknownLogs(folder, manifest, known, find);
  await checkTables(folder, manifest, depth, find);
  return findings;
}

/**
 * An earlier version refuses a store of a format that it does not know, but opens it first: then the logs have gone into
 * tables, the manifest is another one, and nothing was added.
 */
function isSameContent(folder: string, manifest: Manifest, sealed: StoreSeal): boolean {
  const isEmpty = (name: string): boolean => statSync(join(folder, name)).size === 0;
  return manifest.lastSequence === sealed.sequence && logsFrom(folder, manifest.logNumber).every(isEmpty);
}

function logsFrom(folder: string, least: number): string[] {
  return readdirSync(folder).filter((name) => Number(/^(\d+)\.log$/.exec(name)?.[1] ?? -1) >= least);
}

type Find = (file: string, fault: string) => void;

async function checkManifest(
  folder: string,
  number: number,
  sealed: StoreSeal | undefined,
  find: Find,
): Promise<Manifest | undefined> {
  const name = manifestName(number);
  if (!existsSync(join(folder, name))) {
    find(name, "it is missing, and CURRENT names it");
    return undefined;
  }
  const octets = await readFile(join(folder, name));
  if (sealed !== undefined && !hasLength(octets.length, sealed.manifest, sealed.final)) {
    find(name, lengthFault(octets.length, sealed.manifest));
    return undefined;
  }
  const manifest = readManifest(octets);
  // Behind what was sealed a record may be cut off: a crash has cut it.
  if (manifest.wholeUntil < (sealed?.manifest.octets ?? 1)) {
    find(name, manifest.fault ?? "it is empty");
    return undefined;
  }
  return manifest;
}

async function checkLog(folder: string, sealed: SealedFile, isFinal: boolean, find: Find): Promise<void> {
  const name = logName(sealed.number);
  const path = join(folder, name);
  if (!existsSync(path)) return find(name, "it is missing");
  const octets = await readFile(path);
  if (!hasLength(octets.length, sealed, isFinal)) return find(name, lengthFault(octets.length, sealed));
  const { wholeUntil, fault } = walkLog(octets.subarray(0, sealed.octets));
  if (wholeUntil < sealed.octets) find(name, fault ?? "it is cut off");
}

/** LevelDB would read them. */
function findUnknownLogs(folder: string, manifest: Manifest, sealed: StoreSeal, find: Find): void {
  const known = new Set(sealed.logs.map(({ number }) => logName(number)));
  for (const name of logsFrom(folder, manifest.logNumber)) {
    if (!known.has(name)) find(name, "it was not there at the last stop");
  }
}

async function checkTables(folder: string, manifest: Manifest, depth: Depth, find: Find): Promise<void> {
  for (const [number, octets] of manifest.tables) {
    const name = [tableName(number), tableName(number).replace(".ldb", ".sst")].find((one) =>
      existsSync(join(folder, one)),
    );
    if (name === undefined) {
      find(tableName(number), "it is missing");
      continue;
    }
    const path = join(folder, name);
    const { size } = statSync(path);
    const fault =
      size !== octets
        ? `it is ${size} octets long, and was ${octets}`
        : depth === "octets"
          ? await checkTable(path, octets)
          : undefined;
    if (fault !== undefined) find(name, fault);
  }
}

const hasLength = (octets: number, sealed: SealedFile, isFinal: boolean): boolean =>
  isFinal ? octets === sealed.octets : octets >= sealed.octets;

const lengthFault = (octets: number, sealed: SealedFile): string =>
  `it is ${octets} octets long, and was ${sealed.octets}`;
