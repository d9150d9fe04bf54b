import { expect, test } from "vitest";
import { createRate, createTokenBucket } from "../../src/runtime/rate.ts";
import { createManualClock } from "../support/manual-clock.ts";

/** How many tokens there are now. */
const drain = (rate: { take(): number }): number => {
  let tokens = 0;
  while (rate.take() === 0) tokens++;
  return tokens;
};

test("a rest saves up a second's worth and no more", () => {
  const clock = createManualClock();
  const rate = createRate(10, clock);
  expect(drain(rate)).toBe(10);
  expect(rate.take()).toBe(100);
  clock.advance(250);
  expect(drain(rate)).toBe(2);
  clock.advance(3_600_000);
  expect(drain(rate)).toBe(10);
});

test("below one a second a token takes its time", () => {
  const clock = createManualClock();
  const rate = createRate(0.5, clock);
  expect(drain(rate)).toBe(1);
  expect(rate.take()).toBe(2_000);
  clock.advance(2_000);
  expect(drain(rate)).toBe(1);
});

test("a clock that is set back takes no tokens away, nor stops the filling", () => {
  const clock = createManualClock();
  const rate = createRate(10, clock);
  clock.set(clock.now() - 3_600_000);
  expect(drain(rate)).toBe(10);
  clock.advance(500);
  expect(drain(rate)).toBe(5);
});

test("under another rate no more is saved up than that one allows", () => {
  const clock = createManualClock();
  const bucket = createTokenBucket(Number.POSITIVE_INFINITY, 0.5, clock);
  expect(bucket.take()).toBe(0);
  bucket.setRate(20);
  expect(drain(bucket)).toBe(10);
  bucket.giveBack();
  expect(drain(bucket)).toBe(1);
  bucket.setRate(1_000);
  expect(drain(bucket)).toBe(0);
  clock.advance(10);
  expect(drain(bucket)).toBe(10);
  bucket.setRate(Number.POSITIVE_INFINITY);
  expect([bucket.take(), bucket.take()]).toEqual([0, 0]);
});
