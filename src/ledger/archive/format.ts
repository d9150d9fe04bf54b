// An archive as text: one JSON object a line. The first line says what it is, the last how much it is, with
// a checksum of all before it: an archive that was cut off or altered is not taken for a whole one. Pure.
//
//     {"format":"mailonce-ledger","version":1,"kind":"embedded","exportedAt":"2026-01-31T12:00:00.000Z"}
//     {"id":"…","at":1769860000000,"digest":"…"}
//     {"id":"…","doubt":{"firstDate":"…","changedAt":1769860000000},"digest":"…"}
//     {"end":true,"relayed":1,"doubtful":1,"crc32":"9ae0daaf"}

import { decodeBase32, encodeBase32 } from "../../runtime/base32.ts";
import { bufferOf } from "../../runtime/buffer-view.ts";
import { DIGEST_OCTETS } from "../ledger.ts";
import { isLedgerName } from "../ledger-name.ts";
import { type ArchiveRecord, archived } from "./archive.ts";

const FORMAT = "mailonce-ledger";
const VERSION = 1;

/** Every line is far shorter: a date of RFC 5322 §2.1.1 has 998 octets at most, all else some 300. */
export const LINE_OCTETS_MAX = 2_048;

/** Times are kept in six octets by the embedded ledger. */
const TIME_MAX = 2 ** 48 - 1;

export interface Totals {
  /** Records that are relayed and not in doubt. */
  readonly relayed: number;
  readonly doubtful: number;
}

export interface End extends Totals {
  /** Of all octets before the last line. */
  readonly crc32: number;
}

/** What is wrong with a line; the reader knows its number. */
export class LineError extends Error {
  override readonly name = "LineError";
}

/** @param ledger its public name, where it has one: a mailonce that does not know of it goes on without */
export function encodeHeader(kind: string, now: number, ledger?: string): string {
  const exportedAt = new Date(now).toISOString();
  return `${JSON.stringify({ format: FORMAT, version: VERSION, kind, exportedAt, ledger })}\n`;
}

export function encodeRecord({ key, relayed, doubt }: ArchiveRecord): string {
  const id = encodeBase32(key);
  const earlier = relayed && { at: relayed.time, digest: hex(relayed.digest) };
  if (doubt === undefined) return `${JSON.stringify({ id, ...earlier })}\n`;
  const { firstDate, changedAt, digest } = doubt;
  return `${JSON.stringify({ id, doubt: { firstDate, changedAt }, digest: hex(digest), earlier })}\n`;
}

export const encodeEnd = ({ relayed, doubtful, crc32 }: End): string =>
  `${JSON.stringify({ end: true, relayed, doubtful, crc32: crc32.toString(16).padStart(8, "0") })}\n`;

export interface Header {
  /** The public name of the ledger. */
  readonly ledger?: string;
}

/** @throws LineError unless it is the first line of an archive that this version can read */
export function decodeHeader(line: string): Header {
  let header: Json | undefined;
  try {
    header = objectOf(line);
  } catch {
    // What else it may be is of no interest.
  }
  if (header?.format !== FORMAT) throw new LineError("this is not an export of a ledger");
  if (header.version !== VERSION) {
    throw new LineError(`written in version ${header.version}, this mailonce reads ${VERSION}`);
  }
  const { ledger } = header;
  if (ledger === undefined) return {};
  if (typeof ledger !== "string" || !isLedgerName(ledger)) throw new LineError("ledger: not a name");
  return { ledger };
}

/** @throws LineError */
export function decodeLine(line: string): ArchiveRecord | End {
  const value = objectOf(line);
  if (value.end === true) return endOf(value);
  const { id, at, digest, doubt, earlier } = value;
  if (typeof id !== "string" || !/^[a-z2-7]{32}$/.test(id)) throw new LineError("id: not an id");
  const key = decodeBase32(id);
  if (doubt === undefined) {
    only(value, ["id", "at", "digest"]);
    return { key, relayed: { time: timeOf(at, "at"), digest: digestOf(digest, "digest") } };
  }
  only(value, ["id", "doubt", "digest", "earlier"]);
  const { firstDate, changedAt } = only(doubt, ["firstDate", "changedAt"]);
  if (typeof firstDate !== "string" || !/^[\t -~]*$/.test(firstDate)) {
    throw new LineError("doubt.firstDate: not a date");
  }
  const relayed = earlier === undefined ? undefined : only(earlier, ["at", "digest"]);
  return archived(
    key,
    relayed && { time: timeOf(relayed.at, "earlier.at"), digest: digestOf(relayed.digest, "earlier.digest") },
    { firstDate, changedAt: timeOf(changedAt, "doubt.changedAt"), digest: digestOf(digest, "digest") },
  );
}

export const isEnd = (line: ArchiveRecord | End): line is End => "crc32" in line;

/** The end of an archive that has a whole one, from its last octets. */
export function endIn(tail: string): End | undefined {
  const line = /(?:^|\n)([^\n]+)\n$/.exec(tail)?.[1];
  try {
    const last = line === undefined ? undefined : decodeLine(line);
    return last !== undefined && isEnd(last) ? last : undefined;
  } catch {
    return undefined;
  }
}

type Json = Readonly<Record<string, unknown>>;

function objectOf(line: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new LineError("not JSON");
  }
  return only(value);
}

/** Its keys, all of which must be known: what is not understood is never ignored. */
function only(value: unknown, known?: readonly string[]): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new LineError("not an object");
  }
  const strange = known && Object.keys(value).find((name) => !known.includes(name));
  if (strange !== undefined) throw new LineError(`${strange}: not known`);
  return value as Json;
}

function endOf(value: Json): End {
  const { relayed, doubtful, crc32 } = only(value, ["end", "relayed", "doubtful", "crc32"]);
  if (typeof crc32 !== "string" || !/^[0-9a-f]{8}$/.test(crc32)) throw new LineError("crc32: not one");
  return {
    relayed: timeOf(relayed, "relayed"),
    doubtful: timeOf(doubtful, "doubtful"),
    crc32: Number.parseInt(crc32, 16),
  };
}

function timeOf(value: unknown, name: string): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= TIME_MAX) {
    return value as number;
  }
  throw new LineError(`${name}: not a number of milliseconds`);
}

function digestOf(value: unknown, name: string): Uint8Array {
  if (typeof value === "string" && value.length === 2 * DIGEST_OCTETS && /^[0-9a-f]*$/.test(value)) {
    return new Uint8Array(Buffer.from(value, "hex"));
  }
  throw new LineError(`${name}: not a digest of ${DIGEST_OCTETS} octets`);
}

const hex = (octets: Uint8Array): string => bufferOf(octets).toString("hex");
