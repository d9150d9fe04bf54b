// How far the files of a store are durable. LevelDB syncs its manifest record by record and its log when a
// commit asks for it. Lengths reported here have been synced once more, or before.
import { open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "../runtime/sync-folder.ts";
import { currentManifest, logName, logNumbers, manifestName } from "./leveldb/files.ts";
import { lastSequenceOf, walkLog } from "./leveldb/log-file.ts";
import { readManifest } from "./leveldb/manifest.ts";
import type { SealedFile, StoreSeal } from "./seal.ts";

/**
 * The newest log and its length. It ends with a whole record only while nothing is written.
 *
 * @returns undefined when there is no log
 */
export async function newestLog(folder: string): Promise<SealedFile | undefined> {
  const number = (await logNumbers(folder)).at(-1);
  if (number === undefined) return undefined;
  return { number, octets: await sizeOf(join(folder, logName(number))) };
}

/**
 * Of a store that is open.
 *
 * @param before what was measured last; what has not changed since is not synced again
 * @param newest known to be durable
 */
export async function measureStore(
  folder: string,
  before: StoreSeal | undefined,
  newest: SealedFile,
): Promise<StoreSeal> {
  const manifest = await measureManifest(folder, before?.manifest);
  const logs: SealedFile[] = [];
  for (const number of await logNumbers(folder)) {
    if (number >= newest.number) continue;
    const log = await measureLog(folder, number, before?.logs);
    if (log !== undefined) logs.push(log);
  }
  logs.push(newest);
  const namesBefore = new Set(before?.logs.map(({ number }) => number));
  const isSame =
    before?.manifest.number === manifest.number && logs.every(({ number }) => namesBefore.has(number));
  // LevelDB does not make the names of logs durable.
  if (!isSame) await syncFolder(folder);
  return { manifest, logs, final: false };
}

/** Of a store that is closed: final unless a write that failed has left a part of a record. */
export async function measureClosed(folder: string): Promise<StoreSeal> {
  const number = await currentManifest(folder);
  if (number === undefined) throw new Error(`CURRENT in ${folder} names no manifest`);
  const path = join(folder, manifestName(number));
  const octets = await readFile(path);
  const { wholeUntil, logNumber, lastSequence } = readManifest(octets);
  await syncData(path);
  let isWhole = wholeUntil === octets.length;
  let sequence = lastSequence;
  const logs: SealedFile[] = [];
  for (const log of await logNumbers(folder)) {
    // What is below has gone into tables.
    if (log < logNumber) continue;
    const content = await readFile(join(folder, logName(log)));
    const walk = walkLog(content, (record) => {
      sequence = Math.max(sequence, lastSequenceOf(record));
    });
    await syncData(join(folder, logName(log)));
    isWhole &&= walk.wholeUntil === content.length;
    logs.push({ number: log, octets: walk.wholeUntil });
  }
  await syncFolder(folder);
  return { manifest: { number, octets: wholeUntil }, logs, final: isWhole, sequence };
}

async function measureManifest(folder: string, before: SealedFile | undefined): Promise<SealedFile> {
  const number = await currentManifest(folder);
  if (number === undefined) throw new Error(`CURRENT in ${folder} names no manifest`);
  const path = join(folder, manifestName(number));
  if (before?.number === number && before.octets === (await sizeOf(path))) return before;
  // A record may be on its way into it.
  const { wholeUntil } = walkLog(await readFile(path));
  await syncData(path);
  return { number, octets: wholeUntil };
}

/** @returns undefined when it is gone: its content is in tables now */
async function measureLog(
  folder: string,
  number: number,
  before: readonly SealedFile[] = [],
): Promise<SealedFile | undefined> {
  const path = join(folder, logName(number));
  try {
    const octets = await sizeOf(path);
    if (!before.some((log) => log.number === number && log.octets === octets)) await syncData(path);
    return { number, octets };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

const sizeOf = async (path: string): Promise<number> => (await stat(path)).size;

async function syncData(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}
