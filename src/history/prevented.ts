// How many second mails were prevented, by month. Kept beside the history, and for longer than what it says of each mail.

import { bufferOf } from "../runtime/buffer-view.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Operation } from "../storage/storage.ts";

/** What was counted, and from when on. */
export interface PreventedFacts {
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** By month of UTC, such as "2026-11". */
  readonly months: Readonly<Record<string, number>>;
}

export interface Prevented {
  add(): void;
  /** What the store has, to be added to. Once; until then nothing is written. */
  load(value: Uint8Array | undefined): void;
  readonly isLoaded: boolean;
  /** What is to be written, if that has changed. */
  operation(): Operation | undefined;
  /** Undefined until it is loaded. */
  facts(): PreventedFacts | undefined;
}

/** No other key of the history begins with it; see record.ts. */
export const PREVENTED_KEY: Uint8Array = Buffer.from("p");

/** Those before are forgotten. */
const MONTHS_MAX = 24;

export function createPrevented(clock: Clock): Prevented {
  const months = new Map<string, number>();
  let since = clock.now();
  let isLoaded = false;
  let isChanged = false;

  const add = (month: string, count: number): void => {
    months.set(month, (months.get(month) ?? 0) + count);
  };

  return {
    add() {
      add(new Date(clock.now()).toISOString().slice(0, 7), 1);
      isChanged = true;
    },
    load(value) {
      isLoaded = true;
      const stored = decode(value);
      if (stored === undefined) return;
      since = Math.min(since, stored.since);
      for (const [month, count] of Object.entries(stored.months)) add(month, count);
    },
    get isLoaded() {
      return isLoaded;
    },
    operation() {
      if (!isLoaded || !isChanged) return undefined;
      isChanged = false;
      const kept = [...months].sort().slice(-MONTHS_MAX);
      const value = Buffer.from(JSON.stringify({ since, months: Object.fromEntries(kept) }));
      return { type: "put", key: PREVENTED_KEY, value };
    },
    facts: () => (isLoaded ? { since, months: Object.fromEntries([...months].sort()) } : undefined),
  };
}

/** What can't be read counts from now on. */
function decode(value: Uint8Array | undefined): PreventedFacts | undefined {
  if (value === undefined) return undefined;
  try {
    const { since, months } = JSON.parse(bufferOf(value).toString()) as PreventedFacts;
    const counts = Object.entries(months).filter(([, count]) => Number.isSafeInteger(count) && count >= 0);
    return Number.isSafeInteger(since) ? { since, months: Object.fromEntries(counts) } : undefined;
  } catch {
    return undefined;
  }
}
