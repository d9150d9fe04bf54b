// What is noted is found again: by id, by task and by the upstream's id, newest first, until its time is over. What the
// process loses by its end is the last second.
import fc from "fast-check";
import { expect, test } from "vitest";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";
import { idOf } from "../support/transmission.ts";
import { all, allOf, HOUR, keepHistory, settled } from "./place.ts";

const MAIL = { submission: "s1", task: "t1", client: "192.0.2.1", user: "app", reversePath: "a@example.org" };
const to = (number: number, recipient = `r${number}@example.net`) => ({ id: idOf(number), recipient });
const ATTEMPT = { upstream: "ses", outcome: "accepted", upstreamId: "0102-abc" } as const;
const STORE = "history/events";

test("a mail's way, newest first", async () => {
  const { history, clock, pass } = await keepHistory(createMemoryStorage());
  const start = clock.now();
  history.accepted(MAIL, [to(1)]);
  clock.advance(10);
  history.attempted(idOf(1), { upstream: "ses", outcome: "doubtful", reply: "time-out\r\n\u0007" });
  await pass(5_000);
  history.decided(idOf(1), { decision: "not-relayed", reason: "asked", next: "queued" });
  history.attempted(idOf(1), ATTEMPT);
  await pass(5_000);
  history.repeated(idOf(1));
  history.repeated(idOf(2));
  clock.advance(10);
  history.repeated(idOf(1));
  await pass(5_000);
  history.ended(idOf(3), { reason: "expired", cause: "not relayed in time" });
  const { submission, task, client, user, reversePath } = MAIL;
  expect(await allOf(history, idOf(1))).toEqual([
    { kind: "repeats", at: start + 10_020, count: 2 },
    { kind: "attempt", at: start + 5_010, ...ATTEMPT },
    { kind: "decision", at: start + 5_010, decision: "not-relayed", reason: "asked", next: "queued" },
    { kind: "attempt", at: start + 10, upstream: "ses", outcome: "doubtful", reply: "time-out" },
    {
      ...{ kind: "accepted", at: start, submission, task, client, user, reversePath },
      recipient: "r1@example.net",
    },
  ]);
  expect(await allOf(history, idOf(2))).toEqual([{ kind: "repeats", at: start + 10_010, count: 1 }]);
  expect(await allOf(history, idOf(3))).toMatchObject([{ kind: "ended", reason: "expired" }]);
  expect(await allOf(history, idOf(4))).toEqual([]);
});

test("by task, of all or of one recipient, and by the upstream's id", async () => {
  const { history, clock, pass } = await keepHistory(createMemoryStorage());
  for (let number = 0; number < 10; number++) {
    history.accepted({ ...MAIL, task: number < 8 ? "t1" : "t2" }, [to(number)]);
    history.attempted(idOf(number), { ...ATTEMPT, upstreamId: `u${number % 4}` });
    if (number % 3 === 0) await pass(2_000);
    clock.advance(1);
  }
  const ids = <T extends { readonly id: string }>(mails: readonly T[]) => mails.map(({ id }) => id);
  const ofTask = (task: string, recipient?: string) => all((page) => history.ofTask(task, recipient, page));
  expect(ids(await ofTask("t1"))).toEqual([7, 6, 5, 4, 3, 2, 1, 0].map(idOf));
  expect(await ofTask("t2", "r8@example.net")).toEqual([
    { id: idOf(8), recipient: "r8@example.net", at: expect.any(Number) },
  ]);
  expect(await ofTask("t2", "r1@example.net")).toEqual([]);
  expect(await ofTask("t3")).toEqual([]);
  expect(ids(await all((page) => history.ofUpstreamId("u1", page)))).toEqual([9, 5, 1].map(idOf));
  await expect(history.ofTask("t1", undefined, { limit: 1, cursor: "../.." })).rejects.toThrow(RangeError);
});

test("no address without [log] addresses", async () => {
  const storage = createMemoryStorage();
  const { history } = await keepHistory(storage, { addresses: false });
  history.accepted(MAIL, [to(1)]);
  const [event] = await allOf(history, idOf(1));
  expect(event).toMatchObject({ kind: "accepted", client: "192.0.2.1", user: "app", task: "t1" });
  expect(event).not.toHaveProperty("recipient");
  expect(event).not.toHaveProperty("reversePath");
  expect(await all((page) => history.ofTask("t1", undefined, page))).toEqual([
    { id: idOf(1), at: expect.any(Number) },
  ]);
  for (const value of storage.view(STORE)?.visible.values() ?? []) {
    expect(Buffer.from(value).toString("latin1")).not.toMatch(/r1@example|a@example/);
  }
});

test("whatever is noted, in whatever order, is found whole, page by page", async () => {
  const step = fc.record({
    id: fc.integer({ min: 0, max: 3 }),
    what: fc.constantFrom("accepted", "attempted", "repeated", "decided", "ended", "settled", "told"),
    ms: fc.constantFrom(0, 1, 999, 1_500, 60_000),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 1, max: 5 }),
      async (steps, limit) => {
        const { history, pass } = await keepHistory(createMemoryStorage());
        const counts = new Map<string, number>();
        for (const { id, what, ms } of steps) {
          const name = `${id} ${what}`;
          counts.set(name, (counts.get(name) ?? 0) + 1);
          if (what === "accepted") history.accepted(MAIL, [to(id)]);
          if (what === "attempted") history.attempted(idOf(id), ATTEMPT);
          if (what === "repeated") history.repeated(idOf(id));
          if (what === "decided") history.decided(idOf(id), { decision: "relayed" });
          if (what === "settled") history.settled(idOf(id), { source: "a test", upstreamId: "u2" });
          if (what === "told")
            history.told(idOf(id), { kind: "delivered", source: "a test", upstreamId: "u3" });
          if (what === "ended") history.ended(idOf(id), { reason: "lost", cause: "it is gone" });
          if (ms > 0) await pass(ms);
        }
        const kinds = {
          ...{ accepted: "accepted", attempt: "attempted", repeats: "repeated" },
          ...{ decision: "decided", ended: "ended", evidence: "settled", delivered: "told" },
        } as const;
        const found = new Map<string, number>();
        for (let id = 0; id <= 3; id++) {
          const events = await all((page) => history.ofId(idOf(id), page), limit);
          expect(events.map(({ at }) => at)).toEqual(events.map(({ at }) => at).sort((a, b) => b - a));
          for (const event of events) {
            const name = `${id} ${kinds[event.kind as keyof typeof kinds]}`;
            found.set(name, (found.get(name) ?? 0) + (event.kind === "repeats" ? event.count : 1));
          }
        }
        expect([...found].sort()).toEqual([...counts].sort());
      },
    ),
    { numRuns: 30 },
  );
});

test("the end of the process loses the last second, and no more", async () => {
  const storage = createMemoryStorage();
  const { history, pass } = await keepHistory(storage);
  history.accepted(MAIL, [to(1)]);
  await pass(1_000);
  history.repeated(idOf(1));
  await pass(999);
  storage.crash((_unsynced, _store, acknowledged) => acknowledged);
  const again = await keepHistory(storage);
  expect(await allOf(again.history, idOf(1))).toMatchObject([{ kind: "accepted" }]);
  expect(again.events()).toEqual([]);
});

test("an orderly end loses nothing", async () => {
  const storage = createMemoryStorage();
  const { history } = await keepHistory(storage);
  history.accepted(MAIL, [to(1)]);
  await history.close();
  expect(await allOf((await keepHistory(storage)).history, idOf(1))).toMatchObject([{ kind: "accepted" }]);
});

test("it is never synced: a loss of power takes what the disk has not written", async () => {
  const storage = createMemoryStorage();
  const { history, pass } = await keepHistory(storage);
  history.accepted(MAIL, [to(1)]);
  await pass(10_000);
  expect(storage.view(STORE)?.visible.size).toBeGreaterThan(1);
  expect(storage.view(STORE)?.durable.size).toBe(0);
});

test("what is older than the retention goes, in small steps, and what is younger stays", async () => {
  const storage = createMemoryStorage();
  const { history, clock, pass } = await keepHistory(storage, { retentionMs: HOUR });
  for (let number = 0; number < 4_000; number++) {
    history.accepted({ ...MAIL, task: `t${number}` }, [to(number)]);
    history.attempted(idOf(number), ATTEMPT);
    if (number % 1_000 === 0) await pass(1_000);
  }
  await pass(1_000);
  const size = () => storage.view(STORE)?.visible.size ?? 0;
  expect(size()).toBeGreaterThan(4_000);
  await pass(0.9 * HOUR);
  history.accepted({ ...MAIL, task: "young" }, [to(5_000)]);
  expect(await allOf(history, idOf(1))).toHaveLength(2);
  // Until the first step of a sweep: it takes a part.
  for (let before = size(); size() === before; ) {
    clock.advance(50);
    await settled();
  }
  expect(size()).toBeGreaterThan(1_000);
  await pass(0.2 * HOUR);
  expect(await allOf(history, idOf(1))).toEqual([]);
  expect(await allOf(history, idOf(5_000))).toHaveLength(1);
  // Its three records, its batch and the format.
  expect(size()).toBe(4);
});

test("a start removes what became too old meanwhile", async () => {
  const storage = createMemoryStorage();
  const clock = createManualClock();
  const first = await keepHistory(storage, { retentionMs: HOUR }, clock);
  first.history.accepted(MAIL, [to(1)]);
  await first.history.close();
  clock.advance(2 * HOUR);
  const { history, pass } = await keepHistory(storage, { retentionMs: HOUR }, clock);
  await pass(1_000);
  expect(await allOf(history, idOf(1))).toEqual([]);
  expect(storage.view(STORE)?.visible.size).toBe(1);
});

test("off: nothing is there, and what was there is removed", async () => {
  const storage = createMemoryStorage();
  const off = await keepHistory(storage, { retentionMs: 0 });
  off.history.accepted(MAIL, [to(1)]);
  expect(await allOf(off.history, idOf(1))).toEqual([]);
  await off.history.close();
  expect(await storage.list("history")).toEqual([]);
  const on = await keepHistory(storage);
  on.history.accepted(MAIL, [to(1)]);
  await on.history.close();
  expect(await storage.list("history")).toEqual(["events"]);
  await keepHistory(storage, { retentionMs: 0 });
  expect(await storage.list("history")).toEqual([]);
});

test("how many second mails were prevented is kept by month, over restarts and for longer than the mails", async () => {
  const storage = createMemoryStorage();
  const { history, clock, pass } = await keepHistory(storage);
  const since = clock.now();
  expect(history.prevented()).toEqual({ since, months: {} });
  for (let n = 0; n < 3; n++) history.repeated(idOf(1));
  await pass(1_000);
  clock.set(Date.parse("2014-01-31T23:59:00.000Z"));
  history.repeated(idOf(1));
  clock.set(Date.parse("2014-02-01T00:00:00.000Z"));
  history.repeated(idOf(1));
  const months = { "2013-12": 3, "2014-01": 1, "2014-02": 1 };
  expect(history.prevented()).toEqual({ since, months });
  await history.close();
  const again = await keepHistory(storage, {}, clock);
  expect(again.history.prevented()).toEqual({ since, months });
  again.history.repeated(idOf(1));
  await again.pass(100 * HOUR);
  await again.history.close();
  const third = await keepHistory(storage, {}, clock);
  expect(third.history.prevented()?.months["2014-02"]).toBe(2);
  await third.history.close();
  expect((await keepHistory(storage, { retentionMs: 0 }, clock)).history.prevented()).toBeUndefined();
});

test("what can't be read at the start is added to when it can", async () => {
  const storage = createMemoryStorage();
  const first = await keepHistory(storage);
  first.history.repeated(idOf(1));
  await first.history.close();
  storage.fail({ call: "openStore", name: /^history\// });
  const second = await keepHistory(storage, {}, first.clock);
  second.history.repeated(idOf(1));
  expect(second.history.prevented()).toBeUndefined();
  await second.pass(5_000);
  expect(second.history.prevented()?.months).toEqual({ "2013-12": 2 });
  await second.history.close();
});
