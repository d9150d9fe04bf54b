// The page of what is in doubt: what doubt is, which mails are, and decisions about one, about those ticked, and by age.
import { expect, test } from "vitest";
import type { Id } from "../../src/identity/message-id.ts";
import type { DoubtfulDesk, DoubtfulEntry, DoubtfulGlance } from "../../src/operator/doubtful.ts";
import { oldestOf } from "../../src/operator/doubts-page.ts";
import { StorageError } from "../../src/storage/storage.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { NO_PARTS, type Reply } from "../support/http-place.ts";
import { closed, HOSTILE, openGatewayPages, openPages, textOf } from "../support/pages-place.ts";
import { idOf } from "../support/transmission.ts";

const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const AT = "/doubtful";

const TO = ["ann@example.net", "bob@example.net", "eve@example.net"] as const;

/** With three mails in doubt. */
async function open() {
  const place = closed(await openGatewayPages());
  const ids = await place.submit(TO, DOUBTFUL);
  return { ...place, ids: ids as [string, string, string] };
}

/** With a desk that says so. */
const openDesk = async (desk: Partial<DoubtfulDesk & DoubtfulGlance>) =>
  closed(await openPages({ doubtful: { ...NO_PARTS.doubtful, ...desk } }));

const entry = (n: number, more: Partial<DoubtfulEntry> = {}): DoubtfulEntry => ({
  id: `${n}`.replaceAll(/[0189]/g, "a").padStart(32, "a") as Id,
  ...{ standing: "held", since: new Date(Date.UTC(2013, 11, 1, 0, 0, n)).toISOString() },
  ...more,
});

/** Of a ledger that has them. */
const oldestAmong =
  (entries: readonly DoubtfulEntry[]): DoubtfulGlance["oldest"] =>
  async ({ until = Number.POSITIVE_INFINITY, isOurs, ...page }) =>
    oldestOf(
      entries.map((one) => ({ ...one, changedAt: Date.parse(one.since) })),
      page,
      ({ changedAt, standing }) => changedAt <= until && (isOurs !== true || standing !== "elsewhere"),
    );

const ticks = ({ body }: Reply): number => body.split('type="checkbox"').length - 1;
const goesTo = ({ status, headers }: Reply): readonly unknown[] => [status, headers.location];

test("says what doubt is, and of each mail since when, who gave no answer, and what can be decided", async () => {
  const { pages, ids } = await open();
  const page = await pages.operate(AT);
  const text = textOf(page);
  expect(text).toContain("A mail is in doubt when its upstream gave no answer");
  for (const [at, to] of TO.entries()) {
    expect(page.body).toContain(`<a href="/mails/${ids[at]}" id="mail-${ids[at]}">${to}</a>`);
    expect(text).toContain(`${to} 0 s held held until somebody decides The upstream has it`);
  }
  expect(ticks(page)).toBe(3);
  expect(page.body).toContain("data-live");
});

test("one mail is decided by its row, and the same form says again that it is", async () => {
  const { pages, gateway, ids } = await open();
  const form = { id: ids[0], decision: "relayed" };
  expect(goesTo(await pages.send(AT, form))).toEqual([303, `${AT}?done=relayed&count=1&refused=0&left=0`]);
  const page = textOf(await pages.operate(`${AT}?done=relayed&count=1&refused=0&left=0`));
  expect(page).toContain("1 mail counts as relayed.");
  expect(page).not.toContain(TO[0]);
  const again = await pages.send(AT, form);
  expect(again.status).toBe(409);
  expect(textOf(again)).toContain(`${ids[0]} is not doubtful: there is nothing to decide.`);
  expect(goesTo(await pages.send(AT, { id: ids[1], decision: "not-relayed" }))[0]).toBe(303);
  expect(gateway.calls.map(({ transmission }) => transmission.recipient)).toEqual([...TO, TO[1]]);
  expect(gateway.lines.filter(({ event }) => event === "operator.resolved")).toMatchObject([
    { id: ids[0], decision: "relayed", by: "ope" },
    { id: ids[1], decision: "not-relayed", by: "ope" },
  ]);
});

test("those ticked are decided at once, with a reason, each of them once", async () => {
  const { pages, gateway, ids } = await open();
  await pages.send(AT, { id: ids[0], decision: "relayed" });
  const ticked = {
    which: "ticked",
    id: [...ids, ids[1]],
    decision: "relayed",
    reason: "asked them",
    older: "",
  };
  expect(goesTo(await pages.send(AT, ticked))).toEqual([303, `${AT}?done=relayed&count=2&refused=1&left=0`]);
  const page = await pages.operate(`${AT}?done=relayed&count=2&refused=1&left=0`);
  expect(textOf(page)).toContain("2 mails count as relayed. 1 could not be decided:");
  expect(textOf(page)).toContain("No mail is in doubt.");
  expect(ticks(page)).toBe(0);
  const said = gateway.lines.filter(({ reason }) => reason === "asked them");
  expect(said.map(({ id }) => id)).toEqual([ids[1], ids[2]]);
});

test("all that are older than so long are decided, and no younger one", async () => {
  const { pages, gateway, ids } = await open();
  const older = (text: string) => pages.send(AT, { which: "older", older: text, decision: "not-relayed" });
  // The gateway's clock and that of its pages began together.
  pages.http.clock.advance(3_600_000);
  expect(goesTo(await older("2h"))).toEqual([303, `${AT}?done=not-relayed&count=0&refused=0&left=0`]);
  expect(gateway.calls).toHaveLength(3);
  expect(goesTo(await older("30m"))).toEqual([303, `${AT}?done=not-relayed&count=3&refused=0&left=0`]);
  expect(gateway.calls).toHaveLength(6);
  expect(textOf(await pages.operate(AT))).toContain("No mail is in doubt.");
  expect((await pages.send(AT, { id: ids[0], decision: "not-relayed" })).status).toBe(409);
});

test("200 are decided at once and shown at once, the oldest first; the rest is counted", async () => {
  const decided: string[] = [];
  const all = Array.from({ length: 230 }, (_, n) => entry(n, { id: idOf(n) }));
  const pages = await openDesk({
    oldest: oldestAmong([entry(1_000, { id: idOf(999), standing: "elsewhere" }), ...all.toReversed()]),
    async resolve(id) {
      decided.push(id);
      return { ok: true, id: id as Id, next: "relayed" };
    },
  });
  const page = await pages.operate(AT);
  expect(ticks(page)).toBe(200);
  expect(textOf(page)).toContain("200 of 231, the oldest first.");
  const [, next = ""] = /<a rel="next" href="([^"]*)">Next 200</.exec(page.body) ?? [];
  const second = await pages.operate(next);
  expect([ticks(second), second.body.includes('rel="next"')]).toEqual([30, false]);
  expect(textOf(second)).toContain("31 of 231, the oldest first.");
  for (const [at, { id }] of all.entries()) {
    expect([page, second].map(({ body }) => body.includes(id))).toEqual([at < 200, at >= 200]);
  }
  expect((await pages.operate(`${AT}?cursor=1`)).status).toBe(400);
  const answered = await pages.send(AT, { which: "older", older: "1s", decision: "relayed" });
  expect(goesTo(answered)).toEqual([303, `${AT}?done=relayed&count=200&refused=0&left=30`]);
  expect(decided).toEqual(all.slice(0, 200).map(({ id }) => id));
  const done = textOf(await pages.operate(`${AT}?done=relayed&count=200&refused=0&left=30`));
  expect(done).toContain("200 mails count as relayed. 30 are left: decide again.");
  const many = {
    which: "ticked",
    id: Array.from({ length: 201 }, () => "a".repeat(32)),
    decision: "relayed",
  };
  const tooMany = await pages.send(AT, many);
  expect([tooMany.status, textOf(tooMany)]).toEqual([400, expect.stringContaining("at most 200 at once")]);
});

test("a form without a decision, a mail or an age is refused", async () => {
  const { pages, gateway, ids } = await open();
  for (const [fields, says] of [
    [{ id: ids[0] }, "decision"],
    [{ decision: "relayed" }, "tick the mails"],
    [{ which: "older", decision: "relayed" }, "say for how long"],
    [{ which: "older", older: "soon", decision: "relayed" }, "expected a duration"],
    [{ which: "all", decision: "relayed" }, "which"],
    [{ id: ids[0], decision: "relayed", reason: "two\nlines" }, "one line of text"],
    [{ id: ids[0], decision: "relayed", more: "1" }, "more"],
  ] as const) {
    const answer = await pages.send(AT, fields);
    expect([answer.status, textOf(answer)]).toEqual([400, expect.stringContaining(says)]);
  }
  expect(gateway.events("operator.resolved")).toEqual([]);
});

test("a visitor sees masked addresses and a reader whole ones; neither can decide", async () => {
  const { pages, ids } = await open();
  const seen = await pages.visit(AT);
  expect(textOf(seen)).toContain("a…@example.net 0 s – held until somebody decides");
  expect(seen.body).not.toMatch(/ann@|method="post"|type="checkbox"|>held</);
  const read = await pages.read(`${AT}?done=relayed&count=3`);
  expect(read.body).toContain(TO[0]);
  expect(read.body).not.toMatch(/action="\/doubtful"|type="checkbox"|role="status"/);
  const form = { id: ids[0], decision: "relayed" };
  expect((await pages.send(AT, form, "read")).status).toBe(403);
  expect(goesTo(await pages.send(AT, form, "visitor"))).toEqual([303, "/login"]);
  expect(textOf(await pages.operate(AT))).toContain(TO[0]);
});

test("each standing is in words, and what another gateway has is decided there", async () => {
  const pages = await openDesk({
    oldest: oldestAmong([
      entry(2, { recipient: "two@example.net", standing: "retrying" }),
      entry(3, { standing: "elsewhere" }),
      entry(4, { standing: "remembered" }),
    ]),
  });
  const page = await pages.operate(AT);
  const text = textOf(page);
  expect(text).toContain(
    "sent again soon, with the same Message-ID The upstream has it The upstream does not have it: send",
  );
  expect(text).toContain("another gateway has it at that gateway");
  expect(text).toContain(
    "in no queue; the doubt is remembered The upstream has it The upstream does not have it: its task may send it",
  );
  expect(ticks(page)).toBe(2);
});

test("nothing is in doubt", async () => {
  const pages = await openDesk({});
  const page = await pages.operate(AT);
  expect(textOf(page)).toContain("No mail is in doubt.");
  expect(page.body).not.toMatch(/<table|action="\/doubtful"/);
});

test("a ledger that does not answer is named to those who may know where it is", async () => {
  const fails = async () => {
    throw new StorageError("unavailable", `no way to ${HOSTILE}`);
  };
  const pages = await openDesk({ oldest: fails, resolve: fails });
  const read = await pages.read(AT);
  expect([read.status, textOf(read)]).toEqual([
    503,
    expect.stringContaining(`does not answer: no way to ${HOSTILE}`),
  ]);
  expect(read.body).not.toContain("<img");
  const seen = await pages.visit(AT);
  expect([seen.status, textOf(seen)]).toEqual([503, expect.stringContaining("the ledger does not answer.")]);
  expect(textOf(seen)).not.toContain("no way");
  const one = await pages.send(AT, { id: "a".repeat(32), decision: "relayed" });
  expect([one.status, textOf(one)]).toEqual([
    409,
    expect.stringContaining("can't be decided now: no way to"),
  ]);
  expect(one.body).not.toContain("<img");
  const byAge = await pages.send(AT, { which: "older", older: "1h", decision: "relayed" });
  expect([byAge.status, textOf(byAge)]).toEqual([503, expect.stringContaining("Nothing was decided")]);
});

test("markup of strangers runs nowhere", async () => {
  const hostile = { messageId: HOSTILE, recipient: HOSTILE, lastUpstream: HOSTILE } as const;
  const pages = await openDesk({
    oldest: oldestAmong([entry(2, hostile)]),
    resolve: async () => ({ ok: false, fault: HOSTILE }),
  });
  const answers = [
    await pages.operate(AT),
    await pages.operate(`${AT}?done=${encodeURIComponent(HOSTILE)}&count=1`),
    await pages.operate(`${AT}?done=relayed&count=${encodeURIComponent(HOSTILE)}`),
    await pages.send(AT, { id: HOSTILE, decision: "relayed" }),
    await pages.send(AT, { id: "x", decision: HOSTILE }),
    await pages.send(AT, { id: "x", decision: "relayed", [HOSTILE]: "1" }),
  ];
  for (const { body } of answers) expect(body).not.toMatch(/<img|<script>|onerror=alert\(1\)>/);
  expect(textOf(answers[0] as Reply)).toContain(HOSTILE);
});
