// A pause of dispatch: single tries, one line an episode, and an end that is noticed soon.
import { describe, expect, test } from "vitest";
import { createBudget } from "../../src/dispatch/budget.ts";
import { createLane } from "../../src/dispatch/lane.ts";
import type { AttemptResult, QueuedTransmission } from "../../src/dispatch/queue.ts";
import type { Log, LogFields } from "../../src/runtime/log.ts";
import { unlimited } from "../../src/runtime/rate.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { createManualClock } from "../support/manual-clock.ts";

const refused: AttemptResult = { kind: "pause", reason: "SendingPausedException", left: false };
const done: AttemptResult = { kind: "done" };

/** A lane whose attempts end when the test says so. */
function open(waiting: number) {
  const clock = createManualClock();
  const events: string[] = [];
  const lines: [event: string, fields: LogFields][] = [];
  const line = (event: string, fields: LogFields = {}): void => {
    events.push(event);
    lines.push([event, fields]);
  };
  const log: Log = { debug() {}, info: line, warn: line, error: line };
  const underWay: { taken: () => void; resolve: (result: AttemptResult) => void }[] = [];
  const begun: string[] = [];
  const isStopped = false;
  const lane = createLane(
    {
      upstream: { name: "upstream" } as Upstream,
      budget: createBudget(1),
      attempt({ claim }, taken) {
        begun.push(claim.id);
        return new Promise((resolve) => underWay.push({ taken, resolve }));
      },
      rate: unlimited,
      isStopped: () => isStopped,
      clock,
      random: { fraction: () => 0.999, octets: (length) => new Uint8Array(length) },
      log,
    },
    { concurrency: 5, retry: { minMs: 5_000, maxMs: 900_000 } },
  );
  for (let n = 0; n < waiting; n++) {
    const times = { dueAt: clock.now() + n, acceptedAt: clock.now() + n };
    lane.enqueue({ ...times, size: 0, key: {}, claim: { id: `mail ${n}` } } as unknown as QueuedTransmission);
  }
  clock.advance(waiting);
  lane.start();
  return {
    clock,
    events,
    lines,
    lane,
    /** The mails that were attempted, in order. */
    begun,
    underWay: () => underWay.length,
    async end(...results: AttemptResult[]) {
      for (const result of results) {
        const attempt = underWay.shift();
        if (result === done) attempt?.taken();
        attempt?.resolve(result);
        await new Promise(setImmediate);
      }
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
    expect(new Set(events)).toEqual(new Set(["dispatch.paused", "dispatch.still_paused"]));
    expect(events.indexOf("dispatch.paused")).toBe(events.lastIndexOf("dispatch.paused"));
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
      // A reminder is a timer too.
      while (underWay() === 0) clock.advance(clock.untilNext() ?? 0);
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

function enqueue({ lane, clock }: ReturnType<typeof open>, id: string): void {
  const times = { dueAt: clock.now(), acceptedAt: clock.now() };
  lane.enqueue({ ...times, size: 0, key: {}, claim: { id } } as unknown as QueuedTransmission);
}

/** Ends every attempt as `verdict` says of its mail, until so much time has passed. */
async function play(opened: ReturnType<typeof open>, ms: number, verdict: (id: string) => AttemptResult) {
  const { clock, begun, underWay, end } = opened;
  const until = clock.now() + ms;
  let at = begun.length - underWay();
  for (;;) {
    while (at < begun.length) await end(verdict(begun[at++] as string));
    const next = clock.untilNext();
    if (next === undefined || clock.now() + next > until) break;
    clock.advance(next);
  }
  clock.advance(until - clock.now());
}

describe("one mail does not stop the others (P13)", () => {
  test("each try under a pause is of another mail, new ones before those that were tried", async () => {
    const opened = open(8);
    const { clock, begun, end, underWay } = opened;
    await play(opened, 0, () => refused);
    const tries: string[] = [];
    for (let n = 0; n < 20; n++) {
      clock.advance(60_000);
      expect(underWay()).toBe(1);
      tries.push(begun.at(-1) as string);
      if (n === 10) enqueue(opened, "mail new");
      await end(refused);
    }
    for (const [n, id] of tries.entries()) expect(id).not.toBe(tries[n - 1]);
    // The first five failed before the tries; the other three come first, then those tried longest ago.
    expect(tries.slice(0, 10).map((id) => Number(id.slice(5)))).toEqual([5, 6, 7, 0, 1, 2, 3, 4, 5, 6]);
    expect(tries.indexOf("mail new")).toBe(11);
    expect(new Set(tries.slice(11, 20))).toHaveLength(9);
  });

  test("a single mail is tried again and again all the same", async () => {
    const opened = open(1);
    await play(opened, 600_000, () => refused);
    expect(opened.begun.length).toBeGreaterThan(10);
  });

  test("one that is refused as all would be, while others are taken, stops them once and then waits alone", async () => {
    const opened = open(50);
    await play(opened, 1_000, (id) => (id === "mail 3" ? refused : done));
    expect(new Set(opened.begun)).toHaveLength(50);
    for (let n = 0; n < 720; n++) {
      enqueue(opened, `mail later ${n}`);
      await play(opened, 5_000, (id) => (id === "mail 3" ? refused : done));
    }
    const tries = opened.begun.filter((id) => id === "mail 3").length;
    expect(tries).toBeGreaterThan(5);
    expect(tries).toBeLessThan(20);
    const counted = (event: string) => opened.events.filter((one) => one === event).length;
    expect([counted("dispatch.paused"), counted("dispatch.resumed")]).toEqual([1, 1]);
    expect(counted("transmission.set_aside")).toBe(tries - 1);
    // And once it is taken it has been odd for the last time.
    await play(opened, 3_600_000, () => done);
    expect(opened.begun.filter((id) => id === "mail 3")).toHaveLength(tries + 1);
  });

  test("a mail that is alone, and refused so, does not keep the next one waiting", async () => {
    const opened = open(1);
    const oddOnes = (id: string) => (id === "mail 0" ? refused : done);
    await play(opened, 3_600_000, oddOnes);
    for (let n = 0; n < 10; n++) {
      enqueue(opened, `mail later ${n}`);
      await play(opened, 0, oddOnes);
      expect(opened.begun.filter((id) => id === `mail later ${n}`)).toHaveLength(1);
      await play(opened, 300_000, oddOnes);
    }
  });

  test("an outage in which many mails fail that had failed before is still a pause with single tries", async () => {
    const opened = open(200);
    for (let outage = 0; outage < 5; outage++) {
      await play(opened, 120_000, () => refused);
      const before = opened.begun.length;
      await play(opened, 60_000, () => refused);
      expect(opened.begun.length - before).toBeLessThan(30);
      // Each outage ends for a moment, with a few mails.
      let left = 10;
      await play(opened, 61_000, () => (left-- > 0 ? done : refused));
    }
  });
});

describe("what lasts is said again", () => {
  test("a pause: its reason, since when, how much waits and how old it is", async () => {
    const opened = open(7);
    const since = new Date(opened.clock.now()).toISOString();
    await play(opened, 3_600_000, () => ({ ...refused, reason: "down" }));
    const reminders = opened.lines.filter(([event]) => event === "dispatch.still_paused");
    expect(reminders).toHaveLength(12);
    expect(reminders.at(-1)?.[1]).toEqual({
      ...{ upstream: "upstream", reason: "down", since, waiting: 7, underWay: undefined },
      oldestMs: 3_600_007,
    });
    await play(opened, 120_000, () => done);
    opened.events.length = 0;
    await play(opened, 3_600_000, () => done);
    expect(opened.events).toEqual([]);
  });

  test("an upstream that gives no answer", async () => {
    const { clock, lines } = open(7);
    clock.advance(610_000);
    const said = lines.filter(([event]) => event === "dispatch.silent");
    expect(said).toHaveLength(2);
    expect(said[0]?.[1]).toMatchObject({ reason: "no attempt has been answered", waiting: 2, underWay: 5 });
  });

  test("an upstream that refuses one mail after the other, and not one that a recipient's server defers", async () => {
    const again = ({ clock }: ReturnType<typeof open>): AttemptResult => ({
      kind: "again",
      dueAt: clock.now() + 100_000,
    });
    const many = open(20);
    await play(many, 610_000, () => again(many));
    const said = many.lines.filter(([event]) => event === "dispatch.silent");
    expect(said.length).toBeGreaterThan(0);
    expect(said[0]?.[1]).toMatchObject({ reason: expect.stringMatching(/^none of the last \d+ attempts/) });
    const one = open(1);
    await play(one, 610_000, () => again(one));
    expect(one.events).toEqual([]);
  });
});
