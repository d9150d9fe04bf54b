// A pause of dispatch: single tries, one line an episode, and an end that is noticed soon.
import { describe, expect, test } from "vitest";
import { createBudget } from "../../src/dispatch/budget.ts";
import type { AttemptResult, QueuedTransmission } from "../../src/dispatch/dispatcher.ts";
import { createLane } from "../../src/dispatch/lane.ts";
import type { Log } from "../../src/runtime/log.ts";
import { unlimited } from "../../src/runtime/rate.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { createManualClock } from "../support/manual-clock.ts";

const refused: AttemptResult = { kind: "pause", reason: "SendingPausedException", left: false };
const done: AttemptResult = { kind: "done" };

/** A lane whose attempts end when the test says so. */
function open(waiting: number) {
  const clock = createManualClock();
  const events: string[] = [];
  const line = (event: string): void => void events.push(event);
  const log: Log = { debug() {}, info: line, warn: line, error: line };
  const underWay: ((result: AttemptResult) => void)[] = [];
  const lane = createLane(
    {
      upstream: { name: "upstream" } as Upstream,
      budget: createBudget(1),
      attempt: () => new Promise((resolve) => underWay.push(resolve)),
      rate: unlimited,
      clock,
      random: { fraction: () => 0.999, octets: (length) => new Uint8Array(length) },
      log,
    },
    { concurrency: 5, retry: { minMs: 5_000, maxMs: 900_000 } },
  );
  for (let n = 0; n < waiting; n++) {
    lane.enqueue({ dueAt: clock.now() + n, size: 0 } as unknown as QueuedTransmission);
  }
  clock.advance(waiting);
  lane.start();
  return {
    clock,
    events,
    underWay: () => underWay.length,
    async end(...results: AttemptResult[]) {
      for (const result of results) underWay.shift()?.(result);
      await new Promise(setImmediate);
    },
  };
}

describe("while the upstream refuses everything", () => {
  test("what fails together is one line, and tries are single", async () => {
    const { clock, events, underWay, end } = open(20);
    expect(underWay()).toBe(5);
    await end(refused, refused, refused, refused, refused);
    expect(underWay()).toBe(0);
    for (let probe = 0; probe < 30; probe++) {
      clock.advance(60_000);
      expect(underWay()).toBe(1);
      await end(refused);
    }
    expect(events).toEqual(["dispatch.paused"]);
  });

  test("what had begun before does not end the pause", async () => {
    const { clock, events, underWay, end } = open(20);
    await end(refused, done, done, refused, done);
    expect(underWay()).toBe(0);
    clock.advance(60_000);
    expect(underWay()).toBe(1);
    await end(done);
    expect(events).toEqual(["dispatch.paused", "dispatch.resumed"]);
    expect(underWay()).toBe(5);
  });

  test.each([
    ["10 seconds", 10_000, 1_000],
    ["2 minutes", 120_000, 12_000],
    ["an hour", 3_600_000, 60_000],
  ])("the end of a pause of %s is noticed in time", async (_, pauseMs, lateMs) => {
    const { clock, underWay, end } = open(20);
    await end(refused, refused, refused, refused, refused);
    const begun = clock.now();
    for (;;) {
      clock.advance(clock.untilNext() ?? 0);
      expect(underWay()).toBe(1);
      if (clock.now() - begun >= pauseMs) break;
      await end(refused);
    }
    expect(clock.now() - begun - pauseMs).toBeLessThanOrEqual(lateMs);
  });

  test("a time that the upstream names is kept", async () => {
    const { clock, underWay, end } = open(20);
    const later: AttemptResult = { ...refused, retryAfterMs: 120_000 };
    await end(later, later, later, later, later);
    clock.advance(119_999);
    expect(underWay()).toBe(0);
    clock.advance(1);
    expect(underWay()).toBe(1);
  });
});
