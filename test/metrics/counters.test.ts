// The plain numbers behind the metrics.
import { expect, test } from "vitest";
import { createCounters } from "../../src/metrics/counters.ts";
import { createHistogram } from "../../src/metrics/histogram.ts";
import { createFamily, createTally, type Tally } from "../../src/metrics/tally.ts";

test("a value is in the first bucket whose bound it does not exceed, and above all bounds in the last", () => {
  const histogram = createHistogram([1, 2, 4]);
  for (const value of [0, 0.5, 1, 1.5, 2, 3, 4, 4.01, 1e9]) histogram.observe(value);
  expect(histogram.counts).toEqual([3, 2, 2, 2]);
  expect(histogram.sum).toBe(0 + 0.5 + 1 + 1.5 + 2 + 3 + 4 + 4.01 + 1e9);
});

test("what a clock that was set back makes negative counts as nothing", () => {
  const histogram = createHistogram([1]);
  histogram.observe(-3);
  histogram.observe(Number.NaN);
  expect(histogram).toMatchObject({ counts: [2, 0], sum: 0 });
});

test("known labels are there with 0 before anything is counted, others from their first time on", () => {
  const tally = createTally<string>(["known"]);
  expect([...tally.entries()]).toEqual([["known", 0]]);
  tally.add("other", 3);
  tally.add("known");
  tally.add("other", -1);
  expect([...tally.entries()]).toEqual([
    ["known", 1],
    ["other", 2],
  ]);
});

test("a family makes one of its kind for each label", () => {
  const family = createFamily<string, Tally>(() => createTally(["a"]), ["first"]);
  family.of("second").add("a");
  family.of("second").add("a");
  expect([...family.entries()].map(([label, tally]) => [label, ...tally.entries()])).toEqual([
    ["first", ["a", 0]],
    ["second", ["a", 2]],
  ]);
});

test("time is an argument, in milliseconds, and seconds are what is observed", () => {
  let now = 5_000;
  const counters = createCounters(() => now);
  const began = counters.elapsed();
  now += 1_500;
  expect(counters.elapsed() - began).toBe(1.5);
});
