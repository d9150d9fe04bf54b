// The page of a mail and the page of what is in doubt: what each says, what can be done there, and by whom.
import { describe, expect, test } from "vitest";
import { NOTHING_KNOWN } from "../../src/operator/explain/answer.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import type { Reply } from "../support/http-place.ts";
import { closed, HOSTILE, openGatewayPages, textOf } from "../support/pages-place.ts";

const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const LATER: Outcome = { kind: "later", reply: "450 4.2.1 greylisted" };
const ACCEPTED: Outcome = { kind: "accepted", upstreamId: "named-1" };
const A = "person@example.net";

const open = async (settings?: Readonly<Record<string, string>>) => closed(await openGatewayPages(settings));

/** With one mail whose first attempt was answered so. */
async function openWith(outcome?: Outcome, settings?: Readonly<Record<string, string>>) {
  const place = await open(settings);
  const [id = ""] = await place.submit([A], outcome);
  return { ...place, id, at: `/mails/${id}` };
}

/** What the forms of a page do, in their order. */
const actions = ({ body }: Reply): string[] =>
  [...body.matchAll(/<form method="post" action="\/mails\/[^/"]+\/([^"]+)"/g)].map(([, name = ""]) => name);

const goesTo = ({ status, headers }: Reply): readonly unknown[] => [status, headers.location];

describe("a mail in doubt", () => {
  test("names who gave no answer, and what each decision does", async () => {
    const { pages, at } = await openWith(DOUBTFUL);
    const page = await pages.operate(at);
    expect(page.status).toBe(200);
    expect(page.body).toContain('<main id="content" tabindex="-1" data-live="5">');
    const text = textOf(page);
    expect(text).toMatch(/Held: held gave no answer at 20\S+Z\. It may have this mail\./);
    expect(text).toContain("held has it It counts as relayed, and is never sent again.");
    expect(text).toContain("held does not have it: send It is sent now. Its reader gets a second copy");
    expect(text).toContain("● accepted (done) ● attempt 1 (done) ◐ doubtful (in doubt) ○ relayed (not yet)");
    expect(text).toContain("attempt by held: no answer, so it may have the mail : the connection was lost");
    expect(actions(page)).toEqual(["relayed", "not-relayed", "remove"]);
  });

  test("relayed: it is never sent again, and the same form says so again", async () => {
    const { gateway, pages, id, at } = await openWith(DOUBTFUL);
    expect(goesTo(await pages.send(`${at}/relayed`))).toEqual([303, `${at}?done=relayed`]);
    const page = textOf(await pages.operate(`${at}?done=relayed`));
    expect(page).toContain("It counts as relayed now.");
    expect(page).toMatch(/Counts as relayed since 20\S+Z: an operator decided so/);
    expect(page).toContain("● doubtful (done) ● relayed (done)");
    const again = await pages.send(`${at}/relayed`);
    expect(again.status).toBe(409);
    expect(textOf(again)).toContain(
      `Nothing was changed: ${id} is not doubtful: there is nothing to decide.`,
    );
    expect(textOf(again)).toContain("Counts as relayed since");
    expect(again.body).not.toContain("data-live");
    expect(gateway.lines.filter(({ event }) => event === "operator.resolved")).toMatchObject([
      { id, decision: "relayed", by: "ope" },
    ]);
    expect(gateway.calls).toHaveLength(1);
  });

  test("not relayed: it is sent at once", async () => {
    const { gateway, pages, at } = await openWith(DOUBTFUL);
    expect(goesTo(await pages.send(`${at}/not-relayed`))).toEqual([303, `${at}?done=queued`]);
    expect(gateway.calls).toHaveLength(2);
    const underway = await pages.operate(at);
    expect(textOf(underway)).toContain("◌ attempt 2 (now) ○ relayed (not yet)");
    expect(actions(underway)).toEqual([]);
    expect((await pages.send(`${at}/not-relayed`)).status).toBe(409);
    await gateway.call(A).answer(ACCEPTED);
    expect(textOf(await pages.operate(at))).toContain("Relayed once, at");
  });

  test("in no queue: its task may submit it again", async () => {
    const { pages, at } = await openWith(DOUBTFUL);
    expect(goesTo(await pages.send(`${at}/remove`, { yes: "yes" }))).toEqual([303, `${at}?done=removed`]);
    const page = await pages.operate(at);
    expect(textOf(page)).toContain("held does not have it: its task may send it");
    expect(actions(page)).toEqual(["relayed", "not-relayed"]);
    expect(goesTo(await pages.send(`${at}/not-relayed`))).toEqual([303, `${at}?done=undone`]);
    expect((await pages.send(`${at}/not-relayed`)).status).toBe(409);
  });
});

describe("a mail that waits", () => {
  test("is due at once, held and released, each by its form", async () => {
    const { gateway, pages, at } = await openWith(LATER);
    const page = await pages.operate(at);
    expect(textOf(page)).toMatch(
      /Waiting: next attempt at 20\S+Z; last reply of held: 450 4\.2\.1 greylisted\./,
    );
    expect(actions(page)).toEqual(["retry", "hold", "bounce", "remove"]);

    expect(goesTo(await pages.send(`${at}/retry`))).toEqual([303, `${at}?done=due`]);
    expect(gateway.calls).toHaveLength(2);
    const busy = await pages.send(`${at}/hold`);
    expect(busy.status).toBe(409);
    expect(textOf(busy)).toContain("is being attempted, try again.");
    expect(textOf(busy)).toContain("Being attempted now, for the second time.");
    await gateway.call(A).answer(LATER);

    expect(goesTo(await pages.send(`${at}/hold`))).toEqual([303, `${at}?done=held`]);
    expect(goesTo(await pages.send(`${at}/hold`))).toEqual([303, `${at}?done=already-held`]);
    const held = await pages.operate(`${at}?done=already-held`);
    expect(textOf(held)).toContain("It was held before: nothing was changed.");
    expect(textOf(held)).toContain("Held by an operator");
    expect(actions(held)).toEqual(["release", "bounce", "remove"]);
    expect(textOf(await pages.send(`${at}/retry`))).toContain("is held by an operator: release it first");

    expect(goesTo(await pages.send(`${at}/release`))).toEqual([303, `${at}?done=due`]);
    expect(gateway.calls).toHaveLength(3);
    await gateway.call(A).answer(ACCEPTED);
    expect((await pages.send(`${at}/release`)).status).toBe(409);
    expect(gateway.events("operator.retried", "operator.held", "operator.released")).toHaveLength(3);
  });

  test("is bounced with a reason only", async () => {
    const { gateway, pages, at } = await openWith(LATER);
    expect((await pages.send(`${at}/bounce`)).status).toBe(400);
    expect((await pages.send(`${at}/bounce`, { reason: "two\nlines" })).status).toBe(400);
    expect(gateway.events("operator.bounced")).toEqual([]);
    const reason = `gone ${HOSTILE}`;
    expect(goesTo(await pages.send(`${at}/bounce`, { reason }))).toEqual([303, `${at}?done=ended`]);
    const page = await pages.operate(at);
    expect(textOf(page)).toContain(`an operator decided: bounced : ${reason}`);
    expect(page.body).not.toContain("<img");
    expect((await pages.send(`${at}/bounce`, { reason })).status).toBe(409);
    expect(gateway.events("operator.bounced")).toHaveLength(1);
  });

  test("is removed when that is meant only, and then says what was done", async () => {
    const { gateway, pages, at } = await openWith(LATER);
    const unsure = await pages.send(`${at}/remove`);
    expect([unsure.status, textOf(unsure)]).toEqual([400, expect.stringContaining("tick that you are sure")]);
    expect(goesTo(await pages.send(`${at}/remove`, { yes: "yes" }))).toEqual([303, `${at}?done=removed`]);
    expect(textOf(await pages.operate(at))).toMatch(/An operator decided at 20\S+Z: removed\./);
    const again = await pages.send(`${at}/remove`, { yes: "yes" });
    expect([again.status, textOf(again)]).toEqual([409, expect.stringContaining("is not in the queue")]);
    expect(gateway.events("operator.removed")).toHaveLength(1);
  });

  test("without a history, what was removed is not known any more", async () => {
    const { pages, at } = await openWith(LATER, { MAILONCE_HISTORY_RETENTION: "0" });
    expect(textOf(await pages.operate(at))).toContain("● accepted (done) ● attempt 1 (done) ○ relayed");
    expect(textOf(await pages.operate(at))).toContain("The history has nothing of it");
    await pages.send(`${at}/remove`, { yes: "yes" });
    const page = await pages.operate(`${at}?done=removed`);
    expect(page.status).toBe(404);
    expect(textOf(page)).toContain(`It is out of the queue. ${NOTHING_KNOWN}`);
  });
});

test("in doubt and sent again soon: the decisions, and no retry beside them", async () => {
  const { pages, at } = await openWith(DOUBTFUL, { MAILONCE_LEDGER_DOUBTFUL: "resend" });
  const page = await pages.operate(at);
  expect(textOf(page)).toContain("Waiting to be sent again with the same Message-ID");
  expect(actions(page)).toEqual(["relayed", "not-relayed", "hold", "remove"]);
  for (const order of ["retry", "bounce"]) {
    const refused = await pages.send(`${at}/${order}`, { reason: "why" });
    expect(refused.status).toBe(409);
    expect(textOf(refused)).toContain("is in doubt: decide first whether its upstream has it");
    expect(refused.body).not.toMatch(/mailonce doubtful|--resend/);
  }
});

test("a relayed mail is forgotten with a reason, when that is meant", async () => {
  const { gateway, pages, id, at } = await openWith(ACCEPTED);
  const page = await pages.operate(at);
  expect(textOf(page)).toMatch(/Relayed once, at 20\S+Z by held; no repeats so far\./);
  expect(textOf(page)).toContain("The next mail with this id is relayed once more");
  expect(textOf(page)).toContain("accepted , as named-1");
  expect(actions(page)).toEqual(["forget"]);
  expect((await pages.send(`${at}/forget`, { yes: "yes" })).status).toBe(400);
  expect((await pages.send(`${at}/forget`, { reason: "a wrong list" })).status).toBe(400);
  const sure = { yes: "yes", reason: "a wrong list" };
  expect(goesTo(await pages.send(`${at}/forget`, sure))).toEqual([303, `${at}?done=forgotten`]);
  const forgotten = textOf(await pages.operate(at));
  expect(forgotten).toMatch(/Relayed at 20\S+Z, and forgotten by an operator/);
  expect(forgotten).toContain("● relayed (done) ● forgotten (done)");
  expect(goesTo(await pages.send(`${at}/forget`, sure))).toEqual([303, `${at}?done=already-forgotten`]);
  expect(gateway.lines.find(({ event }) => event === "operator.forgotten")).toMatchObject({
    ...{ id, reason: "a wrong list", by: "ope" },
  });
  await gateway.submit([A]);
  expect(gateway.calls).toHaveLength(2);
  const busy = await pages.send(`${at}/forget`, sure);
  expect([busy.status, textOf(busy)]).toEqual([409, expect.stringContaining("is still in the queue")]);
});

describe("who sees what of a mail", () => {
  test("a visitor: states and masked addresses, nothing to press", async () => {
    const { pages, at } = await openWith(DOUBTFUL);
    const page = await pages.visit(`${at}?done=relayed`);
    expect(page.status).toBe(200);
    expect(textOf(page)).toMatch(/Held: the upstream gave no answer at 20\S+Z/);
    expect(textOf(page)).toContain("to p…@example.net");
    expect(page.body).not.toMatch(
      /person|connection was lost|127\.0\.0\.1|sender@|>task<|method="post"|now\./,
    );
    expect(page.body).not.toContain(`${at}/header`);
    for (const order of ["relayed", "hold"]) {
      expect(goesTo(await pages.send(`${at}/${order}`, {}, "visitor"))).toEqual([303, "/login"]);
    }
    expect(goesTo(await pages.visit(`${at}/header`))).toEqual([303, "/login"]);
    expect(textOf(await pages.visit(at))).toContain("◐ doubtful (in doubt)");
  });

  test("a reader: all of it, nothing to press", async () => {
    const { pages, at } = await openWith(DOUBTFUL);
    const page = await pages.read(at);
    expect(textOf(page)).toContain(`to ${A}`);
    expect(textOf(page)).toContain("task task");
    expect(textOf(page)).toContain("client 127.0.0.1");
    expect(actions(page)).toEqual([]);
    expect((await pages.send(`${at}/relayed`, {}, "read")).status).toBe(403);
    const header = await pages.read(`${at}/header`);
    expect(header.body).toMatch(/<pre>[^<]*From: &lt;a@example\.org&gt;/);
    expect(header.body).toMatch(/Message-ID: &lt;[a-z2-7]{32}@/i);
  });
});

test("a mail by its Message-ID; one that is not known; what is no id", async () => {
  const { gateway, pages, id } = await openWith(ACCEPTED);
  const { messageId } = gateway.call(A).transmission;
  for (const name of [messageId, messageId.slice(1, -1)]) {
    expect(textOf(await pages.operate(`/mails/${encodeURIComponent(name)}`))).toContain("Relayed once");
  }
  const unknown = await pages.operate(`/mails/${"a".repeat(32)}`);
  expect([unknown.status, textOf(unknown)]).toEqual([404, expect.stringContaining(NOTHING_KNOWN)]);
  for (const path of ["/mails/nothing", `/mails/${encodeURIComponent(HOSTILE)}`, "/mails/%ff"]) {
    const none = await pages.operate(path);
    expect([none.status, textOf(none)]).toEqual([400, expect.stringContaining("this is no id")]);
    expect(none.body).not.toContain("<img");
  }
  expect((await pages.operate(`/mails/${id}/header`)).status).toBe(404);
  expect((await pages.send("/mails/nothing/hold")).status).toBe(400);
});

test("a decision that the ledger can't write is not made, and is made again", async () => {
  const { pages, gateway, at } = await openWith(DOUBTFUL);
  gateway.storage.fail({ call: "commit", name: /^ledger/ });
  const failed = await pages.send(`${at}/relayed`);
  expect(failed.status).toBe(503);
  expect(textOf(failed)).toContain("was made to fail. Do it again.");
  expect(actions(failed)).toContain("relayed");
  expect(goesTo(await pages.send(`${at}/relayed`))).toEqual([303, `${at}?done=relayed`]);
});
