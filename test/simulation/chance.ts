// All chance of a simulated history comes from one seed: a small generator (Doty-Humphrey's sfc32) that
// gives the same numbers everywhere. Not for secrets.
import type { Random } from "../../src/runtime/random.ts";

export interface Chance extends Random {
  happens(probability: number): boolean;
  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number;
  pick<T>(list: readonly [T, ...T[]]): T;
  /** Another stream of numbers, so that one more number used here changes nothing there. */
  fork(): Chance;
}

/** Numbers thrown away at the start, until a small seed has spread over all of the state. */
const ROUNDS_TO_MIX = 12;

export function createChance(seed: number): Chance {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = 0x9e3779b9;
  let counter = 1;

  function next(): number {
    const sum = (a + b + counter++) >>> 0;
    a = (b ^ (b >>> 9)) >>> 0;
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + sum) >>> 0;
    return sum;
  }

  for (let round = 0; round < ROUNDS_TO_MIX; round++) next();
  const fraction = () => next() / 2 ** 32;
  const between = (low: number, high: number) => low + Math.floor(fraction() * (high - low + 1));
  return {
    fraction,
    between,
    happens: (probability) => fraction() < probability,
    pick: (list) => list[between(0, list.length - 1)] as (typeof list)[0],
    octets(length) {
      const octets = new Uint8Array(length);
      for (let at = 0; at < length; at++) octets[at] = next() >>> 24;
      return octets;
    },
    fork: () => createChance(next() * 2 ** 20 + (next() >>> 12)),
  };
}
