// Several upstreams as one: who is called, who is left out, and what is said when none is left.
import { expect, test } from "vitest";
import { createFailover, createMember } from "../../src/dispatch/failover.ts";
import type { Log } from "../../src/runtime/log.ts";
import type { Rate } from "../../src/runtime/rate.ts";
import type { Outcome, Upstream } from "../../src/upstream/upstream.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { neverAborted, transmissionOf } from "../support/transmission.ts";

const accepted: Outcome = { kind: "accepted", upstreamId: "1" };
const doubtful: Outcome = { kind: "doubtful", cause: "no answer" };
const down: Outcome = { kind: "down", reply: "down" };
const later: Outcome = { kind: "later", reply: "no" };
const refused: Outcome = { kind: "refused", reply: "no" };

/** Upstreams a, b, … that answer as the test says at the time. */
function open(...answers: (Outcome | Promise<Outcome>)[]) {
  const clock = createManualClock();
  const calls: string[] = [];
  const takes: string[] = [];
  const stopped = new Set<string>();
  const events: string[] = [];
  const line = (event: string, fields = {}) => void events.push(`${event} ${Object(fields).upstream}`);
  const log: Log = { debug() {}, info: line, warn: line, error: line };
  const random = { fraction: () => 0.999, octets: (length: number) => new Uint8Array(length) };
  const members = answers.map((_, index) => {
    const name = "abc"[index] as string;
    const upstream: Upstream = {
      name,
      limits: { messageOctets: 100 - index, lineOctets: 10 + index, smtpUtf8: index > 0 },
      ...(index === 1 ? { memoryPerOctet: 4 } : {}),
      async transmit() {
        calls.push(name);
        return (await answers[index]) as Outcome;
      },
      async close() {},
    };
    const rate: Rate = {
      take() {
        takes.push(name);
        return 0;
      },
    };
    const retry = { minMs: 5_000, maxMs: 900_000 };
    return createMember(upstream, rate, { clock, random, log }, retry, () => stopped.has(name));
  });
  const [first, ...others] = members;
  if (first === undefined) throw new Error("none");
  const failover = createFailover([first, ...others]);
  let mails = 0;
  return {
    clock,
    stopped,
    events,
    takes,
    answers,
    failover,
    /** One attempt: its outcome, and who was called for it. */
    async attempt(signal = neverAborted, number = mails++) {
      calls.length = 0;
      const outcome = await failover.transmit(transmissionOf({ number }), signal);
      return { outcome, calls: calls.join("") };
    },
    calls,
  };
}

test.each([
  ["accepted", accepted],
  ["doubtful", doubtful],
  ["refused for now", later],
  ["refused for good", refused],
])("%s at the first: the second is not asked", async (_, answer) => {
  const { attempt } = open(answer, accepted);
  expect(await attempt()).toEqual({ outcome: { ...answer, upstream: "a" }, calls: "a" });
});

test("the first takes nothing: the second is asked, and its answer ends the attempt", async () => {
  for (const answer of [accepted, doubtful, later, refused]) {
    const { attempt } = open(down, answer, accepted);
    expect(await attempt()).toEqual({ outcome: { ...answer, upstream: "b" }, calls: "ab" });
  }
});

test("who takes nothing is left out, then tried by one at a time, then preferred again", async () => {
  const { attempt, answers, clock, events, failover, calls } = open(down, accepted);
  await attempt();
  expect((await attempt()).calls).toBe("b");
  clock.advance(60_000);
  expect((await attempt()).calls).toBe("ab");
  expect((await attempt()).calls).toBe("b");

  clock.advance(60_000);
  let answer: (outcome: Outcome) => void = () => {};
  answers[0] = new Promise((resolve) => {
    answer = resolve;
  });
  calls.length = 0;
  const tried = failover.transmit(transmissionOf({ number: 100 }), neverAborted);
  const beside = await failover.transmit(transmissionOf({ number: 101 }), neverAborted);
  expect([calls.join(""), beside.upstream]).toEqual(["ab", "b"]);
  answer(accepted);
  expect((await tried).upstream).toBe("a");
  answers[0] = accepted;
  expect((await attempt()).calls).toBe("a");
  expect(events).toEqual(["dispatch.paused a", "dispatch.resumed a"]);
});

test("the mail that tried in vain is not the next to try, unless no other comes by", async () => {
  const { attempt, clock } = open(down, later);
  await attempt(neverAborted, 1);
  clock.advance(60_000);
  expect((await attempt(neverAborted, 1)).calls).toBe("ab");
  clock.advance(60_000);
  expect((await attempt(neverAborted, 1)).calls).toBe("b");
  expect((await attempt(neverAborted, 2)).calls).toBe("ab");
  clock.advance(60_000);
  expect((await attempt(neverAborted, 2)).calls).toBe("b");
  expect((await attempt(neverAborted, 2)).calls).toBe("ab");
});

test("none takes anything: one refusal of them all, and the next attempt asks all again", async () => {
  const { attempt } = open({ ...down, retryAfterMs: 60_000 }, { ...down, retryAfterMs: 900_000 });
  const { outcome } = await attempt();
  expect(outcome).toEqual({
    kind: "down",
    reply: "a: down; b: down",
    retryAfterMs: 60_000,
  });
  expect((await attempt()).calls).toBe("ab");
});

test("who is paused by an operator is never asked, whatever the others say", async () => {
  const { attempt, answers, stopped, failover, takes } = open(accepted, down, accepted);
  stopped.add("a");
  failover.rate.take();
  expect(takes).toEqual(["b"]);
  expect((await attempt()).calls).toBe("bc");
  answers[2] = down;
  const { outcome, calls } = await attempt();
  expect([outcome, calls]).toEqual([{ kind: "down", reply: "down" }, "c"]);
  // All that are left are paused by what they have said: they are asked, and the operator's is not.
  expect((await attempt()).calls).toBe("bc");
  stopped.add("b").add("c");
  expect(await attempt()).toEqual({
    outcome: { kind: "down", reply: "an operator has paused it" },
    calls: "",
  });
  stopped.clear();
  expect((await attempt()).calls).toBe("a");
});

test("an attempt that was aborted goes no further", async () => {
  const controller = new AbortController();
  const { attempt, answers } = open(down, accepted);
  answers[0] = Promise.resolve().then(() => {
    controller.abort();
    return down;
  });
  expect((await attempt(controller.signal)).calls).toBe("a");
});

test("the pace is that of the first that is not left out", async () => {
  const { attempt, failover, takes } = open(down, accepted);
  failover.rate.take();
  await attempt();
  failover.rate.take();
  // The second "b" is the call to which the attempt went on.
  expect(takes).toEqual(["a", "b", "b"]);
});

test("limits are the strictest, memory is the most of all", () => {
  const { failover } = open(accepted, accepted);
  expect(failover.limits).toEqual({ messageOctets: 99, lineOctets: 10, smtpUtf8: false });
  expect(failover.memoryPerOctet).toBe(4);
  expect(failover.name).toBe("a, b");
});
