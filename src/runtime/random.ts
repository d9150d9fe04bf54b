// Chance as an argument, for the same reason as the clock: a failure must be a seed.
import { randomFillSync } from "node:crypto";

export interface Random {
  /** A number in [0, 1). Not for secrets. */
  fraction(): number;
  /** `length` octets that nobody can guess. */
  octets(length: number): Uint8Array;
}

/** Asking the system costs microseconds however little is asked for, and each mail needs a few octets. */
const POOL_OCTETS = 4096;
const pool = new Uint8Array(POOL_OCTETS);
let used = POOL_OCTETS;

function octets(length: number): Uint8Array {
  if (length > POOL_OCTETS) return randomFillSync(new Uint8Array(length));
  if (used + length > POOL_OCTETS) {
    randomFillSync(pool);
    used = 0;
  }
  const taken = pool.slice(used, used + length);
  // Given out once, and not to be found in memory afterwards.
  pool.fill(0, used, used + length);
  used += length;
  return taken;
}

export const systemRandom: Random = { fraction: Math.random, octets };
