// A mail in doubt that waits for evidence: its lists, its page and explain say until when, what happens then, and what it
// risks to decide before.
import { describe, expect, test } from "vitest";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { orderOne } from "../support/held-gateway.ts";
import { closed, openGatewayPages, textOf } from "../support/pages-place.ts";

const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const TO = "ann@example.net";
const WAIT_MS = 300_000;
const RISK = "A decision that it was not relayed, before the events came, may make the second copy.";
const TOO_EARLY = "Before SES's events have come, this may make the second copy.";

/** One mail in doubt, which waits. */
async function open(policy: string) {
  const place = closed(await openGatewayPages({ MAILONCE_LEDGER_DOUBTFUL: policy }, WAIT_MS));
  const until = new Date(place.gateway.time.now() + WAIT_MS).toISOString();
  const [id = ""] = await place.submit([TO], DOUBTFUL);
  const { relay } = place.gateway;
  const answer = async () => (await relay.explain.explain(id))?.answer;
  return { ...place, id, until, relay, answer };
}

const THEN = {
  resend: "it is sent again, with the same Message-ID",
  hold: "it is held until somebody decides, and SES's events still settle it",
  drop: "it counts as relayed",
} as const;

describe.each(["resend", "hold", "drop"] as const)("policy %s", (policy) => {
  test("lists, explain and pages say until when, and what happens then", async () => {
    const { pages, id, until, relay, answer } = await open(policy);
    const wait = { listensUntil: until, policy };
    expect(await relay.doubtful.list()).toMatchObject([{ id, standing: "held", ...wait }]);
    const { items } = await relay.queue.list({}, { limit: 10 });
    expect(items).toMatchObject([{ id, state: "held", hold: "doubt", ...wait }]);
    expect(await relay.queue.show(id)).toMatchObject([wait]);
    const said = `waits for SES's events until ${until.slice(0, 19)}Z; then ${THEN[policy]}.`;
    expect(await answer()).toMatch(/^Held: held gave no answer at \S+\. It may have this mail\. It waits/);
    expect(await answer()).toContain(said);
    expect(textOf(await pages.operate(`/mails/${id}`))).toContain(said);
    const doubtful = textOf(await pages.operate("/doubtful"));
    const moment = `${until.slice(0, 10)} ${until.slice(11, 19)} UTC`;
    expect(doubtful).toContain(`waits for SES's events until ${moment} ; then ${THEN[policy]}`);
    expect(doubtful).not.toContain("held until somebody decides The upstream");
    expect(textOf(await pages.operate("/queue"))).toContain(
      "held in doubt; SES's events may come, policy acts in 5 min",
    );
  });
});

test("deciding before is possible, and says what it risks", async () => {
  const { pages, gateway, id } = await open("hold");
  expect(textOf(await pages.operate("/doubtful"))).toContain(RISK);
  const mail = textOf(await pages.operate(`/mails/${id}`));
  expect(mail).toContain(`held does not have it: send It is sent now. ${TOO_EARLY}`);
  expect((await pages.send(`/mails/${id}/not-relayed`)).status).toBe(303);
  expect(gateway.calls).toHaveLength(2);
});

test("after the wait none of it is said: the mail waits for a decision", async () => {
  const { pages, gateway, id, relay, answer } = await open("hold");
  await gateway.pass(WAIT_MS);
  const [entry] = await relay.doubtful.list();
  expect(entry).toMatchObject({ id, standing: "held" });
  for (const one of [entry, ...(await relay.queue.show(id))]) {
    expect(Object.keys(one ?? {})).not.toContain("listensUntil");
    expect(Object.keys(one ?? {})).not.toContain("policy");
  }
  expect(await answer()).toMatch(/It may have this mail\.$/);
  const doubtful = textOf(await pages.operate("/doubtful"));
  expect(doubtful).toContain("held held until somebody decides The upstream has it");
  expect(doubtful).not.toContain(RISK);
  expect(textOf(await pages.operate(`/mails/${id}`))).not.toContain(TOO_EARLY);
});

test("what an operator holds waits for the operator", async () => {
  const { gateway, id, relay, answer } = await open("resend");
  expect(await orderOne(gateway, id, { kind: "hold" })).toMatchObject({ ok: true });
  const [mail] = await relay.queue.show(id);
  expect(mail).toMatchObject({ hold: "operator", doubtful: true });
  expect(mail).not.toHaveProperty("listensUntil");
  expect(await answer()).toMatch(/^Held by an operator/);
});

test("a visitor sees until when and what happens then, and nothing more than before", async () => {
  const { pages, id, until } = await open("hold");
  const doubtful = await pages.visit("/doubtful");
  expect(textOf(doubtful)).toContain("waits for SES's events until");
  expect(doubtful.body).not.toContain("ann@");
  expect(textOf(await pages.visit(`/mails/${id}`))).toContain("It waits for SES's events until");
  for (const path of ["/api/v1/doubtful", "/api/v1/queue", `/api/v1/mails/${id}`]) {
    const { status, body } = await pages.visit(path);
    expect([path, status]).toEqual([path, 200]);
    expect(body).toContain(`"listensUntil":"${until}","policy":"hold"`);
    expect(body).not.toContain("ann@");
  }
});
