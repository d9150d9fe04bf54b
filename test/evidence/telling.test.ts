// What an upstream says of a mail's fate is in the history once: in whatever order it comes, however often, at once, and
// with the process killed in between.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Fate } from "../../src/evidence/fate.ts";
import { createTelling, type Said } from "../../src/evidence/telling.ts";
import type { History, HistoryEvent } from "../../src/history/history.ts";
import { createCounters } from "../../src/metrics/counters.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { allOf, HOUR, keepHistory, settled } from "../history/place.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";
import { idOf } from "../support/transmission.ts";

const PARTS = {
  ...{ counters: createCounters(), sourceOf: () => "ses", log: silentLog, addresses: true },
  late: new AbortController().signal,
};
const STORE = "history/events";
const ATTEMPT = { upstream: "ses", outcome: "accepted", upstreamId: "0100-0" } as const;
const DELIVERED: Fate = { kind: "delivered", reply: "250 ok" };
const BOUNCED: Fate = {
  ...{ kind: "bounced", bounceType: "Permanent", status: "5.1.1" },
  diagnostic: "smtp; 550 5.1.1 <person@example.net> unknown",
};
const FATES: readonly Fate[] = [
  ...[DELIVERED, BOUNCED, { kind: "sent" } as const, { kind: "other" } as const],
  { kind: "delayed", delayType: "MailboxFull" },
  { kind: "complained", feedbackType: "abuse" },
  { kind: "rejected", reason: "Bad content" },
];

const said = (fate: Fate, more: Partial<Said> = {}): Said => ({
  ...{ source: "ses", upstreamId: "0100-0", at: 5, fate, happenedAt: 7 },
  ...more,
});

async function open(storage = createMemoryStorage(), clock = createManualClock(), hasEvents = true) {
  const kept = await keepHistory(storage, { retentionMs: 1_000 * HOUR, hasEvents }, clock);
  return { ...kept, telling: createTelling({ ...PARTS, history: kept.history }) };
}

const toldOf = async (history: History, id: string): Promise<HistoryEvent[]> =>
  (await allOf(history, id)).filter((event) => "source" in event);

/** What may be there once. */
const nameOf = (id: string, kind: string, upstreamId?: string, happenedAt?: number): string =>
  [id, kind, upstreamId, happenedAt].join(" ");

test("each once: any events of any mails, in any order, again, at once, and with kills in between", async () => {
  const event = fc.record({
    id: fc.integer({ min: 0, max: 2 }).map(idOf),
    fate: fc.constantFrom(...FATES),
    upstreamId: fc.constantFrom("0100-0", "0100-1"),
    happenedAt: fc.integer({ min: 1, max: 2 }),
  });
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ what: fc.constant("receive" as const), at: fc.nat() }) },
    { weight: 1, arbitrary: fc.constant({ what: "kill" as const }) },
    { weight: 1, arbitrary: fc.constant({ what: "end" as const }) },
    { weight: 2, arbitrary: fc.constant({ what: "wait" as const }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 1, maxLength: 12 }),
      fc.array(step, { maxLength: 40 }),
      fc.boolean(),
      async (events, steps, hasEvents) => {
        const storage = createMemoryStorage();
        const clock = createManualClock();
        let one = await open(storage, clock, hasEvents);
        const at = clock.now();
        one.history.accepted({ submission: "s", client: "" }, [{ id: idOf(0), recipient: "" }]);
        one.history.attempted(idOf(0), ATTEMPT);
        await one.history.written(idOf(0));
        /** What the queue does not have any more. */
        const removed = new Set<number>();
        let pending: Promise<void>[] = [];
        let runs = 0;
        const receive = (number: number): Promise<void> => {
          const run = runs;
          const { id, fate, upstreamId, happenedAt } = events[number] as (typeof events)[number];
          return one.telling.tell(id, said(fate, { upstreamId, at, happenedAt }), false).then(() => {
            // One that was killed removes nothing.
            if (run === runs) removed.add(number);
          });
        };
        for (const next of steps) {
          if (next.what === "receive") pending.push(receive(next.at % events.length));
          if (next.what === "wait") await settled();
          if (next.what === "end") await Promise.all(pending);
          if (next.what === "end") await one.history.close();
          if (next.what === "kill") storage.crash((_unsynced, _store, acknowledged) => acknowledged);
          if (next.what !== "kill" && next.what !== "end") continue;
          runs++;
          pending = [];
          // No process starts in the millisecond in which another one has ended.
          clock.advance(1);
          one = await open(storage, clock, hasEvents);
        }
        await Promise.all(events.map((_, number) => (removed.has(number) ? undefined : receive(number))));
        // What was removed from the queue is in the store, and the end of the process does not change that.
        storage.crash((_unsynced, _store, acknowledged) => acknowledged);
        clock.advance(1);
        const { history } = await open(storage, clock);
        const expected = new Set<string>();
        for (const { id, fate, upstreamId, happenedAt } of events) {
          if (fate.kind === "sent" || fate.kind === "other") continue;
          expected.add(nameOf(id, fate.kind, upstreamId, happenedAt));
        }
        const found: string[] = [];
        const taken: string[] = [];
        for (const id of [0, 1, 2].map(idOf)) {
          for (const event of await toldOf(history, id)) {
            if (!("happenedAt" in event)) throw new Error("without its time");
            const { kind, upstreamId, happenedAt } = event;
            if (kind === "sent") taken.push(nameOf(id, kind, upstreamId));
            else found.push(nameOf(id, kind, upstreamId, happenedAt));
          }
        }
        expect(found.sort()).toEqual([...expected].sort());
        expect(new Set(taken).size).toBe(taken.length);
        // The other name of the mail that was attempted here is a second copy, and said once.
        const isOther = events.some(({ id, upstreamId }) => id === idOf(0) && upstreamId === "0100-1");
        const copies = (await allOf(history, idOf(0))).filter(({ kind }) => kind === "second_copy");
        expect(copies).toHaveLength(isOther ? 1 : 0);
        // Each name leads to its mail.
        for (const { id, upstreamId } of events) {
          const { items } = await history.ofUpstreamId(upstreamId, { limit: 100 });
          expect(items.map((mail) => mail.id)).toContain(id);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("a mail without trouble has its fate, and no second name", async () => {
  const { history, telling } = await open();
  history.attempted(idOf(1), ATTEMPT);
  await telling.tell(idOf(1), said({ kind: "sent" }), false);
  await telling.tell(idOf(1), said(DELIVERED), false);
  expect(await allOf(history, idOf(1))).toMatchObject([
    { ...DELIVERED, source: "ses", upstreamId: "0100-0", happenedAt: 7 },
    { kind: "attempt" },
  ]);
});

test("an event that tells nothing new writes nothing", async () => {
  const storage = createMemoryStorage();
  const { history, telling, pass } = await open(storage);
  history.attempted(idOf(1), ATTEMPT);
  await telling.tell(idOf(1), said({ kind: "sent" }), false);
  // It is in memory still, for its second.
  expect(storage.view(STORE)?.visible.size).toBe(1);
  await pass(1_000);
  await telling.tell(idOf(1), said(DELIVERED), false);
  const written = storage.view(STORE)?.visible.size;
  await telling.tell(idOf(1), said(DELIVERED), false);
  await telling.tell(idOf(1), said({ kind: "other" }), false);
  expect(storage.view(STORE)?.visible.size).toBe(written);
});

test("while the disk takes nothing, nobody waits for it; what was said is written later", async () => {
  const storage = createMemoryStorage();
  const { history, telling, pass, events } = await open(storage);
  storage.fail({ call: "write", name: STORE, times: 3 });
  await telling.tell(idOf(1), said(DELIVERED), false);
  await telling.tell(idOf(2), said(DELIVERED), false);
  expect(events()).toEqual(["history.unavailable"]);
  await pass(5_000);
  expect(events()).toEqual(["history.unavailable", "history.resumed"]);
  for (const id of [1, 2].map(idOf)) expect(await toldOf(history, id)).toHaveLength(2);
});

test("a store that can't be read keeps nothing in the queue", async () => {
  const storage = createMemoryStorage();
  storage.fail({ call: "openStore", name: STORE, times: Number.POSITIVE_INFINITY });
  const { history, telling } = await open(storage);
  await telling.tell(idOf(1), said(DELIVERED), false);
  storage.mend();
  expect(await toldOf(history, idOf(1))).toEqual([]);
});

test("without [log] addresses no text of others has one", async () => {
  const { history } = await keepHistory(createMemoryStorage(), { addresses: false });
  await createTelling({ ...PARTS, history }).tell(idOf(1), said(BOUNCED), false);
  expect(await toldOf(history, idOf(1))).toMatchObject([
    { kind: "bounced", diagnostic: "smtp; 550 5.1.1 <…> unknown" },
    { kind: "sent" },
  ]);
});

test("a fault in the history ends no process, is logged, and keeps nothing from those that come after it", async () => {
  const { history } = await keepHistory(createMemoryStorage());
  const lines: unknown[] = [];
  let faults = 2;
  const known: History["known"] = async (id) => {
    if (faults-- > 0) throw new TypeError("a fault");
    return await history.known(id);
  };
  const telling = createTelling({
    ...{ ...PARTS, history: { ...history, known } },
    log: { ...silentLog, error: (event, fields) => void lines.push([event, fields?.id]) },
  });
  telling.takenAgain({ id: idOf(1), upstreamId: "Y", facts: {} });
  await Promise.all([
    telling.tell(idOf(1), said(DELIVERED), false),
    telling.tell(idOf(1), said(BOUNCED), false),
    telling.done(),
  ]);
  expect(lines).toEqual([
    ["evidence.untold", idOf(1)],
    ["evidence.untold", idOf(1)],
  ]);
  expect(await toldOf(history, idOf(1))).toMatchObject([BOUNCED, { kind: "sent" }]);
});

test("a disk that hangs keeps no stop waiting once it is late", async () => {
  const { history } = await keepHistory(createMemoryStorage());
  const late = new AbortController();
  const hanging = { ...history, written: () => new Promise<void>(() => {}) };
  const telling = createTelling({ ...PARTS, history: hanging, late: late.signal });
  const ends: string[] = [];
  void telling.tell(idOf(1), said(DELIVERED), false).then(() => ends.push("tell"));
  void telling.done().then(() => ends.push("done"));
  await settled();
  expect(ends).toEqual([]);
  late.abort();
  await settled();
  expect(ends).toEqual(["tell", "done"]);
  await telling.tell(idOf(1), said(BOUNCED), false);
});
