// The octets of the history: keys and values of its store. Pure. All records of a batch have its stamp: six octets of
// time and two that count. A stamp is inverted where the newest has to come first.
//
//   i<id><stamp>              → what happened to the id, as JSON
//   n<drawer><stamp>          → names of the batch, newest first: each four octets of CRC-32, and the id that it names
//   s<stamp>, not inverted    → all of these keys of the batch, each after its length
//   p                         → how many second mails were prevented, by month (prevented.ts); of no batch
//   o                         → so too, what mode "observe" would have done about how many mails
//
// A name is a task, or what an upstream calls a mail. One of 64 drawers has it, by its CRC-32: a key for each name would
// cost three times as much, and a person can wait while a drawer is looked through. Whether a name is the right one is
// in the record of its id.
import { crc32 } from "node:zlib";
import { ID_OCTETS, type Id } from "../identity/message-id.ts";
import { decodeBase32, encodeBase32 } from "../runtime/base32.ts";
import { bufferOf } from "../runtime/buffer-view.ts";
import type { Operation } from "../storage/storage.ts";
import { isFate } from "./fate.ts";
import type { HistoryEvent } from "./history.ts";

const OF_ID = "i".charCodeAt(0);
const OF_NAMES = "n".charCodeAt(0);
const OF_BATCH = "s".charCodeAt(0);

const DRAWERS = 64;
const SUM_OCTETS = 4;
const NAME_OCTETS = SUM_OCTETS + ID_OCTETS;

const TIME_OCTETS = 6;
/** Octets of a stamp. */
export const STAMP_OCTETS = 8;
const TIME_MAX = 2 ** (8 * TIME_OCTETS) - 1;
const COUNT_MAX = 0xffff;

export interface Stamp {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** 0 to 65,535: which of the batches of a moment. */
  readonly count: number;
}

/** What is noted of one id. */
export interface Noted {
  readonly events: HistoryEvent[];
  repeats: number;
  repeatedAt: number;
}

export type NameKind = "task" | "upstreamId";

/** The CRC-32 of a name. */
export const sumOf = (kind: NameKind, name: string): number => crc32(`${kind} ${name}`);

/** All that begins so, for reading. */
export const prefixOfId = (id: Id): Uint8Array => keyOf(OF_ID, decodeBase32(id));
export const prefixOfNames = (sum: number): Uint8Array => Uint8Array.of(OF_NAMES, sum % DRAWERS);

/** The record of an id in the batch that a key is of. */
export const keyOfIdIn = (key: Uint8Array, id: Id): Uint8Array =>
  Buffer.concat([prefixOfId(id), key.subarray(key.length - STAMP_OCTETS)]);

/** @param stamp the key has one; it is for the caller to write */
function keyOf(kind: number, name: Uint8Array, stamp = 0): Buffer {
  const key = Buffer.allocUnsafe(1 + name.length + stamp);
  key[0] = kind;
  for (let at = 0; at < name.length; at++) key[1 + at] = name[at] as number;
  return key;
}

function writeInverted(key: Buffer, at: number, { time, count }: Stamp): void {
  key.writeUIntBE(TIME_MAX - time, at, TIME_OCTETS);
  key.writeUInt16BE(COUNT_MAX - count, at + TIME_OCTETS);
}

export function batchKey({ time, count }: Stamp): Uint8Array {
  const key = Buffer.allocUnsafe(1 + STAMP_OCTETS);
  key[0] = OF_BATCH;
  key.writeUIntBE(time, 1, TIME_OCTETS);
  key.writeUInt16BE(count, 1 + TIME_OCTETS);
  return key;
}

/** The keys of all batches from one on, until a time. */
export const batchesUntil = (from: Uint8Array, time: number) => ({
  gte: from,
  lt: batchKey({ time: Math.max(time, 0), count: 0 }),
});
export const FIRST_BATCH: Uint8Array = batchKey({ time: 0, count: 0 });

export function encodeBatch(entries: readonly (readonly [Id, Noted])[], stamp: Stamp): Operation[] {
  const operations: Operation[] = [];
  const drawers = new Map<number, Uint8Array[]>();
  const put = (kind: number, name: Uint8Array, value: Uint8Array): void => {
    const key = keyOf(kind, name, STAMP_OCTETS);
    writeInverted(key, 1 + name.length, stamp);
    operations.push({ type: "put", key, value });
  };
  const name = (kind: NameKind, text: string, id: Uint8Array): void => {
    const sum = sumOf(kind, text);
    const octets = Buffer.allocUnsafe(NAME_OCTETS);
    octets.writeUInt32BE(sum);
    octets.set(id, SUM_OCTETS);
    const drawer = drawers.get(sum % DRAWERS);
    if (drawer === undefined) drawers.set(sum % DRAWERS, [octets]);
    else drawer.push(octets);
  };
  for (const [id, noted] of entries) {
    const octets = decodeBase32(id);
    put(OF_ID, octets, encodeNoted(noted));
    for (const event of noted.events) {
      if (event.kind === "accepted" && event.task !== undefined) name("task", event.task, octets);
      const upstreamId = NAMING.has(event.kind) ? upstreamIdOf(event) : undefined;
      if (upstreamId !== undefined) name("upstreamId", upstreamId, octets);
    }
  }
  for (const [drawer, names] of drawers) {
    put(OF_NAMES, Uint8Array.of(drawer), Buffer.concat(names.reverse()));
  }
  operations.push({ type: "put", key: batchKey(stamp), value: keysOf(operations) });
  return operations;
}

/** What an upstream calls the mail by this event. */
export const upstreamIdOf = (event: HistoryEvent): string | undefined =>
  "upstreamId" in event ? event.upstreamId : undefined;

/** What else was told of a mail has the name of one of these. */
const NAMING: ReadonlySet<HistoryEvent["kind"]> = new Set(["attempt", "evidence", "sent"]);

function keysOf(operations: readonly Operation[]): Uint8Array {
  const octets = operations.reduce((sum, { key }) => sum + 1 + key.length, 0);
  const keys = Buffer.allocUnsafe(octets);
  let at = 0;
  for (const { key } of operations) {
    keys[at] = key.length;
    keys.set(key, at + 1);
    at += 1 + key.length;
  }
  return keys;
}

function encodeNoted({ events, repeats, repeatedAt }: Noted): Uint8Array {
  if (repeats === 0) return Buffer.from(JSON.stringify(events));
  // As JSON.stringify would write it, for less.
  if (events.length === 0) return Buffer.from(`[{"kind":"repeats","at":${repeatedAt},"count":${repeats}}]`);
  const repeated: HistoryEvent = { kind: "repeats", at: repeatedAt, count: repeats };
  return Buffer.from(JSON.stringify([...events, repeated]));
}

/** Beside the fates. */
const KINDS: ReadonlySet<string> = new Set<HistoryEvent["kind"]>([
  ...(["accepted", "attempt", "repeats", "ended", "decision", "evidence", "doubt", "second_copy"] as const),
  "observed",
]);

/** Newest first. What is not known is left out: a newer mailonce wrote it, or the disk has changed it. */
export function decodeNoted(value: Uint8Array): HistoryEvent[] {
  try {
    const found = JSON.parse(bufferOf(value).toString()) as HistoryEvent[];
    return found
      .filter(({ kind, at }) => (KINDS.has(kind) || isFate(kind)) && typeof at === "number")
      .reverse()
      .sort((one, other) => other.at - one.at);
  } catch {
    return [];
  }
}

/** How many names are in a record. */
export const countNames = (names: Uint8Array): number => Math.floor(names.length / NAME_OCTETS);

/** The id that the name at this place is of, if it has this CRC-32. */
export function idNamed(names: Uint8Array, place: number, sum: number): Id | undefined {
  const octets = bufferOf(names);
  const at = place * NAME_OCTETS;
  if (octets.readUInt32BE(at) !== sum) return undefined;
  return encodeBase32(octets.subarray(at + SUM_OCTETS, at + NAME_OCTETS));
}

/** The operations that remove a batch. */
export function removalOf(key: Uint8Array, keys: Uint8Array): Operation[] {
  const operations: Operation[] = [];
  for (let at = 0; at < keys.length; ) {
    const length = keys[at] as number;
    operations.push({ type: "del", key: keys.subarray(at + 1, at + 1 + length) });
    at += 1 + length;
  }
  operations.push({ type: "del", key });
  return operations;
}
