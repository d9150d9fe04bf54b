// What lasts: a ledger that is away, a right that is missing, and events that come faster than they are read.
import { describe, expect, test } from "vitest";
import type { Evidence } from "../../../src/evidence/evidence.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import type { Again, EventQueue, Received } from "../../../src/upstream/ses/events/queue.ts";
import { createManualClock, type ManualClock } from "../../support/manual-clock.ts";
import { idOf } from "../../support/transmission.ts";
import { EVENTS, eventOf } from "./events.ts";
import { until, useIntakePlace, WAIT_MS } from "./intake-place.ts";

const site = useIntakePlace();
const { decide, linesOf, taken, logged, counted, start } = site;

const callsOf = (action: string) => site.place.calls.filter((call) => call.action === action);

/** So that a queue with nothing in it says so soon. */
function pollBriefly(body: object): undefined {
  Object.assign(body, { WaitTimeSeconds: 1 });
}

/** Ends the pause that the intake makes. */
async function goOn(clock: ManualClock): Promise<void> {
  await until(() => clock.untilNext() !== undefined);
  clock.advance(clock.untilNext() ?? 0);
}

describe("while the ledger is away", () => {
  test("what was received is given back, and nothing more is received, so that no receipt is used up", async () => {
    const clock = createManualClock();
    const startedAt = clock.now();
    decide.mockReturnValue("away");
    await site.place.put(EVENTS.Send);
    const intake = start({ clock });
    const pauses: number[] = [];
    for (let tries = 1; tries <= 9; tries++) {
      await taken(tries);
      await until(() => clock.untilNext() !== undefined);
      expect(intake.facts()).toMatchObject({ readingSince: undefined, heldUpSince: startedAt });
      pauses.push(clock.untilNext() ?? 0);
      if (tries === 5) await site.place.put(eventOf("Send", {}, { tags: { "mailonce-id": [idOf(7)] } }));
      await goOn(clock);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30, 30, 30].map((seconds) => seconds * 1_000));
    expect(callsOf("ReceiveMessage")).toHaveLength(1);
    expect(callsOf("ChangeMessageVisibilityBatch").map(({ body }) => body.Entries)).toMatchObject([
      [{ VisibilityTimeout: 1 }],
    ]);
    expect(counted("away")).toBe(1);
    expect(linesOf("events.held_up")).toHaveLength(1);
    expect(linesOf("events.silent")).toEqual([]);

    decide.mockReturnValue("settled");
    await taken(10);
    await goOn(clock);
    await logged("events.read_on");
    await until(() => counted("settled") === 2);
    await until(() => site.place.messages().hidden === 0);
    expect(site.place.messages()).toEqual({ ready: 0, hidden: 0 });
    expect(intake.facts()).not.toHaveProperty("heldUpSince");
    expect(intake.facts().readingSince).toBeGreaterThan(startedAt + 60_000);
  });

  test("another gateway, which can ask its ledger, gets it meanwhile", async () => {
    const clock = createManualClock();
    decide.mockReturnValue("away");
    await site.place.put(EVENTS.Send);
    start({ clock });
    await logged("events.held_up");
    const settled: string[] = [];
    const evidence: Evidence = {
      async take(id) {
        settled.push(id);
        return "settled";
      },
    };
    start({ evidence });
    await until(() => settled.length === 1 && counted("settled") === 1, { timeout: 30_000 });
    await until(() => site.place.messages().hidden === 0);
    expect(site.place.messages()).toEqual({ ready: 0, hidden: 0 });
    expect(linesOf("events.read_on")).toEqual([]);
  });

  test("one that stays away while the ledger answers about others holds nothing up", async () => {
    const clock = createManualClock();
    for (let at = 0; at < 2; at++) {
      await site.place.put(eventOf("Send", {}, { tags: { "mailonce-id": [idOf(at)] } }));
    }
    let isBack = false;
    decide.mockImplementation(({ id }) => (id === idOf(0) || !isBack ? "away" : "known"));
    start({ clock });
    await logged("events.held_up");
    isBack = true;
    const running = setInterval(() => clock.advance(30_000), 50);
    await logged("events.read_on");
    await until(() => counted("known") === 1);
    clearInterval(running);
  });

  test("an answer that only had to read is none: what has to be written may not be", async () => {
    const clock = createManualClock();
    const shown: Again[] = [];
    const message = (at: number): Received => ({
      ...{ receipt: `r${at}`, receives: 3 },
      body: JSON.stringify(eventOf("Send", {}, { tags: { "mailonce-id": [idOf(at)] } })),
    });
    const batches = [[message(0), message(1)], [message(2)]];
    const queue: EventQueue = {
      async receive(signal) {
        const next = batches.shift();
        if (next !== undefined) return next;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return [];
      },
      remove: async () => {},
      async showAgain(messages) {
        shown.push(...messages);
      },
      close() {},
    };
    decide.mockImplementation(({ id }) => (id === idOf(0) ? "away" : "known"));
    const intake = start({ clock, queue });
    await logged("events.held_up");
    await until(() => shown.length === 1);
    expect(shown).toEqual([{ receipt: "r0", seconds: 1 }]);
    expect(batches).toHaveLength(1);

    decide.mockReset();
    decide.mockReturnValue("settled");
    await goOn(clock);
    await until(() => counted("settled") === 1);
    expect(intake.facts().heldUpSince).toBeUndefined();
  });

  test("one alone that stays away is received again each five minutes or so, and others with it", async () => {
    const clock = createManualClock();
    await site.place.put(EVENTS.Send);
    decide.mockReturnValue("away");
    const intake = start({ clock });
    const startedAt = clock.now();
    await logged("events.held_up");
    await site.place.put(eventOf("Send", {}, { tags: { "mailonce-id": [idOf(7)] } }));
    decide.mockImplementation(({ id }) => (id === idOf(7) ? "known" : "away"));
    const running = setInterval(() => clock.advance(30_000), 50);
    await until(() => counted("known") === 1, { timeout: 30_000 });
    clearInterval(running);
    expect(clock.now() - startedAt).toBeGreaterThan(4 * 60_000);
    expect(intake.facts()).not.toHaveProperty("silent");
  });

  test("a night of it uses up few receipts, and is said once", async () => {
    const clock = createManualClock();
    const startedAt = clock.now();
    await site.place.put(EVENTS.Send);
    decide.mockReturnValue("away");
    const intake = start({ clock });
    while (clock.now() - startedAt < 8 * 3_600_000) {
      await until(() => clock.untilNext() !== undefined, { interval: 1, timeout: 30_000 });
      expect(intake.facts().heldUpSince).toBe(startedAt);
      clock.advance(clock.untilNext() ?? 0);
    }
    expect(counted("away")).toBeLessThan(15);
    expect(linesOf("events.held_up")).toHaveLength(1);
    expect(linesOf("events.read_on")).toEqual([]);
  });

  test("what another gateway has settled meanwhile ends it", async () => {
    const clock = createManualClock();
    site.place.play(({ action, body }) => (action === "ReceiveMessage" ? pollBriefly(body) : undefined));
    await site.place.put(EVENTS.Send);
    decide.mockReturnValue("away");
    const intake = start({ clock });
    await logged("events.held_up");
    await until(() => callsOf("ChangeMessageVisibilityBatch").length === 1);
    start({ evidence: { take: async () => "settled" } });
    await until(() => counted("settled") === 1, { timeout: 30_000 });
    const running = setInterval(() => clock.advance(30_000), 50);
    await logged("events.read_on");
    clearInterval(running);
    expect(intake.facts()).not.toHaveProperty("heldUpSince");
  });

  test("others of the same receive are removed, or seen again", async () => {
    const clock = createManualClock();
    for (let at = 0; at < 3; at++) {
      await site.place.put(eventOf("Send", {}, { tags: { "mailonce-id": [idOf(at)] } }));
    }
    decide.mockImplementation(({ id }) => {
      if (id === idOf(0)) return "away";
      return id === idOf(1) ? "known" : "busy";
    });
    start({ clock });
    await until(() => callsOf("DeleteMessageBatch").length === 1);
    await until(() => callsOf("ChangeMessageVisibilityBatch").length >= 1);
    expect(counted("known")).toBe(1);
    expect(counted("busy") + counted("away")).toBeGreaterThanOrEqual(2);
  });

  test("a stop ends the pause at once, and the message stays in the queue", async () => {
    const clock = createManualClock();
    decide.mockReturnValue("away");
    await site.place.put(EVENTS.Send);
    const intake = start({ clock });
    await until(() => clock.untilNext() !== undefined);
    await intake.close();
    expect(clock.untilNext()).toBeUndefined();
    expect(counted("away")).toBe(1);
    const { ready, hidden } = site.place.messages();
    expect(ready + hidden).toBe(1);
  });
});

describe("a right that is missing", () => {
  test("to remove is said at its second failure, though the queue is empty between", async () => {
    const clock = createManualClock();
    let denied = true;
    site.place.play(({ action, body }) => {
      if (action === "DeleteMessageBatch" && denied) return "denied";
      if (action === "ReceiveMessage") pollBriefly(body);
      return undefined;
    });
    await site.place.put(EVENTS.Send);
    const intake = start({ clock });
    await logged("events.silent");
    expect(intake.facts()).not.toHaveProperty("silent");
    // The message is hidden, and so what is received next is nothing.
    const empty = site.place.answered("ReceiveMessage");
    await goOn(clock);
    await empty;
    await site.place.put(eventOf("Send", {}, { tags: { "mailonce-id": [idOf(1)] } }));
    await logged("events.silent", 2);
    expect(intake.facts().silent?.reason).toMatch(/^AccessDenied/);
    expect(linesOf("events.silent", "error")).toHaveLength(1);
    expect(linesOf("events.read_again")).toEqual([]);

    denied = false;
    await site.place.put(eventOf("Send", {}, { tags: { "mailonce-id": [idOf(2)] } }));
    await goOn(clock);
    await logged("events.read_again");
    expect(intake.facts()).not.toHaveProperty("silent");
  });

  test("what a batch refuses is a failure too, though the call is answered", async () => {
    const clock = createManualClock();
    site.place.play(({ action }) => (action === "DeleteMessageBatch" ? "refused-entries" : undefined));
    await site.place.put(EVENTS.Send);
    start({ clock });
    await logged("events.silent");
    expect(linesOf("events.silent")[0]?.fields.error).toMatch(/ReceiptHandleIsInvalid/);
  });
});

describe("events that are read longer after they came than doubt waits", () => {
  const inFuture = (ms: number) => createManualClock(systemClock.now() + ms);

  test("are said, and how late they are; nothing is said when the queue is empty", async () => {
    site.place.play(({ action, body }) => (action === "ReceiveMessage" ? pollBriefly(body) : undefined));
    await site.place.put(EVENTS.Send);
    const intake = start({ clock: inFuture(WAIT_MS + 60_000) });
    await logged("events.behind");
    const { ms, waitMs } = intake.facts().behind ?? { ms: 0, waitMs: 0 };
    expect(waitMs).toBe(WAIT_MS);
    expect(ms).toBeGreaterThan(WAIT_MS);
    expect(ms).toBeLessThan(WAIT_MS + 120_000);
    expect(linesOf("events.behind")).toMatchObject([
      { level: "warn", fields: { queue: "mailonce", ms, waitMs } },
    ]);
    await logged("events.caught_up");
    expect(intake.facts()).not.toHaveProperty("behind");
  });

  test("an event within the wait is in time, and one that had to wait for its attempt is not late", async () => {
    const clock = inFuture(WAIT_MS - 60_000);
    decide.mockReturnValueOnce("busy").mockReturnValueOnce("known");
    await site.place.put(EVENTS.Send);
    const intake = start({ clock });
    await taken(1);
    clock.advance(10 * 60_000);
    await taken(2);
    await until(() => counted("known") === 1);
    expect(intake.facts()).not.toHaveProperty("behind");
    expect(linesOf("events.behind")).toEqual([]);
  });
});
