import fc from "fast-check";
import { expect, test } from "vitest";
import { createQuota } from "../../src/access/quota.ts";

const HOUR_MS = 3_600_000;

/** Asks again, a turn of the event loop later, until the answer is yes. */
async function until(ask: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await ask())) await new Promise((resolve) => setImmediate(resolve));
}

test("what fits into a key's points is granted, and a refusal takes nothing", async () => {
  const asked = fc.array(
    fc.record({ key: fc.constantFrom("app", "shop", "192.0.2.1"), points: fc.integer({ min: 1, max: 12 }) }),
    { maxLength: 40 },
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 20 }), asked, async (most, wishes) => {
      const quota = createQuota({ points: most, perMs: HOUR_MS });
      const used = new Map<string, number>();
      for (const { key, points } of wishes) {
        const before = used.get(key) ?? 0;
        const granted = await quota.consume(key, points);
        expect(granted).toBe(before + points <= most);
        if (granted) used.set(key, before + points);
        expect(await quota.used(key)).toBe(used.get(key) ?? 0);
        expect(quota.blocked(key)).toBe(false);
      }
    }),
  );
});

test("many at once get no more than there is", async () => {
  const quota = createQuota({ points: 10, perMs: HOUR_MS });
  const granted = await Promise.all(Array.from({ length: 50 }, () => quota.consume("app")));
  expect(granted.filter(Boolean)).toHaveLength(10);
});

test("after the span everything is there again", async () => {
  const quota = createQuota({ points: 2, perMs: 50 });
  expect(await quota.consume("app", 2)).toBe(true);
  expect(await quota.consume("app")).toBe(false);
  await until(() => quota.consume("app", 2));
});

test("who wants too much is blocked, once, for its time", async () => {
  const quota = createQuota({ points: 1, perMs: HOUR_MS, blockMs: 250 });
  expect(await quota.consume("192.0.2.1")).toBe(true);
  expect(quota.blocked("192.0.2.1")).toBe(false);
  const startedAt = performance.now();
  expect(await quota.consume("192.0.2.1")).toBe(false);
  expect(quota.blocked("192.0.2.1")).toBe(true);
  expect(quota.blocked("192.0.2.2")).toBe(false);
  // What is wanted meanwhile makes it no longer.
  await until(() => quota.consume("192.0.2.1"));
  expect(performance.now() - startedAt).toBeGreaterThan(245);
  expect(quota.blocked("192.0.2.1")).toBe(false);
  expect(await quota.used("192.0.2.1")).toBe(1);
});

test("a block of 30 days is no block of no time", async () => {
  const quota = createQuota({ points: 0, perMs: 30 * 24 * HOUR_MS, blockMs: 30 * 24 * HOUR_MS });
  expect(await quota.consume("a")).toBe(false);
  // A timer that overflowed is due at once, and before this one.
  await new Promise((resolve) => setTimeout(resolve, 1));
  expect(await quota.used("a")).toBe(1);
  expect(quota.blocked("a")).toBe(true);
});

test("of too many keys the oldest is forgotten", async () => {
  const quota = createQuota({ points: 5, perMs: HOUR_MS, keysMax: 3 });
  for (const key of ["a", "b", "c", "a", "d"]) await quota.consume(key);
  const used = await Promise.all(["a", "b", "c", "d"].map((key) => quota.used(key)));
  expect(used).toEqual([0, 1, 1, 1]);
});

test("keys that were refused at once are not remembered", async () => {
  const quota = createQuota({ points: 1, perMs: HOUR_MS });
  expect(await quota.consume("a", 2)).toBe(false);
  expect(await quota.used("a")).toBe(0);
  expect(await quota.consume("a")).toBe(true);
});

test("a block counts as new among the keys", async () => {
  const quota = createQuota({ points: 1, perMs: HOUR_MS, blockMs: HOUR_MS, keysMax: 2 });
  for (const key of ["a", "b", "a", "c"]) await quota.consume(key);
  expect(quota.blocked("a")).toBe(true);
  expect(await quota.used("b")).toBe(0);
});
