// Lanes: what stands still in one does not stand in the way of another, and all share one budget of memory.
import { expect, test } from "vitest";
import { createBudget } from "../../src/dispatch/budget.ts";
import { createDispatcher } from "../../src/dispatch/dispatcher.ts";
import type { AttemptResult, QueuedTransmission } from "../../src/dispatch/queue.ts";
import type { Log } from "../../src/runtime/log.ts";
import { createRate, unlimited } from "../../src/runtime/rate.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { createManualClock } from "../support/manual-clock.ts";

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
const MEBIBYTE = 2 ** 20;

/** Two lanes, of which "buffering" holds contents four times. Attempts end when the test says so. */
function open(memoryOctets: number, perSecond?: number) {
  const clock = createManualClock();
  const begun: string[] = [];
  const takes: (() => void)[] = [];
  const ends: ((result: AttemptResult) => void)[] = [];
  const lane = (upstream: Partial<Upstream>) => ({
    upstreams: [],
    upstream: upstream as Upstream,
    rate: perSecond === undefined ? unlimited : createRate(perSecond, clock),
    concurrency: 5,
  });
  const dispatcher = createDispatcher(
    {
      attempt: ({ size }, { name }, _, taken) => {
        begun.push(`${name} ${size / MEBIBYTE}`);
        takes.push(taken);
        return new Promise((resolve) => ends.push(resolve));
      },
      budget: createBudget(memoryOctets),
      clock,
      random: { fraction: () => 0.999, octets: (length) => new Uint8Array(length) },
      log,
    },
    [lane({ name: "streaming" }), lane({ name: "buffering", memoryPerOctet: 4 })],
    { minMs: 5_000, maxMs: 900_000 },
  );
  dispatcher.start();
  return {
    clock,
    dispatcher,
    begun,
    enqueue(number: number, mebibytes: number) {
      clock.advance(1);
      const claim = { id: `${number} ${mebibytes}` };
      const queued = { claim, dueAt: clock.now(), size: mebibytes * MEBIBYTE, lane: number };
      dispatcher.enqueue(queued as unknown as QueuedTransmission);
    },
    take: (at: number) => takes[at]?.(),
    async end(result: AttemptResult) {
      ends.shift()?.(result);
      await new Promise(setImmediate);
    },
  };
}

test("a lane that pauses keeps no other waiting", async () => {
  const { begun, enqueue, end } = open(1_000 * MEBIBYTE);
  enqueue(0, 1);
  enqueue(0, 2);
  await end({ kind: "pause", reason: "down", left: false });
  await end({ kind: "pause", reason: "down", left: false });
  enqueue(0, 4);
  enqueue(1, 3);
  expect(begun).toEqual(["streaming 1", "streaming 2", "buffering 3"]);
});

test("contents that are held whole count by what they cost, streamed ones hardly", async () => {
  const { begun, enqueue, end } = open(100 * MEBIBYTE);
  for (const mebibytes of [10, 11, 12]) enqueue(1, mebibytes);
  for (const mebibytes of [30, 31, 32, 33]) enqueue(0, mebibytes);
  expect(begun).toEqual(["buffering 10", "buffering 11"]);
  await end({ kind: "done" });
  expect(begun.slice(2)).toEqual([
    "buffering 12",
    "streaming 30",
    "streaming 31",
    "streaming 32",
    "streaming 33",
  ]);
});

test("what is larger than the budget goes all the same, alone", async () => {
  const { begun, enqueue, end } = open(10 * MEBIBYTE);
  enqueue(1, 1);
  enqueue(1, 25);
  enqueue(1, 2);
  expect(begun).toEqual(["buffering 1"]);
  await end({ kind: "done" });
  expect(begun).toEqual(["buffering 1", "buffering 25"]);
  await end({ kind: "done" });
  expect(begun).toEqual(["buffering 1", "buffering 25", "buffering 2"]);
});

test("no token of the rate is lost while memory is short", async () => {
  const { clock, begun, enqueue, end } = open(10 * MEBIBYTE, 2);
  enqueue(1, 1);
  enqueue(1, 2);
  enqueue(1, 2);
  enqueue(1, 2);
  expect(begun).toHaveLength(1);
  // The second token was taken for the one that waits for memory.
  await end({ kind: "done" });
  expect(begun).toHaveLength(2);
  await end({ kind: "done" });
  expect(begun).toHaveLength(2);
  clock.advance(500);
  expect(begun).toHaveLength(3);
});

test("a lane that waits for memory ends when it is drained", async () => {
  const { begun, dispatcher, enqueue, end } = open(10 * MEBIBYTE);
  enqueue(1, 10);
  enqueue(1, 10);
  const drained = dispatcher.drain();
  await end({ kind: "done" });
  await drained;
  expect(begun).toEqual(["buffering 10"]);
});

test("what the upstream has taken makes room for another while it is recorded, up to a bound", async () => {
  const { begun, enqueue, end, take } = open(1_000 * MEBIBYTE);
  for (let number = 1; number <= 30; number++) enqueue(0, number);
  expect(begun).toHaveLength(5);
  take(0);
  take(0);
  expect(begun).toHaveLength(6);
  for (let at = 1; at < 20; at++) take(at);
  expect(begun).toHaveLength(20);
  await end({ kind: "done" });
  expect(begun).toHaveLength(21);
});

test("what expired before its first attempt was made, while a pause ended, is attempted without a restart", async () => {
  const clock = createManualClock();
  const ends: ((result: AttemptResult) => void)[] = [];
  const begun: string[] = [];
  const dispatcher = createDispatcher(
    {
      attempt: ({ isExpired }) => {
        begun.push(isExpired === true ? "report" : "attempt");
        return new Promise((resolve) => ends.push(resolve));
      },
      budget: createBudget(MEBIBYTE),
      clock,
      random: { fraction: () => 0.999, octets: (length) => new Uint8Array(length) },
      log,
    },
    [{ upstreams: [], upstream: { name: "one" } as Upstream, rate: unlimited, concurrency: 1 }],
    { minMs: 1_000, maxMs: 1_000 },
    20_000,
  );
  const end = async (result: AttemptResult) => {
    ends.shift()?.(result);
    await new Promise(setImmediate);
  };
  dispatcher.start();
  const queued = {
    claim: { id: "a" },
    key: { submission: "s", index: 0 },
    dueAt: clock.now(),
    size: 1,
    lane: 0,
  };
  const rest = { acceptedAt: clock.now(), isAttempted: false };
  const entry = { ...queued, ...rest } as unknown as QueuedTransmission;
  dispatcher.enqueue(entry);
  // The disk refuses to note it, and the lane waits until after its lifetime.
  await end({ kind: "pause", reason: "no space", retryAfterMs: 25_500, left: false });
  clock.advance(25_000);
  expect(begun).toEqual(["attempt", "report"]);
  // The wait ends while nothing is in the queue.
  clock.advance(1_000);
  await end({ kind: "untried", again: { ...entry, dueAt: clock.now() } });
  expect(begun).toEqual(["attempt", "report", "attempt"]);
});
