// Numbers that are kept beside the history, and for longer than what it says of each mail: one record of the store, written
// with the batches.
import { bufferOf } from "../runtime/buffer-view.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Operation } from "../storage/storage.ts";

/** What was counted, and from when on. */
export interface KeptFacts {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly counts: Readonly<Record<string, number>>;
}

export interface KeptCounts {
  /** In the store. */
  readonly key: Uint8Array;
  add(name: string): void;
  /** What the store has, to be added to. Once; until then nothing is written. */
  load(value: Uint8Array | undefined): void;
  readonly isLoaded: boolean;
  /** What is to be written, if that has changed. */
  operation(): Operation | undefined;
  /** Undefined until it is loaded. */
  facts(): KeptFacts | undefined;
}

export interface KeptOptions {
  /** No other key of the history begins with it; see record.ts. */
  readonly key: string;
  /** The member of the record that has the counts. */
  readonly member: string;
  /** So many names, the last in their order; the others are forgotten. */
  readonly most: number;
  /** It is written although nothing has been counted, so that its beginning is known. */
  readonly isBegun: boolean;
}

export function createKeptCounts(
  clock: Pick<Clock, "now">,
  { key: text, member, most, isBegun }: KeptOptions,
): KeptCounts {
  const key = Buffer.from(text);
  const counts = new Map<string, number>();
  let since = clock.now();
  let isLoaded = false;
  let isChanged = isBegun;

  const add = (name: string, count: number): void => {
    counts.set(name, (counts.get(name) ?? 0) + count);
  };

  return {
    key,
    add(name) {
      add(name, 1);
      isChanged = true;
    },
    load(value) {
      isLoaded = true;
      const stored = decode(value, member);
      if (stored === undefined) return;
      since = Math.min(since, stored.since);
      for (const [name, count] of Object.entries(stored.counts)) add(name, count);
    },
    get isLoaded() {
      return isLoaded;
    },
    operation() {
      if (!isLoaded || !isChanged) return undefined;
      isChanged = false;
      const kept = [...counts].sort().slice(-most);
      const value = Buffer.from(JSON.stringify({ since, [member]: Object.fromEntries(kept) }));
      return { type: "put", key, value };
    },
    facts: () => (isLoaded ? { since, counts: Object.fromEntries([...counts].sort()) } : undefined),
  };
}

/** What can't be read counts from now on. */
function decode(value: Uint8Array | undefined, member: string): KeptFacts | undefined {
  if (value === undefined) return undefined;
  try {
    const { since, [member]: stored } = JSON.parse(bufferOf(value).toString()) as Record<string, unknown>;
    const counts = Object.entries(stored as Record<string, number>).filter(
      ([, count]) => Number.isSafeInteger(count) && count >= 0,
    );
    return Number.isSafeInteger(since)
      ? { since: since as number, counts: Object.fromEntries(counts) }
      : undefined;
  } catch {
    return undefined;
  }
}
