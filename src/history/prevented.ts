// How many second mails were prevented, by month; and in mode "observe", what would have been done about how many mails.
import type { Clock } from "../runtime/clock.ts";
import { createKeptCounts, type KeptCounts } from "./kept-counts.ts";

/** What was counted, and from when on. */
export interface PreventedFacts {
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** By month of UTC, such as "2026-11". */
  readonly months: Readonly<Record<string, number>>;
}

/** Those before are forgotten. */
const MONTHS_MAX = 24;

export const createPrevented = (clock: Clock): KeptCounts =>
  createKeptCounts(clock, { key: "p", member: "months", most: MONTHS_MAX, isBegun: false });

export const monthOf = (now: number): string => new Date(now).toISOString().slice(0, 7);

/** What mode "enforce" would have done with a mail: drop a repeat, refuse a conflict or a bad task, or not relay it yet. */
export type Would = "repeat" | "conflict" | "doubtful" | "refused";

/** What mode "observe" has relayed, and "enforce" would not have. */
export interface ObservedFacts {
  /** The first start in that mode, milliseconds since the epoch. */
  readonly since: number;
  readonly counts: { readonly [Name in Would]?: number };
}

const WOULD_MAX = 10;

/** @param observes the gateway runs in that mode now */
export const createObservations = (clock: Clock, observes: boolean): KeptCounts =>
  createKeptCounts(clock, { key: "o", member: "counts", most: WOULD_MAX, isBegun: observes });
