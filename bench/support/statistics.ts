// What is made of samples: exact, since no benchmark keeps more than a few hundred thousand.

/** The middle one; the lower of two. NaN of none. */
export const median = (samples: Iterable<number>): number =>
  percentile(Float64Array.from(samples).sort(), 50);

/** The smallest sample that so many percent of all do not exceed (nearest rank). `sorted` ascends; NaN of none. */
export function percentile(sorted: Float64Array, percent: number): number {
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.max(rank, 1) - 1] ?? Number.NaN;
}

/** When each of `count` mails is due at so many a second, milliseconds after the first. */
export const dueTimes = (rate: number, count: number): Float64Array =>
  Float64Array.from({ length: count }, (_, index) => (index / rate) * 1_000);
