// What HTTP allows and SDKs don't do: methods, versions, requests sent ahead, a word to go on.
import { expect } from "vitest";
import { run } from "../support/process.ts";
import { ask, openSite, rawCall, SEND, test } from "./place.ts";
import { dial, wireOf } from "./wire.ts";

const MAIL = "From: App <app@sender.example>\r\nTo: a@example.com\r\nSubject: News\r\n\r\nHello.\r\n";

const ACCOUNT = "/v2/email/account";

test("HEAD has the status of an error and no body", async ({ site }) => {
  const told = await ask(site.port, { method: "HEAD", path: ACCOUNT });
  expect([told.status, told.headers["x-amzn-errortype"], told.body]).toEqual([
    400,
    "BadRequestException",
    "",
  ]);
});

test("OPTIONS, by which browsers ask ahead, is refused, and no other origin is named", async ({ site }) => {
  const told = await ask(site.port, {
    method: "OPTIONS",
    path: SEND,
    headers: { Origin: "https://evil.example", "Access-Control-Request-Method": "POST" },
  });
  expect([told.status, told.headers["x-amzn-errortype"]]).toEqual([403, "AccessDeniedException"]);
  expect(Object.keys(told.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
});

test("HTTP/1.0 is answered, and the connection ends", async ({ site }) => {
  const wire = await dial(site.port);
  wire.send(wireOf(site.port, { method: "GET", path: ACCOUNT, version: "1.0" }));
  expect(await wire.ended).toMatch(/^HTTP\/1\.1 200 OK\r\n.*SendQuota/s);
});

test("a client that asks whether to go on is told to, and then its mail is taken", async ({ site }) => {
  const wire = await dial(site.port);
  const body = rawCall(MAIL);
  const [head = ""] = wireOf(site.port, { body, more: { Expect: "100-continue" } }).split(body);
  wire.send(head);
  expect(await wire.heard("\r\n\r\n")).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  wire.send(body);
  expect(await wire.heard("MessageId")).toContain("\r\n\r\nHTTP/1.1 200 OK\r\n");
});

test("requests sent ahead are answered one after another, in their order", async ({ site }) => {
  const wire = await dial(site.port);
  const mail = wireOf(site.port, { body: rawCall(MAIL) });
  const account = wireOf(site.port, { method: "GET", path: ACCOUNT });
  wire.send(mail + account + mail + account);
  const said = await wire.heard(/(?:SendQuota.*){2}/s);
  expect(said.match(/"MessageId"|"SendQuota"/g)).toEqual([
    '"MessageId"',
    '"SendQuota"',
    '"MessageId"',
    '"SendQuota"',
  ]);
});

test("a second request waits for the answer to the first, and others don't", async ({ place }) => {
  const { port, upstream, gateway } = await openSite(place, { SMTP_REPLY: "relayed" });
  const to = (recipient: string) => wireOf(port, { body: rawCall(MAIL.replace("a@example.com", recipient)) });
  const accepted = () =>
    gateway.said("submission.accepted").map(({ recipients }) => (recipients as string[])[0]);
  // The first is not answered before the upstream has it.
  upstream.play("held-reply");
  const struck = upstream.struck();
  const [ahead, beside] = [await dial(port), await dial(port)];
  ahead.send(to("first@example.com") + to("second@example.com"));
  await struck;
  beside.send(to("beside@example.com"));
  await gateway.logged("submission.accepted", 2);
  expect(accepted()).toEqual(["first@example.com", "beside@example.com"]);
  upstream.play("accept");
  upstream.release();
  await gateway.logged("submission.accepted", 3);
  expect(accepted()[2]).toBe("second@example.com");
  await ahead.heard(/(?:MessageId.*){2}/s);
});

test("an endpoint may have a path, for both versions", async ({ site }) => {
  const account = await ask(site.port, { method: "GET", path: `/ses${ACCOUNT}` });
  expect([account.status, Object.keys(JSON.parse(account.body))]).toEqual([
    200,
    expect.arrayContaining(["SendQuota"]),
  ]);
  const none = await ask(site.port, { path: "/ses/v2/email/identities" });
  expect([none.status, none.headers["content-type"]]).toEqual([400, "application/json"]);
  const quota = await ask(site.port, { path: "/ses/", body: "Action=GetSendQuota&Version=2010-12-01" });
  expect([quota.status, quota.headers["content-type"]]).toEqual([200, "text/xml"]);
});

test("while it drains, each call on a new connection is told to try again", async ({ place }) => {
  const { port, upstream, gateway } = await openSite(place);
  upstream.play("held-reply");
  const struck = upstream.struck();
  const mail = { path: SEND, body: rawCall(MAIL) };
  expect((await ask(port, mail)).status).toBe(200);
  await struck;
  const drained = run(["drain", "--until-empty"], { DATA_DIR: place.data });
  await gateway.logged("operator.draining");
  const wire = await dial(port);
  wire.send(wireOf(port, mail));
  // A balancer may find another gateway for the next try.
  const said = await wire.ended;
  expect(said).toMatch(/^HTTP\/1\.1 503 .*\r\nConnection: close\r\n.*"ServiceUnavailableException"/s);
  expect(said).toContain("takes no more mail");
  const first = await dial(port);
  const body = `Action=SendRawEmail&RawMessage.Data=${encodeURIComponent(Buffer.from(MAIL).toString("base64"))}`;
  first.send(wireOf(port, { path: "/", body }));
  expect(await first.ended).toMatch(/^HTTP\/1\.1 503 .*<Code>ServiceUnavailable<\/Code>/s);
  upstream.play("accept");
  upstream.release();
  expect((await drained).code).toBe(0);
  expect(upstream.taken).toHaveLength(1);
});

test("more requests ahead than anybody needs end the connection", async ({ site }) => {
  const wire = await dial(site.port);
  wire.send(
    wireOf(site.port, { body: rawCall(MAIL) }) +
      wireOf(site.port, { method: "GET", path: ACCOUNT }).repeat(100),
  );
  expect((await wire.ended).match(/"SendQuota"/g)?.length ?? 0).toBeLessThan(100);
  expect((await ask(site.port, { method: "GET", path: ACCOUNT })).status).toBe(200);
});
