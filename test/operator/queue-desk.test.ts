// The desk for the queue over a real spool: pages, names, counts, and who is meant by an order.
import { expect, test } from "vitest";
import type { Order } from "../../src/dispatch/order.ts";
import { createQueueDesk, type QueueParts } from "../../src/operator/queue/desk.ts";
import type { QueueFilter } from "../../src/operator/queue/filter.ts";
import type { QueueEntry } from "../../src/operator/queue/words.ts";
import { makeSubmissionId, type SpooledTransmission } from "../../src/spool/record.ts";
import { openSpool } from "../../src/spool/spool.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";
import { idOf } from "../support/transmission.ts";

const HEADER = Buffer.from("Subject: x\r\n\r\n");

/** Submissions of so many recipients each. Of every thousandth the domain is rare.example. */
async function open(submissions: number, recipients: number, find: QueueParts["find"] = () => undefined) {
  const spool = await openSpool(createMemoryStorage());
  /** How often the whole spool was looked through. */
  let scans = 0;
  const clock = createManualClock();
  let number = 0;
  const submissionIds: string[] = [];
  for (let at = 0; at < submissions; at++) {
    const id = makeSubmissionId(clock.now() + at, Buffer.alloc(4, at));
    submissionIds.push(id);
    const transmissions = Array.from({ length: recipients }, (): SpooledTransmission => {
      const own = idOf(++number);
      const domain = number % 1_000 === 0 ? "rare.example" : "usual.example";
      return {
        ...{
          id: own,
          messageId: `<own-${number}@mailer.example>`,
          recipient: `r${number}@${domain}`,
          size: 10,
        },
        ...{ sender: {}, digest: "00".repeat(16), acceptedAt: clock.now(), attempts: 0, dueAt: clock.now() },
      };
    });
    await spool.accept({
      submission: {
        ...{ id, acceptedAt: clock.now(), reversePath: "a@sender.example", task: `t${at}`, bodyIn: "record" },
        ...{ eightBit: false, headerSize: HEADER.length, bodySize: 0 },
        header: { slot: 12, setsMessageId: false, date: "", dateStart: 0, dateEnd: 0 },
      },
      header: HEADER,
      body: new Uint8Array(),
      transmissions,
    });
  }
  const given: string[] = [];
  const desk = createQueueDesk({
    ...{ clock, find, policy: "hold" },
    spool: {
      ...spool,
      list(after) {
        scans += 1;
        return spool.list(after);
      },
    },
    standingOf: ({ dueAt }) => ({ state: "due", dueAt }),
    isDoubtful: () => false,
    upstreamOf: () => "upstream",
    async give(key, id) {
      given.push(id);
      await spool.remove(key);
      return { ok: true, next: "removed" };
    },
  });
  return { desk, spool, given, submissionIds, scans: () => scans };
}

type Desk = Awaited<ReturnType<typeof open>>["desk"];

/** All pages. */
async function listed(desk: Desk, filter: QueueFilter, limit: number) {
  const items: QueueEntry[] = [];
  const sizes: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await desk.list(filter, { limit, cursor });
    items.push(...page.items);
    sizes.push(page.items.length);
    cursor = page.next;
  } while (cursor !== undefined);
  return { items, sizes };
}

const remove: Order = { kind: "remove" };

test("pages have each mail once, and look at a bounded part of a long queue", async () => {
  const { desk } = await open(25, 1_000);
  const { items, sizes } = await listed(desk, { domain: "rare.example" }, 1_000);
  expect(new Set(items.map(({ id }) => id)).size).toBe(25);
  expect(items).toHaveLength(25);
  expect(sizes).toEqual([20, 5]);
  expect(await desk.counts({ domain: "rare.example" })).toEqual({
    total: 25,
    groups: [{ upstream: "upstream", state: "due", count: 25 }],
  });
  const all = await listed(desk, {}, 3_000);
  expect(new Set(all.items.map(({ id }) => id)).size).toBe(25_000);
  expect(all.sizes.slice(0, -1).every((size) => size === 3_000)).toBe(true);
});

test("a page that is full and the last has no next", async () => {
  const { desk } = await open(1, 4);
  expect((await listed(desk, {}, 2)).sizes).toEqual([2, 2]);
  expect((await listed(desk, {}, 4)).sizes).toEqual([4]);
});

test("a glance looks at so many records, and says whether that is all", async () => {
  const { desk } = await open(2, 1_000);
  const first = await desk.lastReplies({ domain: "rare.example" }, { limit: 1_500 });
  expect(first.items).toHaveLength(1);
  const rest = await desk.lastReplies({ domain: "rare.example" }, { limit: 1_500, cursor: first.next });
  expect(rest).toEqual({ items: [{ id: expect.any(String), state: "due" }] });
  expect(rest.items).not.toEqual(first.items);
});

test("orders about all go page by page, though each takes its mails out", async () => {
  const { desk, given } = await open(3, 10);
  let cursor: string | undefined;
  let pages = 0;
  do {
    const page = await desk.order(remove, { filter: {} }, { all: true, limit: 7, cursor });
    if (page.kind === "many") throw new Error("all are meant");
    expect(page.items.every(({ ok }) => ok)).toBe(true);
    cursor = page.next;
    pages += 1;
  } while (cursor !== undefined);
  expect(new Set(given).size).toBe(30);
  expect(pages).toBe(5);
  expect((await listed(desk, {}, 10)).items).toEqual([]);
});

test("without all, one mail is meant at the most, and nothing is done about more", async () => {
  const { desk, given, submissionIds } = await open(2, 3);
  const order = (filter: QueueFilter) => desk.order(remove, { filter }, { all: false, limit: 10 });
  expect(await order({})).toEqual({ kind: "many", count: 6 });
  expect(await order({ task: "t1" })).toEqual({ kind: "many", count: 3 });
  const [submission = ""] = submissionIds;
  const named = await desk.order(remove, { names: [submission] }, { all: false, limit: 10 });
  expect(named).toEqual({ kind: "many", count: 3 });
  expect(given).toEqual([]);
  expect(await order({ to: "r2@usual.example" })).toMatchObject({ kind: "given", items: [{ ok: true }] });
  expect(given).toEqual([idOf(2)]);
});

test("a mail is found by each of its names, and a name that none has is said", async () => {
  const { desk, submissionIds } = await open(1, 1);
  const [submission = ""] = submissionIds;
  for (const name of [
    idOf(1),
    `<${idOf(1)}@x.example>`,
    "<own-1@mailer.example>",
    "own-1@mailer.example",
    submission,
  ]) {
    expect(await desk.show(name)).toMatchObject([{ id: idOf(1), task: "t0" }]);
  }
  expect(await desk.show("own-2@mailer.example")).toEqual([]);
  const names = [idOf(1), "<own-1@mailer.example>", "nobody"];
  const page = await desk.order(remove, { names }, { all: false, limit: 10 });
  expect(page).toMatchObject({
    items: [
      { ok: true, name: idOf(1) },
      { ok: false, why: "absent", name: "nobody" },
    ],
  });
});

test("what is known to have left is not looked for, and is answered", async () => {
  const { desk, submissionIds, scans } = await open(1, 3, (id) =>
    id === idOf(1) ? { submission: submissionIds[0] ?? "", index: 0 } : "absent",
  );
  const names = [idOf(1), ...Array.from({ length: 199 }, (_, n) => idOf(100 + n))];
  const page = await desk.order({ kind: "hold" }, { names }, { all: true, limit: 200 });
  const items = page.kind === "given" ? page.items : [];
  expect(items.map(({ ok }) => ok)).toEqual([true, ...Array(199).fill(false)]);
  expect(items.at(-1)).toEqual({ ok: false, why: "absent", name: idOf(298) });
  expect(scans()).toBe(0);
});

test("a Message-ID of a mailer that begins as an id does is found as it is written", async () => {
  const own = `<${idOf(9)}@mailer.example>`;
  const { desk, spool } = await open(1, 1, () => "absent");
  for await (const [key, transmission] of spool.list()) {
    await spool.update(key, { ...transmission, messageId: own }, "durably");
  }
  for (const name of [own, own.slice(1, -1)]) expect(await desk.show(name)).toMatchObject([{ id: idOf(1) }]);
  expect(await desk.show(idOf(9))).toEqual([]);
});

test.each(["", "x", "a.1", `${"a".repeat(16)}.`, `${"a".repeat(16)}.1234567`])(
  "no cursor: %s",
  async (cursor) => {
    const { desk } = await open(1, 1);
    await expect(desk.list({}, { limit: 1, cursor })).rejects.toThrow(RangeError);
  },
);
