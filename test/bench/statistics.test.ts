// The arithmetic of the benchmarks.
import { expect, test } from "vitest";
import { dueTimes, median, percentile } from "../../bench/support/statistics.ts";

test("a percentile is a sample that so many percent do not exceed", () => {
  const hundred = Float64Array.from({ length: 100 }, (_, index) => index + 1);
  expect([0, 1, 50, 99, 99.9, 100].map((percent) => percentile(hundred, percent))).toEqual([
    1, 1, 50, 99, 100, 100,
  ]);
  expect(percentile(Float64Array.of(7), 99)).toBe(7);
  expect(percentile(new Float64Array(), 50)).toBeNaN();
});

test("the median is the middle one, by number and not by text", () => {
  expect(median([100, 9, 20])).toBe(20);
  expect(median([4, 1, 3, 2])).toBe(2);
});

test("mails are due evenly, the first at once", () => {
  expect([...dueTimes(4, 5)]).toEqual([0, 250, 500, 750, 1000]);
  // No error adds up over a long run.
  expect(dueTimes(3_000, 30_001).at(-1)).toBe(10_000);
});
