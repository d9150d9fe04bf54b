// How long something took, or how much it was, each time: counts by buckets, as a Prometheus histogram wants them.

export interface Histogram {
  /** Upper bounds of the buckets, ascending. What is above all of them has a bucket of its own. */
  readonly bounds: readonly number[];
  /** How many were in each bucket, that one last. */
  readonly counts: readonly number[];
  /** Of all values. */
  readonly sum: number;
  observe(value: number): void;
}

export function createHistogram(bounds: readonly number[]): Histogram {
  const counts = new Array<number>(bounds.length + 1).fill(0);
  let sum = 0;
  return {
    bounds,
    counts,
    get sum() {
      return sum;
    },
    observe(value) {
      // The monotonic clock may say the same twice, and the time of day may be set back.
      const counted = value > 0 ? value : 0;
      let bucket = 0;
      while (bucket < bounds.length && counted > (bounds[bucket] as number)) bucket++;
      counts[bucket] = (counts[bucket] as number) + 1;
      sum += counted;
    },
  };
}
