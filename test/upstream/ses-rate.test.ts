// The account's rate and what becomes of it, on a clock that the test moves.
import { beforeEach, describe, expect, test } from "vitest";
import type { Log } from "../../src/runtime/log.ts";
import { createSesQuota, type SendQuota } from "../../src/upstream/ses/quota.ts";
import { createSesRate } from "../../src/upstream/ses/rate.ts";
import { createManualClock } from "../support/manual-clock.ts";

let lines: [level: string, event: string, fields: unknown][];
let answers: (SendQuota | Error)[];
let reads: number;

beforeEach(() => {
  lines = [];
  answers = [];
  reads = 0;
});

const account = (rate: number, max = 50_000, sent = 0): SendQuota => ({
  MaxSendRate: rate,
  Max24HourSend: max,
  SentLast24Hours: sent,
});
const settled = () => new Promise(setImmediate);

function open(perSecond?: number) {
  const clock = createManualClock();
  const to = (level: string) => (event: string, fields?: unknown) => void lines.push([level, event, fields]);
  const log: Log = { debug: to("debug"), info: to("info"), warn: to("warn"), error: to("error") };
  const about = { name: "ses", clock, log };
  const quota = createSesQuota({
    async read() {
      reads++;
      const answer = answers.shift() ?? account(10);
      if (answer instanceof Error) throw answer;
      return answer;
    },
    ...about,
  });
  const rate = createSesRate({ quota, perSecond, ...about });
  /** How many tokens a second gives, asked every millisecond; each ends as `answer` says. */
  const second = (answer: (n: number) => "taken" | "throttled" = () => "taken"): number => {
    let calls = 0;
    for (let ms = 0; ms < 1_000; ms++) {
      while (rate.take() === 0 && calls < 10_000) rate[answer(calls++)]();
      clock.advance(1);
    }
    return calls;
  };
  return { clock, quota, rate, second };
}

describe("the rate", () => {
  test("waits for the account's own, then keeps it, with bursts of half a second", async () => {
    answers = [account(10)];
    const { rate, second } = open();
    expect(rate.take()).toBeGreaterThan(0);
    await settled();
    expect(second()).toBe(14);
    expect([second(), second(), second()]).toEqual([10, 10, 10]);
    expect(reads).toBe(1);
  });

  test("is the configured one instead, without waiting", async () => {
    const { second, rate } = open(4);
    expect(rate.take()).toBe(0);
    await settled();
    second();
    expect(second()).toBe(4);
  });

  test("without the right to ask is no limit, said once", async () => {
    answers = [new Error("AccessDenied"), new Error("AccessDenied"), new Error("AccessDenied")];
    const { clock, second, rate } = open();
    rate.take();
    await settled();
    expect(second()).toBe(10_000);
    clock.advance(600_000);
    rate.take();
    await settled();
    expect(reads).toBe(2);
    expect(lines.filter(([level]) => level === "warn")).toEqual([
      ["warn", "upstream.quota_unreadable", { upstream: "ses", error: "Error: AccessDenied" }],
    ]);
  });

  test("follows the account's, asked again after five minutes", async () => {
    answers = [account(10), account(20)];
    const { clock, rate, second } = open();
    rate.take();
    await settled();
    clock.advance(299_000);
    second();
    expect(reads).toBe(1);
    second();
    await settled();
    expect(reads).toBe(2);
    second();
    expect(second()).toBe(20);
  });

  test("stays under few refusals, and a refused call costs no token", async () => {
    const { rate, second } = open(100);
    rate.take();
    await settled();
    for (let n = 0; n < 10; n++) second((call) => (call % 20 === 19 ? "throttled" : "taken"));
    const calls = second((call) => (call % 20 === 19 ? "throttled" : "taken"));
    expect(calls).toBeGreaterThanOrEqual(104);
    expect(calls).toBeLessThanOrEqual(106);
    expect(lines.some(([, event]) => event === "upstream.rate_lowered")).toBe(false);
  });

  test("stays under the same share of few calls, of which chance makes more", async () => {
    const { clock, rate } = open(200);
    rate.take();
    await settled();
    // As after a start, when calls are slow: 4 of 20 refused are no sign that SES takes only 16 a second.
    const limited = (calls: number) => {
      for (let call = 0; call < calls; call++) rate[call % 5 === 4 ? "throttled" : "taken"]();
    };
    for (let n = 0; n < 10; n++) {
      limited(20);
      clock.advance(1_000);
    }
    expect(lines.some(([, event]) => event === "upstream.rate_lowered")).toBe(false);
  });

  test("falls to what SES takes, and rises again slowly when it takes more", async () => {
    const { rate, second } = open(100);
    rate.take();
    await settled();
    const half = (call: number) => (call < 50 ? "taken" : "throttled");
    for (let n = 0; n < 10; n++) second(half);
    const lowered = second(half);
    expect(lowered).toBeGreaterThanOrEqual(45);
    expect(lowered).toBeLessThanOrEqual(65);
    expect(second()).toBeLessThan(70);
    for (let n = 0; n < 20; n++) second();
    expect(second()).toBe(100);
    const events = lines.map(([, event]) => event).filter((event) => event.includes("rate"));
    expect(events).toEqual(["upstream.rate_lowered", "upstream.rate_restored"]);
  });

  test("does not fall below one a second, however long SES takes nothing", async () => {
    const { rate, second } = open(100);
    rate.take();
    await settled();
    for (let n = 0; n < 30; n++) second((call) => (call < 500 ? "throttled" : "taken"));
    for (let n = 0; n < 200; n++) second();
    expect(second()).toBe(100);
  });
});

describe("the quota", () => {
  test("is reported with what remains", async () => {
    answers = [account(14, 50_000, 20_000)];
    const { clock, quota, rate } = open();
    expect(quota.sending()).toBeUndefined();
    rate.take();
    await settled();
    expect(quota.sending()).toEqual({ max: 50_000, sent: 20_000, at: clock.now() });
    const facts = { upstream: "ses", rate: 14, sent: 20_000, max: 50_000, remaining: 30_000 };
    expect(lines).toEqual([["info", "upstream.quota", facts]]);
  });

  test("without a limit names none", async () => {
    answers = [account(14, -1, 20_000)];
    const { clock, quota, rate } = open();
    rate.take();
    await settled();
    expect(quota.sending()).toEqual({ sent: 20_000, at: clock.now() });
    expect(lines).toEqual([["info", "upstream.quota", { upstream: "ses", rate: 14, sent: 20_000 }]]);
  });

  test("of which little is left is a warning", async () => {
    answers = [account(14, 50_000, 49_000)];
    open().rate.take();
    await settled();
    expect(lines[0]?.[0]).toBe("warn");
  });

  test("is asked again when SES throttles, but not within a minute", async () => {
    const { clock, rate } = open();
    rate.take();
    await settled();
    rate.throttled();
    clock.advance(59_000);
    rate.throttled();
    expect(reads).toBe(1);
    clock.advance(1_000);
    rate.throttled();
    rate.throttled();
    expect(reads).toBe(2);
    await settled();
  });
});
