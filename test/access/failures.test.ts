import { expect, test } from "vitest";
import { createFailures } from "../../src/access/failures.ts";
import type { LogFields } from "../../src/runtime/log.ts";
import { createManualClock } from "../support/manual-clock.ts";

const HOUR_MS = 3_600_000;
const MANY = { max: 1_000, windowMs: HOUR_MS, blockMs: HOUR_MS };

function setUp(options = MANY) {
  const clock = createManualClock();
  const lines: [event: string, fields: LogFields][] = [];
  const failures = createFailures(options, clock, {
    warn: (event, fields = {}) => void lines.push([event, fields]),
  });
  /** Fails, and lets time pass up to the answer: how long that was. */
  const fail = async (address: string, since?: number): Promise<number> => {
    const answered = failures.failed(address, since);
    // The timer is set after the count, which takes a few turns of the microtasks.
    while (clock.untilNext() === undefined) await Promise.resolve();
    const waited = clock.untilNext() ?? 0;
    clock.advance(waited);
    await answered;
    return waited;
  };
  return { clock, failures, fail, lines };
}

test("each wrong password is answered later than the one before, up to 8 seconds", async () => {
  const { fail } = setUp();
  const waits: number[] = [];
  for (let n = 0; n < 6; n++) waits.push(await fail("192.0.2.1"));
  expect(waits).toEqual([2_000, 4_000, 8_000, 8_000, 8_000, 8_000]);
  expect(await fail("192.0.2.2")).toBe(2_000);
});

test("the delay begins when the client asked, and no clock that was set makes it longer", async () => {
  const { clock, fail } = setUp();
  expect(await fail("192.0.2.1", clock.now() - 300)).toBe(1_700);
  expect(await fail("192.0.2.1", clock.now() + HOUR_MS)).toBe(4_000);
  expect(await fail("192.0.2.1", clock.now() - HOUR_MS)).toBe(0);
});

test("how long a hash took can't be told from when the answer comes", async () => {
  const answerAt = async (tookMs: number): Promise<number> => {
    const { clock, fail } = setUp();
    return tookMs + (await fail("192.0.2.1", clock.now() - tookMs));
  };
  for (const tookMs of [1, 50, 150, 1_200, 1_999]) expect(await answerAt(tookMs)).toBe(2_000);
  for (const tookMs of [2_001, 3_000, 3_999]) expect(await answerAt(tookMs)).toBe(4_000);
});

test("too many block the address, which is said once", async () => {
  const { failures, fail, lines } = setUp({ ...MANY, max: 3 });
  for (const expected of [false, false, true, true]) {
    await fail("192.0.2.1");
    expect(failures.blocked("192.0.2.1")).toBe(expected);
  }
  expect(failures.blocked("::ffff:192.0.2.1")).toBe(true);
  expect(failures.blocked("192.0.2.2")).toBe(false);
  expect(lines).toEqual([["auth.blocked", { address: "192.0.2.1", failures: 3, blockMs: HOUR_MS }]]);
});

test("at once counts as one after the other", async () => {
  const { clock, failures } = setUp({ ...MANY, max: 5 });
  const answers = Array.from({ length: 5 }, () => failures.failed("192.0.2.1"));
  await new Promise((resolve) => setImmediate(resolve));
  expect(failures.blocked("192.0.2.1")).toBe(true);
  clock.advance(8_000);
  await Promise.all(answers);
});

test("an IPv6 client is its /64", async () => {
  const { failures, fail } = setUp({ ...MANY, max: 2 });
  await fail("2001:db8:0:1::1");
  await fail("2001:db8:0:1:ffff::2");
  expect(failures.blocked("2001:db8:0:1::3")).toBe(true);
  expect(failures.blocked("2001:db8:0:2::1")).toBe(false);
});

test("one failure can be too many", async () => {
  const { failures, fail } = setUp({ ...MANY, max: 1 });
  expect(failures.blocked("192.0.2.1")).toBe(false);
  await fail("192.0.2.1");
  expect(failures.blocked("192.0.2.1")).toBe(true);
});
