// How many ids a new generation is made for. Pure.

/** Ids there are for each that a new generation is made for. */
const IDS_FOR_ONE = 10;

/** Ids of the first generation: a filter of 1.8 MB. */
export const FIRST_CAPACITY = 2 ** 20;

/**
 * Ids of the largest generation. Its filter takes 115 MiB from the moment that it is opened, two minutes
 * to be rebuilt after a crash (half a million keys a second) and a second to be saved. Above 670
 * million ids there are more generations of this size.
 */
const CAPACITY_MAX = 2 ** 26;

/**
 * Ids of a new generation, beside generations that hold so many already: an eleventh of the filters' memory,
 * at most, waits for ids, so that it stays below two octets an id. Many generations come to be when many ids
 * come in a short time, each a filter more to ask; ten or eleven when their number is the same from day to day.
 */
export function nextCapacity(ids: number, firstCapacity: number): number {
  return Math.min(Math.max(firstCapacity, Math.ceil(ids / IDS_FOR_ONE)), CAPACITY_MAX);
}
