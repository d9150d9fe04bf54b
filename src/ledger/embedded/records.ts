// What the embedded ledger's stores hold, octet by octet. Every value begins with the version of its
// layout. Numbers are big-endian; times are milliseconds since the epoch in six octets.

import { ID_OCTETS } from "../../identity/message-id.ts";
import { bufferOf } from "../../runtime/buffer-view.ts";
import { StorageError } from "../../storage/storage.ts";
import type { Relayed } from "../archive/archive.ts";
import { DIGEST_OCTETS } from "../ledger.ts";

const VERSION = 1;
const TIME_OCTETS = 6;

/**
 * An id that was attempted and has no answer yet, or never got one: version, state, time of the last
 * change, digest, first date; under "a" and the 20 octets of the id in the state.
 */
export interface Mark {
  /** reattempted: attempted again after an attempt that was doubtful. */
  readonly state: "attempted" | "reattempted" | "doubtful";
  /** The text of the Date field, ASCII. */
  readonly firstDate: string;
  readonly time: number;
  readonly digest: Uint8Array;
}

/** A relaying that an operator has forgotten: version, both times; under "o" and the 20 octets of the id in the state. */
export interface Forgotten {
  readonly relayedAt: number;
  readonly forgottenAt: number;
}

/** A generation: version, opened, closed (0 while it is open), capacity, count; under "g" and its number. */
export interface GenerationRecord {
  readonly number: number;
  readonly openedAt: number;
  /** Undefined while new ids go into it. */
  readonly closedAt: number | undefined;
  /** Ids that its filter is made for. */
  readonly capacity: number;
  /** Ids in it when it was closed; 0 while it is open, or when nobody knew. */
  readonly count: number;
}

/**
 * In a generation that has its filter saved, the digest of the filter's file: "f". The next id that is added removes
 * it in the same commit.
 */
export const FILTER_KEY = Uint8Array.of(0x66);

/** False for the keys of a generation under which no id is. */
export const isIdKey = (key: Uint8Array): boolean => key.length === ID_OCTETS;

const RELAYED_OCTETS = 1 + TIME_OCTETS + DIGEST_OCTETS;
/** Without the first date, which takes the rest. */
const MARK_OCTETS = 2 + TIME_OCTETS + DIGEST_OCTETS;
const GENERATION_OCTETS = 1 + 4 * TIME_OCTETS;
const FORGOTTEN_OCTETS = 1 + 2 * TIME_OCTETS;

const MARK_PREFIX = 0x61;
const GENERATION_PREFIX = 0x67;
const UNFINISHED_PREFIX = 0x75;
const FORGOTTEN_PREFIX = 0x6f;
/** The position is the octet that is written for the state. */
const MARK_STATES: readonly (Mark["state"] | undefined)[] = [
  undefined,
  "attempted",
  "doubtful",
  "reattempted",
];

/** Every key of a mark, and no other. */
export const MARK_RANGE = { gte: Uint8Array.of(MARK_PREFIX), lt: Uint8Array.of(MARK_PREFIX + 1) };
export const GENERATION_RANGE = {
  gte: Uint8Array.of(GENERATION_PREFIX),
  lt: Uint8Array.of(GENERATION_PREFIX + 1),
};
export const UNFINISHED_RANGE = {
  gte: Uint8Array.of(UNFINISHED_PREFIX),
  lt: Uint8Array.of(UNFINISHED_PREFIX + 1),
};
export const FORGOTTEN_RANGE = {
  gte: Uint8Array.of(FORGOTTEN_PREFIX),
  lt: Uint8Array.of(FORGOTTEN_PREFIX + 1),
};

/** The record of an id that was relayed: version, time, digest; under the 20 octets of the id in a generation. */
export function encodeRelayed(relayed: Relayed): Uint8Array {
  const value = Buffer.allocUnsafe(RELAYED_OCTETS);
  value[0] = VERSION;
  putNumber(value, 1, relayed.time);
  value.set(relayed.digest, 1 + TIME_OCTETS);
  return value;
}

export function decodeRelayed(value: Uint8Array): Relayed {
  assertLayout(value, RELAYED_OCTETS);
  return { time: numberAt(value, 1), digest: value.slice(1 + TIME_OCTETS) };
}

export const markKey = (key: Uint8Array): Uint8Array => idKey(MARK_PREFIX, key);
export const forgottenKey = (key: Uint8Array): Uint8Array => idKey(FORGOTTEN_PREFIX, key);

function idKey(prefix: number, key: Uint8Array): Uint8Array {
  const whole = new Uint8Array(1 + ID_OCTETS);
  whole[0] = prefix;
  whole.set(key, 1);
  return whole;
}

export function encodeMark(mark: Mark): Uint8Array {
  const value = Buffer.alloc(MARK_OCTETS + mark.firstDate.length);
  value[0] = VERSION;
  value[1] = MARK_STATES.indexOf(mark.state);
  putNumber(value, 2, mark.time);
  value.set(mark.digest, 2 + TIME_OCTETS);
  value.write(mark.firstDate, MARK_OCTETS, "latin1");
  return value;
}

export function decodeMark(value: Uint8Array): Mark {
  const state = MARK_STATES[value[1] ?? 0];
  if (state === undefined) throw notARecord(value);
  assertLayout(value.subarray(0, MARK_OCTETS), MARK_OCTETS);
  return {
    state,
    time: numberAt(value, 2),
    digest: value.slice(2 + TIME_OCTETS, MARK_OCTETS),
    firstDate: bufferOf(value.subarray(MARK_OCTETS)).toString("latin1"),
  };
}

export function encodeForgotten({ relayedAt, forgottenAt }: Forgotten): Uint8Array {
  const value = new Uint8Array(FORGOTTEN_OCTETS);
  value[0] = VERSION;
  putNumber(value, 1, relayedAt);
  putNumber(value, 1 + TIME_OCTETS, forgottenAt);
  return value;
}

export function decodeForgotten(value: Uint8Array): Forgotten {
  assertLayout(value, FORGOTTEN_OCTETS);
  return { relayedAt: numberAt(value, 1), forgottenAt: numberAt(value, 1 + TIME_OCTETS) };
}

export function generationKey(number: number): Uint8Array {
  return numberedKey(GENERATION_PREFIX, number);
}

/** What may have been cut short by a crash, as one octet; under "u" and the number of the generation. */
export type Unfinished = "making" | "removing";

export const encodeUnfinished = (what: Unfinished): Uint8Array => Uint8Array.of(what === "making" ? 1 : 2);
export const decodeUnfinished = (value: Uint8Array): Unfinished => (value[0] === 1 ? "making" : "removing");

export function unfinishedKey(number: number): Uint8Array {
  return numberedKey(UNFINISHED_PREFIX, number);
}

function numberedKey(prefix: number, number: number): Uint8Array {
  const key = new Uint8Array(1 + TIME_OCTETS);
  key[0] = prefix;
  putNumber(key, 1, number);
  return key;
}

export function encodeGeneration(record: GenerationRecord): Uint8Array {
  const value = new Uint8Array(GENERATION_OCTETS);
  value[0] = VERSION;
  putNumber(value, 1, record.openedAt);
  putNumber(value, 1 + TIME_OCTETS, record.closedAt ?? 0);
  putNumber(value, 1 + 2 * TIME_OCTETS, record.capacity);
  putNumber(value, 1 + 3 * TIME_OCTETS, record.count);
  return value;
}

export function decodeGeneration(key: Uint8Array, value: Uint8Array): GenerationRecord {
  assertLayout(value, GENERATION_OCTETS);
  return {
    number: numberAt(key, 1),
    openedAt: numberAt(value, 1),
    closedAt: numberAt(value, 1 + TIME_OCTETS) || undefined,
    capacity: numberAt(value, 1 + 2 * TIME_OCTETS),
    count: numberAt(value, 1 + 3 * TIME_OCTETS),
  };
}

/** A number below 2^48 in six octets. */
export function putNumber(octets: Uint8Array, at: number, number: number): void {
  const high = Math.floor(number / 2 ** 32);
  octets[at] = high >>> 8;
  octets[at + 1] = high;
  octets[at + 2] = number >>> 24;
  octets[at + 3] = number >>> 16;
  octets[at + 4] = number >>> 8;
  octets[at + 5] = number;
}

export function numberAt(octets: Uint8Array, at: number): number {
  let number = 0;
  for (let i = 0; i < TIME_OCTETS; i++) number = number * 256 + (octets[at + i] ?? 0);
  return number;
}

function assertLayout(value: Uint8Array, length: number): void {
  if (value[0] !== VERSION || value.length !== length) throw notARecord(value);
}

const notARecord = (value: Uint8Array): StorageError =>
  new StorageError("damaged", `the ledger holds a record that is not one: ${value.length} octets`);
