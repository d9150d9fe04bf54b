// What a lane says of itself: how much is in which state, since when it pauses, and why.
import { expect, test } from "vitest";
import { createBudget } from "../../src/dispatch/budget.ts";
import { createDispatcher } from "../../src/dispatch/dispatcher.ts";
import { createLaneFacts } from "../../src/dispatch/lane-facts.ts";
import type { OperatorPause } from "../../src/dispatch/operator-pauses.ts";
import { pauseFor } from "../../src/dispatch/pause.ts";
import type { QueuedTransmission } from "../../src/dispatch/queue.ts";
import type { Held } from "../../src/dispatch/queue-state.ts";
import { createRoutes } from "../../src/dispatch/routes.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createRate, unlimited } from "../../src/runtime/rate.ts";
import type { Outcome, Upstream } from "../../src/upstream/upstream.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { transmissionOf } from "../support/transmission.ts";

const retry = { minMs: 5_000, maxMs: 900_000 };
const limits = { messageOctets: 1, lineOctets: 1, smtpUtf8: true };

/** Lane 0 goes by "ses" alone, lane 1 by "relay" and then "ses", lane 2 by "other". Upstreams answer when the test says so. */
function open() {
  const clock = createManualClock();
  const stopped = new Map<string, OperatorPause>();
  const random = { fraction: () => 0.999, octets: (length: number) => new Uint8Array(length) };
  const parts = { clock, random, log: silentLog };
  const answers: { readonly place: string; readonly answer: (outcome: Outcome) => Promise<void> }[] = [];
  const upstreamAt = (place: string): Upstream => ({
    ...{ name: place, limits, close: async () => {} },
    transmit: () =>
      new Promise((resolve) => {
        const answer = async (outcome: Outcome) => {
          resolve(outcome);
          for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
        };
        answers.push({ place, answer });
      }),
  });
  const routed = (place: string, rate = unlimited) => ({ upstream: upstreamAt(place), rate, concurrency: 2 });
  const routes = createRoutes(
    [
      { domains: ["one.example"], by: "from", upstreams: ["ses"] },
      { domains: ["two.example"], by: "from", upstreams: ["relay", "ses"] },
      { by: "from", upstreams: ["other"] },
    ],
    new Map([
      ["ses", routed("ses eu-west-1", createRate(14, clock))],
      ["relay", routed("smtp relay.example:587")],
      ["other", routed("maildir /outbox")],
    ]),
    parts,
    retry,
    { of: (name) => stopped.get(name) },
  );
  const dispatcher = createDispatcher(
    {
      async attempt({ claim }, upstream, signal) {
        const outcome = await upstream.transmit(transmissionOf({ number: Number(claim.id) }), signal);
        return outcome.kind === "down" ? pauseFor(outcome, false) : { kind: "done" };
      },
      ...{ budget: createBudget(1e9), ...parts },
    },
    routes.lanes,
    retry,
  );
  const held: Held[] = [];
  const { read: facts, decided } = createLaneFacts(dispatcher, () => held, clock);
  const base = clock.now();
  let number = 0;
  const queued = (lane: number, acceptedAt: number, dueAt: number): QueuedTransmission => ({
    ...{
      key: { submission: "s", index: number },
      claim: { id: String(number++) as never, fence: 1 as never },
    },
    ...{ lane, size: 1, acceptedAt: base + acceptedAt, dueAt: base + dueAt, isAttempted: false },
  });
  return { clock, base, dispatcher, held, facts, decided, answers, queued, stopped };
}

test("what is due, waits, is under way and is held is counted in its lane, with the oldest of each", () => {
  const { base, dispatcher, held, facts, queued } = open();
  dispatcher.start();
  for (const dueAt of [-50, -40, -30, -20]) dispatcher.enqueue(queued(0, -60, dueAt));
  dispatcher.enqueue(queued(1, -900, 10_000));
  dispatcher.enqueue(queued(1, -800, 5_000));
  held.push({ queued: queued(1, -70_000, -60_000), by: "doubt" });
  for (const listensUntil of [base + 7_000, base + 9_000, base + 8_000]) {
    held.push({ queued: queued(1, -75_000, -60_000), by: "doubt", listensUntil });
  }
  held.push({ queued: queued(1, -80_000, -60_000), by: "operator" });
  held.push({ queued: queued(2, -90_000, -60_000), by: "operator" });

  const none = { count: 0 };
  const noneHeld = { ...none, byDoubt: 0, byOperator: 0 };
  expect(facts()).toEqual([
    {
      name: "ses",
      upstreams: [{ name: "ses", place: "ses eu-west-1", perSecond: 14 }],
      due: { count: 2, oldestAcceptedAt: base - 60, oldestDueAt: base - 30 },
      waiting: none,
      underway: { count: 2, oldestAcceptedAt: base - 60, oldestDueAt: base - 50 },
      held: noneHeld,
    },
    {
      name: "relay, ses",
      upstreams: [
        { name: "relay", place: "smtp relay.example:587" },
        { name: "ses", place: "ses eu-west-1", perSecond: 14 },
      ],
      ...{ due: none, underway: none },
      waiting: { count: 2, oldestAcceptedAt: base - 900, oldestDueAt: base + 5_000 },
      held: {
        count: 5,
        oldestAcceptedAt: base - 80_000,
        oldestDueAt: base - 60_000,
        byDoubt: 4,
        byOperator: 1,
        listening: { count: 3, until: base + 9_000 },
        oldestUndecidedAt: base - 70_000,
      },
    },
    {
      name: "other",
      upstreams: [{ name: "other", place: "maildir /outbox" }],
      ...{ due: none, waiting: none, underway: none },
      held: {
        count: 1,
        oldestAcceptedAt: base - 90_000,
        oldestDueAt: base - 60_000,
        byDoubt: 0,
        byOperator: 1,
      },
    },
  ]);
});

test("a due time further away than any wait counts as due, as the lane takes it", () => {
  const { dispatcher, facts, queued } = open();
  dispatcher.enqueue(queued(0, 0, 86_400_000));
  expect(facts()[0]).toMatchObject({ due: { count: 1 }, waiting: { count: 0 } });
});

test("a pause says since when, what it began with, what was said last, and when it is tried next", async () => {
  const { clock, base, dispatcher, facts, answers, queued } = open();
  dispatcher.start();
  for (const dueAt of [0, 0, 0]) dispatcher.enqueue(queued(0, 0, dueAt));
  await answers[0]?.answer({ kind: "down", reply: "421 closing" });
  await answers[1]?.answer({ kind: "down", reply: "535 wrong password" });
  const pause = { by: "upstream", since: base, reason: "421 closing", firstReason: "421 closing" };
  const tried = { ...pause, nextTryAt: expect.any(Number) };
  expect(facts()[0]).toMatchObject({ due: { count: 3 }, pause: tried, upstreams: [{ pause: tried }] });

  // A second of back-off, at the most.
  clock.advance(1_000);
  expect(answers).toHaveLength(3);
  expect(facts()[0]?.pause).toEqual(pause);
  await answers[2]?.answer({ kind: "down", reply: "535 wrong password" });
  clock.advance(250);
  expect(facts()[0]?.pause).toEqual({
    ...{ by: "upstream", since: base, reason: "535 wrong password", firstReason: "421 closing" },
    nextTryAt: base + 2_000,
  });

  clock.advance(1_000);
  await answers[3]?.answer({ kind: "accepted", upstreamId: "1" });
  clock.advance(250);
  expect(facts()[0]?.pause).toBeUndefined();
  expect(facts()[0]).toMatchObject({ due: { count: 0 }, underway: { count: 2 } });
});

test("of a list each upstream has its own pause, and the lane one when none takes anything", async () => {
  const { clock, dispatcher, facts, answers, queued } = open();
  dispatcher.start();
  dispatcher.enqueue(queued(1, 0, 0));
  await answers[0]?.answer({ kind: "down", reply: "refused" });
  const relay = { name: "relay", pause: { by: "upstream", reason: "refused" } };
  const [, first] = facts();
  expect(first).toMatchObject({ underway: { count: 1 }, upstreams: [relay, { name: "ses" }] });
  expect(first?.upstreams[1]?.pause).toBeUndefined();
  expect(first?.pause).toBeUndefined();

  await answers[1]?.answer({ kind: "down", reply: "no credentials" });
  clock.advance(250);
  expect(facts()[1]).toMatchObject({
    due: { count: 1 },
    upstreams: [relay, { name: "ses", pause: { reason: "no credentials" } }],
    pause: { by: "upstream", reason: "smtp relay.example:587: refused; ses eu-west-1: no credentials" },
  });
});

test("the disk pauses every lane, and no upstream", () => {
  const { clock, base, dispatcher, facts } = open();
  dispatcher.start();
  clock.advance(5);
  dispatcher.pause("no space left on device", 1_000);
  for (const { pause, upstreams } of facts()) {
    expect(pause).toMatchObject({ by: "storage", since: base + 5, reason: "no space left on device" });
    expect(upstreams.map(({ pause }) => pause)).toEqual(upstreams.map(() => undefined));
  }
});

test("whoever asks at once gets the same answer", () => {
  const { clock, dispatcher, facts, queued } = open();
  const before = facts();
  dispatcher.enqueue(queued(0, 0, 0));
  expect(facts()).toBe(before);
  clock.advance(250);
  expect(facts()[0]?.due.count).toBe(1);
});

test("where a look takes long it is taken less often, and at once after a decision", () => {
  const { clock, dispatcher } = open();
  let looks = 0;
  const slow = {
    ...dispatcher,
    visit() {
      looks += 1;
      clock.advance(4);
    },
  };
  const facts = createLaneFacts(slow, () => [], clock);
  facts.read();
  // One look alone may have been slow by chance.
  clock.advance(250);
  facts.read();
  looks = 1;
  clock.advance(799);
  facts.read();
  expect(looks).toBe(1);
  clock.advance(1);
  facts.read();
  expect(looks).toBe(2);
  facts.decided();
  facts.read();
  expect(looks).toBe(3);
});

test("what an operator has paused says so, and why; a list does when all of it is paused", () => {
  const { clock, base, dispatcher, facts, answers, queued, stopped } = open();
  dispatcher.start();
  stopped.set("ses", { since: base - 5, until: base + 60_000, reason: "a move" });
  dispatcher.enqueue(queued(0, 0, 0));
  dispatcher.enqueue(queued(1, 0, 0));
  const moved = { by: "operator", since: base - 5, reason: "a move", firstReason: "a move" };
  const pause = { ...moved, until: base + 60_000 };
  expect(facts()[0]).toMatchObject({ due: { count: 1 }, pause, upstreams: [{ pause }] });
  expect(facts()[1]?.pause).toBeUndefined();
  expect(facts()[1]).toMatchObject({ underway: { count: 1 }, upstreams: [{ name: "relay" }, { pause }] });
  expect(answers.map(({ place }) => place)).toEqual(["smtp relay.example:587"]);

  stopped.set("relay", { since: base - 3 });
  clock.advance(250);
  expect(facts()[1]?.pause).toEqual({
    ...{ by: "operator", since: base - 3, until: base + 60_000, reason: "", firstReason: "" },
  });
  stopped.clear();
  dispatcher.goOn();
  expect(answers.map(({ place }) => place)).toEqual(["smtp relay.example:587", "ses eu-west-1"]);
});

test("an upstream that gives no answer for a minute is silent; one with nothing to do is not", async () => {
  const { clock, base, dispatcher, facts, answers, queued } = open();
  dispatcher.start();
  expect(facts()[2]?.silence).toBeUndefined();
  dispatcher.enqueue(queued(2, 0, 0));
  clock.advance(59_999);
  expect(facts()[2]?.silence).toBeUndefined();
  clock.advance(250);
  expect(facts()[2]?.silence).toEqual({ since: base, reason: "no attempt has been answered" });
  await answers[0]?.answer({ kind: "accepted", upstreamId: "1" });
  clock.advance(250);
  expect(facts()[2]?.silence).toBeUndefined();
});

test("they are up to a quarter of a second old, but not older than what was decided last", () => {
  const { clock, facts, decided, dispatcher, queued } = open();
  dispatcher.start();
  const counted = () => facts()[1]?.waiting.count;
  expect(counted()).toBe(0);
  dispatcher.enqueue(queued(1, 0, 10_000));
  clock.advance(249);
  expect(counted()).toBe(0);
  decided();
  expect(counted()).toBe(1);
});
