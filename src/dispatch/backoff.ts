// How long to wait after the nth failure: exponential, so that a long outage costs little, with jitter,
// so that what failed together does not come back together.
import type { Random } from "../runtime/random.ts";

export interface BackoffRange {
  readonly minMs: number;
  readonly maxMs: number;
}

/** @param failures failures so far, from 1 @returns milliseconds, between half and all of min × 2^(failures-1), at most max */
export function backoff(failures: number, { minMs, maxMs }: BackoffRange, random: Random): number {
  // 2^32 times any minimum is beyond any maximum; a larger exponent would only risk Infinity.
  const full = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 32));
  return Math.round(full * (0.5 + random.fraction() / 2));
}
