// Chance as an argument, for the same reason as the clock: a failure must be a seed.
import { randomBytes } from "node:crypto";

export interface Random {
  /** A number in [0, 1). Not for secrets. */
  fraction(): number;
  /** `length` octets that nobody can guess. */
  octets(length: number): Uint8Array;
}

export const systemRandom: Random = {
  fraction: Math.random,
  octets: (length) => randomBytes(length),
};
