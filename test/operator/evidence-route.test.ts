// Evidence over HTTP: what it settles, when its sender has to ask again, what is refused, and who may send it.
import { describe, expect, test } from "vitest";
import type { Evidence, Proof } from "../../src/evidence/evidence.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { openHeldGateway } from "../support/held-gateway.ts";
import { type Asking, bearer, cookieOf, openHttpPlace, type Reply, signIn } from "../support/http-place.ts";
import { closed, HOSTILE, textOf } from "../support/pages-place.ts";

const AT = "/api/v1/evidence";
const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const RECIPIENT = "ann@example.net";
const UNKNOWN = "a".repeat(32);

const posted = (headers: Readonly<Record<string, string>>, body: unknown): Asking => ({
  method: "POST",
  headers: { "Content-Type": "application/json", ...headers },
  body: typeof body === "string" ? body : JSON.stringify(body),
});

const said = ({ status, body }: Reply): readonly unknown[] => [status, JSON.parse(body)];
const detailOf = ({ body }: Reply): string => (JSON.parse(body) as { detail: string }).detail;

/** A gateway in this process with one mail, whose first attempt is under way, and its HTTP. */
async function open(settings: Readonly<Record<string, string>> = {}) {
  const gateway = await openHeldGateway({ MAILONCE_LEDGER_DOUBTFUL: "hold", ...settings });
  const { evidence, explain, doubtful } = gateway.relay;
  const http = await openHttpPlace({ parts: { evidence, explain, doubtful }, withTokens: true });
  const token = bearer(await http.addToken("webhook", "operate"));
  await gateway.submit([RECIPIENT]);
  const { id } = gateway.call(RECIPIENT).transmission;
  return closed({
    ...{ gateway, http, token, id },
    send: (body: unknown, headers = token) => http.ask(AT, posted(headers, body)),
    isDoubtful: async () => (await doubtful.list()).length > 0,
    async close() {
      await http.close();
      for (const { answer } of gateway.calls) await answer({ kind: "accepted", upstreamId: "late" });
      await gateway.stop();
    },
  });
}

test("a mail in doubt is settled, once, and the log says who sent it", async () => {
  const { gateway, id, send, isDoubtful } = await open();
  await gateway.call(RECIPIENT).answer(DOUBTFUL);
  const body = { id, source: "mailgun", upstreamId: "0100-1", takenAt: "2013-12-10T10:13:06.500+01:00" };
  expect(said(await send({ ...body, takenAt: undefined }))).toEqual([200, { id, taken: "settled" }]);
  expect(await isDoubtful()).toBe(false);
  expect(said(await send(body))).toEqual([200, { id, taken: "known" }]);
  expect(said(await send({ id: UNKNOWN, source: "mailgun" }))).toEqual([
    200,
    { id: UNKNOWN, taken: "known" },
  ]);
  expect(gateway.lines.filter(({ event }) => event === "evidence.settled")).toMatchObject([
    { id, source: "mailgun", upstreamId: "0100-1", by: "webhook" },
  ]);
  expect((await gateway.submit([RECIPIENT])).code).toBe(250);
  expect(gateway.calls).toHaveLength(1);
});

test.each([
  ["with angle brackets", (id: string) => `<${id}@gateway.example>`],
  ["without", (id: string) => `${id}@gateway.example`],
])("a mail is named by its Message-ID too, %s", async (_, nameOf) => {
  const { gateway, id, send } = await open();
  await gateway.call(RECIPIENT).answer(DOUBTFUL);
  const answer = await send({ messageId: nameOf(id), source: "a-script" });
  expect(said(answer)).toEqual([200, { id, taken: "settled" }]);
});

test("during an attempt nothing is taken: 503, and sent again it settles what is left to settle", async () => {
  const { gateway, id, send } = await open();
  const busy = await send({ id, source: "mailgun" });
  expect([busy.status, busy.headers["retry-after"]]).toEqual([503, "10"]);
  expect(JSON.parse(busy.body)).toMatchObject({
    ...{ title: "Not ready", why: "busy" },
    detail: `${id} is being attempted or decided: send this again`,
  });
  await gateway.call(RECIPIENT).answer(DOUBTFUL);
  expect(said(await send({ id, source: "mailgun" }))).toEqual([200, { id, taken: "settled" }]);
});

test("while the ledger can't write nothing is taken: 503, and sent again it is settled", async () => {
  const { gateway, id, send, isDoubtful } = await open();
  await gateway.call(RECIPIENT).answer(DOUBTFUL);
  gateway.storage.fail({ call: "commit", name: "ledger/generation-000001", times: 1 });
  const away = await send({ id, source: "mailgun" });
  expect([away.status, away.headers["retry-after"], JSON.parse(away.body).why]).toEqual([503, "30", "away"]);
  expect(await isDoubtful()).toBe(true);
  expect(said(await send({ id, source: "mailgun" }))).toEqual([200, { id, taken: "settled" }]);
  expect(await isDoubtful()).toBe(false);
});

test("where policy sends again, evidence in the pause before that spares the second copy", async () => {
  const { gateway, id, send } = await open({ MAILONCE_LEDGER_DOUBTFUL: "resend" });
  await gateway.call(RECIPIENT).answer(DOUBTFUL);
  expect(said(await send({ id, source: "mailgun" }))).toEqual([200, { id, taken: "settled" }]);
  await gateway.pass();
  expect(gateway.calls).toHaveLength(1);
});

describe("what is wrong is named, and nothing is taken", () => {
  const good = { id: UNKNOWN, source: "mailgun" };
  test.each([
    ["no JSON", "id=a", /^the body is not JSON$/],
    ["no object", [], /expected object/],
    ["nothing", {}, /^source: /],
    ["no mail", { source: "mailgun" }, /^say which mail: either id or messageId$/],
    ["two names", { ...good, messageId: `<${UNKNOWN}@a.example>` }, /^say which mail/],
    ["an id that is none", { ...good, id: UNKNOWN.toUpperCase() }, /^id: expected the 32 characters/],
    ["a foreign Message-ID", { source: "x", messageId: "<1@a.example>" }, /^messageId: expected a/],
    ["an id as Message-ID", { source: "x", messageId: UNKNOWN }, /^messageId: expected a/],
    ["two Message-IDs", { source: "x", messageId: `<${UNKNOWN}@a> <b@c>` }, /^messageId: expected/],
    ["no source", { id: UNKNOWN }, /^source: /],
    ["an address as source", { ...good, source: "ann@example.net" }, /^source: expected a name/],
    ["a source of two lines", { ...good, source: "a\nb" }, /^source: expected a name/],
    ["a member that is not known", { ...good, recipient: RECIPIENT }, /recipient/],
    ["a time without a zone", { ...good, takenAt: "2013-12-10T10:13:06" }, /^takenAt: expected a time/],
    ["a number as time", { ...good, takenAt: 1386670386 }, /^takenAt: /],
    ["a day that is none", { ...good, happenedAt: "2013-02-30T10:13:06Z" }, /^happenedAt: expected/],
    [
      "a time to come",
      { ...good, takenAt: "2999-01-01T00:00:00Z" },
      /^takenAt: is \d+ s ahead of this gateway's clock/,
    ],
    ["a fate that is none", { ...good, fate: { kind: "opened" } }, /^fate\.kind: /],
    ["a fate with more", { ...good, fate: { kind: "sent", reply: "250" } }, /^fate: .*reply/],
  ])("%s", async (_, body, detail) => {
    const taken: Proof[] = [];
    const { http, token } = await openFake(taken);
    const answer = await http.ask(AT, posted(token, body));
    expect([answer.status, detailOf(answer)]).toEqual([400, expect.stringMatching(detail)]);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(taken).toEqual([]);
  });
});

test("a gateway whose clock is minutes behind takes it; a time that has lost its zone is refused", async () => {
  const taken: Proof[] = [];
  const { http, token } = await openFake(taken);
  const now = http.clock.now();
  const body = (minutes: number) => ({
    ...{ id: UNKNOWN, source: "mailgun" },
    takenAt: new Date(now + minutes * 60_000).toISOString(),
  });
  expect((await http.ask(AT, posted(token, body(9)))).status).toBe(200);
  const answer = await http.ask(AT, posted(token, body(15)));
  expect([answer.status, detailOf(answer)]).toEqual([
    400,
    "takenAt: is 900 s ahead of this gateway's clock: is the zone right?",
  ]);
  expect(taken).toHaveLength(1);
});

/** The routes alone: what they hand on, where nothing is in doubt. */
async function openFake(taken: Proof[]) {
  const evidence: Evidence = {
    async take(_, proof) {
      taken.push(proof);
      return "known";
    },
  };
  const http = closed(await openHttpPlace({ parts: { evidence }, withTokens: true }));
  return { http, token: bearer(await http.addToken("webhook", "operate")) };
}

test("texts of others are cut to a line, and an empty one is left out: a bounce is not lost for its length", async () => {
  const taken: Proof[] = [];
  const { http, token } = await openFake(taken);
  const diagnostic = `550 5.1.1\r\nno such ${"person ".repeat(200)}`;
  const fate = { kind: "bounced", bounceType: "Permanent", status: " \n", diagnostic };
  const body = { id: UNKNOWN, source: "mailgun", upstreamId: "x".repeat(500), fate };
  const times = { takenAt: "1970-01-01T00:00:00Z", happenedAt: "1970-01-01T01:00:01.5+01:00" };
  expect((await http.ask(AT, posted(token, { ...body, ...times }))).status).toBe(200);
  expect(taken).toEqual([
    {
      ...{ from: "tag", source: "mailgun", by: "webhook", upstreamId: "x".repeat(128), at: 0 },
      ...{
        happenedAt: 1_500,
        fate: { kind: "bounced", bounceType: "Permanent", diagnostic: expect.any(String) },
      },
    },
  ]);
  const [proof] = taken;
  const line = proof?.fate?.kind === "bounced" ? (proof.fate.diagnostic ?? "") : "";
  expect(line).toMatch(/^550 5\.1\.1 no such person/);
  expect(Buffer.byteLength(line)).toBeLessThanOrEqual(500);
});

describe("who may not have a mail counted as relayed", () => {
  test("nobody without a token, and none with the role read", async () => {
    const { gateway, http, id, send, isDoubtful } = await open();
    await gateway.call(RECIPIENT).answer(DOUBTFUL);
    const body = { id, source: "mailgun" };
    expect((await send(body, {})).status).toBe(401);
    const read = await send(body, bearer(await http.addToken("scraper", "read")));
    expect([read.status, detailOf(read)]).toEqual([403, "the role of scraper does not allow this"]);
    const visitors = closed(await openHttpPlace({ parts: { evidence: gateway.relay.evidence } }));
    expect((await visitors.ask(AT, posted({}, body))).status).toBe(401);
    expect(await isDoubtful()).toBe(true);
  });

  test("no page of another origin, no form, and none by a name of its own", async () => {
    const { gateway, http, id, token, isDoubtful } = await open();
    await gateway.call(RECIPIENT).answer(DOUBTFUL);
    const operate = await http.addToken("ann", "operate");
    const Cookie = cookieOf(await http.ask("/login", signIn(http.port, operate)));
    const Host = `localhost:${http.port}`;
    const own = `http://${Host}`;
    const body = { id, source: "mailgun" };
    const strangers = [
      { Origin: "http://evil.example" },
      { Origin: "null" },
      { Origin: `${own}.evil.example` },
      { Origin: own, "Sec-Fetch-Site": "cross-site" },
      {},
    ];
    for (const stranger of strangers) {
      const { status } = await http.ask(AT, posted({ Cookie, Host, ...stranger }, body));
      expect([stranger, status]).toEqual([stranger, 403]);
    }
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      const { status } = await http.ask(AT, posted({ ...token, "Content-Type": type }, body));
      expect([type, status]).toEqual([type, 415]);
    }
    expect((await http.ask(AT, posted({ ...token, Host: "rebound.example" }, body))).status).toBe(421);
    const byGet = await http.ask(AT, { headers: token });
    expect([byGet.status, byGet.headers.allow]).toEqual([405, "POST"]);
    expect((await http.ask(AT, posted(token, "x".repeat(64 * 1024 + 1)))).status).toBe(413);
    expect(await isDoubtful()).toBe(true);
    expect((await http.ask(AT, posted({ Cookie, Host, Origin: own }, body))).status).toBe(200);
    expect(await isDoubtful()).toBe(false);
  });
});

test("what became of the mail is noted once, though the service says it twice", async () => {
  const { gateway, id, send } = await open();
  await gateway.call(RECIPIENT).answer(DOUBTFUL);
  const happenedAt = "1970-01-01T00:00:01Z";
  const bounce = { kind: "bounced", bounceType: "Permanent", diagnostic: "550 5.1.1 no such person" };
  const body = { id, source: "mailgun", fate: bounce, happenedAt };
  expect(said(await send(body))).toEqual([200, { id, taken: "settled" }]);
  expect(said(await send(body))).toEqual([200, { id, taken: "known" }]);
  const later = { ...body, fate: { kind: "complained" }, happenedAt: "1970-01-01T00:00:02Z" };
  expect(said(await send(later))).toEqual([200, { id, taken: "known" }]);
  const { items } = await gateway.relay.history.ofId(id, { limit: 100 });
  expect(items.filter(({ kind }) => kind === "bounced" || kind === "complained")).toMatchObject([
    { kind: "complained", source: "mailgun", happenedAt: 2_000 },
    { ...bounce, source: "mailgun", happenedAt: 1_000 },
  ]);
});

test("markup in what a service says is shown as text, and a visitor sees none of it", async () => {
  const { gateway, http, id, token, send } = await open();
  await gateway.call(RECIPIENT).answer(DOUBTFUL);
  const fate = { kind: "bounced", diagnostic: HOSTILE } as const;
  const answer = await send({ id, source: "mailgun", upstreamId: HOSTILE, fate });
  expect(said(answer)).toEqual([200, { id, taken: "settled" }]);
  const page = await http.ask(`/mails/${id}`, { headers: token });
  expect(page.status).toBe(200);
  expect(textOf(page)).toContain(`as ${HOSTILE}`);
  expect(page.body).not.toMatch(/<img|<script>|onerror=alert\(1\)>/);
  const { explain } = gateway.relay;
  const visitors = closed(await openHttpPlace({ parts: { explain } }));
  const seen = await visitors.ask(`/mails/${id}`);
  expect(textOf(seen)).toContain("mailgun");
  expect(seen.body).not.toContain("onerror");
});
