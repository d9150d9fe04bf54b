// A seal: how far each store was durable at one moment, so that a start notices what is missing, cut or older. It is
// written to two files in turn, so that one of them is whole whatever happens while the other is written:
//
//     mailonce seal 1 89abcdef      format, and the CRC-32 of all that follows this line
//     {"number":17,…}               the seal as JSON

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { bufferOf } from "../runtime/buffer-view.ts";
import { writeWhole } from "./whole-file.ts";

const FORMAT = 1;
const MODE = 0o600;
const TEMPORARY = ".tmp-seal";

/** The seal of number n is in the file of index n modulo 2. */
export const SEAL_FILES = ["seal.0", "seal.1"] as const;

/** A file of a store and how many octets of it are durable. */
export interface SealedFile {
  readonly number: number;
  readonly octets: number;
}

export interface StoreSeal {
  readonly manifest: SealedFile;
  /** The write-ahead logs, in the order of their numbers. */
  readonly logs: readonly SealedFile[];
  /** The store was closed in order: its files are as long as this says, and no longer. */
  readonly final: boolean;
  /** Where it is final: LevelDB's number of the last change. */
  readonly sequence?: number;
}

export interface Seal {
  /** One more than that of the seal before. */
  readonly number: number;
  /** A process has the folder open: there may be stores that are not in here yet. */
  readonly running: boolean;
  /** By their names, such as "spool/queue". */
  readonly stores: Readonly<Record<string, StoreSeal>>;
  /** Content of small files that are written once, by their names. */
  readonly files: Readonly<Record<string, string>>;
}

export interface FoundSeals {
  /** The newest whole one; undefined when there is none. */
  readonly seal: Seal | undefined;
  /** What is wrong with a file, by its name. */
  readonly faults: ReadonlyMap<string, string>;
  /** There is a file at all. */
  readonly isAny: boolean;
}

export function encodeSeal(seal: Seal): Uint8Array {
  const body = Buffer.from(`${JSON.stringify(seal)}\n`);
  return Buffer.concat([Buffer.from(`mailonce seal ${FORMAT} ${checksum(body)}\n`), body]);
}

/** @returns a text that says what is wrong when it is no whole seal */
export function decodeSeal(content: Uint8Array): Seal | string {
  const octets = bufferOf(content);
  if (octets.length === 0) return "it is empty";
  const bodyAt = octets.indexOf("\n") + 1;
  const head = /^mailonce seal (\d+) ([0-9a-f]{8})\n$/.exec(octets.toString("latin1", 0, bodyAt));
  if (head === null) return "it does not begin as a seal";
  if (head[1] !== String(FORMAT)) return `it has format ${head[1]}, and this version knows ${FORMAT}`;
  const body = octets.subarray(bodyAt);
  if (head[2] !== checksum(body)) return "its checksum is wrong";
  return JSON.parse(body.toString("utf8")) as Seal;
}

const checksum = (octets: Uint8Array): string => crc32(octets).toString(16).padStart(8, "0");

/** Rejects when a file can't be read; one that is not there is a fault like others. */
export async function readSeals(folder: string): Promise<FoundSeals> {
  const faults = new Map<string, string>();
  const seals: (Seal | undefined)[] = [];
  let isAny = false;
  for (const [index, name] of SEAL_FILES.entries()) {
    const content = await readFile(join(folder, name)).catch(absent);
    if (content !== undefined) isAny = true;
    const found = content === undefined ? "it is missing" : decodeSeal(content);
    if (typeof found === "string") faults.set(name, found);
    else if (found.number % SEAL_FILES.length !== index) faults.set(name, "it is the other file's");
    else seals[index] = found;
  }
  const [zero, one] = seals;
  const newest = (zero?.number ?? -1) > (one?.number ?? -1) ? zero : one;
  const other = newest === zero ? one : zero;
  if (newest !== undefined && other !== undefined && other.number !== newest.number - 1) {
    faults.set(SEAL_FILES[other.number % 2] as string, `it is older than the one before the last`);
  }
  return { seal: newest, faults, isAny };
}

/** Durable when it resolves. */
export async function writeSeal(folder: string, seal: Seal): Promise<void> {
  const name = SEAL_FILES[seal.number % SEAL_FILES.length] as string;
  await writeWhole(join(folder, name), join(folder, TEMPORARY), encodeSeal(seal), MODE);
}

function absent(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
  throw error;
}
