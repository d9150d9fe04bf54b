// Fences in a store without a clock of its own: microseconds of this process's clock.

const FENCES_A_MILLISECOND = 1_000;

export interface Fences {
  /**
   * Greater than those that this process gave before and than `before`. The last three digits are chance, so
   * that two gateways in one millisecond do not give an id the same.
   */
  next(before?: number): number;
}

/** @param now milliseconds since the epoch */
export function createFences(now: () => number): Fences {
  let last = 0;
  return {
    next(before = 0) {
      const clock =
        Math.floor(now()) * FENCES_A_MILLISECOND + Math.floor(Math.random() * FENCES_A_MILLISECOND);
      last = Math.max(clock, last + 1, before + 1);
      return last;
    },
  };
}
