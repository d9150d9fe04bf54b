// Which ids this gateway has met lately, in memory: whether an id is more cheaply asked for or inserted
// first. It forgets with the process and when it is full, which costs a call and nothing else.
import { createFilter, type Filter } from "../filter.ts";

/** Ids of each of two filters, of 1.8 MB: the newest one or two million are known. */
export const KNOWN_CAPACITY = 2 ** 20;

export interface Known {
  /** False: not met, or forgotten. True: probably met. */
  has(key: Uint8Array): boolean;
  add(key: Uint8Array): void;
}

/** @param capacity ids of one filter; 0 knows nothing, for comparison */
export function createKnown(capacity: number): Known {
  if (capacity === 0) return { has: () => false, add() {} };
  let newest = createFilter(capacity);
  let oldest: Filter | undefined;
  return {
    has: (key) => newest.has(key) || oldest?.has(key) === true,
    add(key) {
      if (newest.count >= capacity) {
        oldest = newest;
        newest = createFilter(capacity);
      }
      newest.add(key);
    },
  };
}
