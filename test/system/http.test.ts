// HTTP of the built process: health, a decision with a token, the address that is taken, and the URL on a terminal.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmodSync, copyFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect } from "vitest";
import type { DoubtfulEntry } from "../../src/operator/doubtful.ts";
import { AUTHORITY } from "../support/doors.ts";
import { askAt, bearer, cookieOf, httpPortOf, signIn } from "../support/http-place.ts";
import { type Place, smtpAt, test } from "../support/place.ts";
import { type GatewayProcess, run, type Settings } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";
import { spawnOnTerminal } from "../support/terminal.ts";

async function tokenIn(file: string, name: string, role: string): Promise<string> {
  const { code, stdout, stderr } = await run(["token", "add", name, "--role", role, "--file", file]);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout.trim();
}

test("a held mail is seen masked by a visitor, and decided with a token", async ({ place }) => {
  const upstream = await place.smtp({ script: "drop-before-reply" });
  const settings = {
    ...{ LEDGER_DOUBTFUL: "hold", SPOOL_RETRY_MIN: "50ms", LOG_ADDRESSES: "true", ...smtpAt(upstream.port) },
  };
  const first = await place.start(settings);
  await submitMail(first.port, { to: ["user@example.com"], content: taskMail(randomUUID()) });
  await first.logged("transmission.doubtful");
  const seen = await askAt(httpPortOf(first), "/api/v1/doubtful");
  expect(JSON.parse(seen.body)).toMatchObject({
    doubtful: [{ recipient: "u…@example.com", standing: "held" }],
  });
  expect(seen.body).not.toContain("user@");
  await first.stop();

  const file = join(place.folder, "tokens");
  const token = await tokenIn(file, "ann", "operate");
  const gateway = await place.start({ ...settings, HTTP_TOKENS_FILE: file });
  const port = httpPortOf(gateway);
  expect((await askAt(port, "/api/v1/doubtful")).status).toBe(401);
  const listed = await askAt(port, "/api/v1/doubtful", { headers: bearer(token) });
  const [entry] = (JSON.parse(listed.body) as { doubtful: DoubtfulEntry[] }).doubtful;
  expect(entry).toMatchObject({ recipient: "user@example.com", messageId: expect.any(String) });
  upstream.play("accept");
  const decide = (body: object) =>
    askAt(port, "/api/v1/doubtful", {
      method: "POST",
      headers: { ...bearer(token), "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  const decision = { id: entry?.id, decision: "not-relayed", reason: "asked the upstream" };
  const decided = await decide(decision);
  expect([decided.status, JSON.parse(decided.body)]).toEqual([200, { id: entry?.id, next: "queued" }]);
  await gateway.logged("transmission.relayed");
  expect(gateway.said("operator.resolved")).toMatchObject([{ by: "ann", reason: "asked the upstream" }]);
  expect((await decide(decision)).status).toBe(409);
  expect((await decide({ ...decision, more: 1 })).status).toBe(400);

  // A token that is removed is none, without a signal.
  expect((await run(["token", "remove", "ann", "--file", file])).code).toBe(0);
  await gateway.logged("tokens.reloaded");
  const after = askAt(port, "/api/v1/doubtful", { headers: bearer(token) });
  expect((await after).status).toBe(401);
});

test("evidence of another service settles what is in doubt; what was answered 200 is durable", async ({
  place,
}) => {
  const upstream = await place.smtp({ script: "hang-before-reply" });
  const file = join(place.folder, "tokens");
  const token = await tokenIn(file, "webhook", "operate");
  const settings = { LEDGER_DOUBTFUL: "hold", HTTP_TOKENS_FILE: file, ...smtpAt(upstream.port) };
  const mail = { to: ["user@example.com"], content: taskMail(randomUUID()) };
  const first = await place.start(settings);
  expect(await submitMail(first.port, mail)).toContain("queued as");
  await upstream.waitFor(1);
  const messageId = upstream.taken[0]?.messageId;
  const send = (gateway: GatewayProcess) =>
    askAt(httpPortOf(gateway), "/api/v1/evidence", {
      method: "POST",
      headers: { ...bearer(token), "Content-Type": "application/json" },
      body: JSON.stringify({ messageId, source: "mailgun", takenAt: new Date().toISOString() }),
    });
  const during = await send(first);
  expect([during.status, Number(during.headers["retry-after"])]).toEqual([503, expect.any(Number)]);
  await first.kill();

  const second = await place.start(settings);
  await second.logged("transmission.doubtful");
  expect(JSON.parse((await send(second)).body)).toMatchObject({ taken: "settled" });
  await second.logged("evidence.settled");
  await second.kill();
  expect(second.said("evidence.settled")).toMatchObject([{ source: "mailgun", by: "webhook" }]);

  const third = await place.start(settings);
  expect(await submitMail(third.port, mail)).toContain("repeat of");
  expect(JSON.parse((await send(third)).body)).toMatchObject({ taken: "known" });
  expect(upstream.taken).toHaveLength(1);
  expect(await third.stop()).toBe(0);
});

const READY = '{"status":"ready","ledger":"up","upstreams":{"upstream":"running"}}';

test("healthz and readyz while it runs; nothing listens after it", async ({ place }) => {
  const gateway = await place.start();
  const port = httpPortOf(gateway);
  expect(await askAt(port, "/healthz")).toMatchObject({ status: 200, body: '{"status":"ok"}' });
  expect(await askAt(port, "/readyz")).toMatchObject({ status: 200, body: READY });
  expect(await gateway.stop()).toBe(0);
  await expect(askAt(port, "/healthz")).rejects.toThrow("ECONNREFUSED");
});

test("a stop is seen in readyz while attempts end", async ({ place }) => {
  const upstream = await place.smtp({ script: "held-reply" });
  const gateway = await place.start(smtpAt(upstream.port));
  const port = httpPortOf(gateway);
  const struck = upstream.struck();
  await submitMail(gateway.port, { to: ["user@example.com"], content: taskMail(randomUUID()) });
  await struck;
  expect((await askAt(port, "/readyz")).status).toBe(200);
  gateway.signal("SIGTERM");
  await gateway.logged("gateway.stopping");
  const { status, body } = await askAt(port, "/readyz");
  expect([status, JSON.parse(body).detail]).toEqual([503, "the gateway is stopping"]);
  expect((await askAt(port, "/healthz")).status).toBe(200);
  upstream.release();
  expect(await gateway.exited).toBe(0);
});

test("an upstream that is away leaves it ready", async ({ place }) => {
  const upstream = await place.smtp();
  await upstream.close();
  const gateway = await place.start(smtpAt(upstream.port));
  await submitMail(gateway.port, { to: ["user@example.com"], content: taskMail(randomUUID()) });
  await gateway.logged("dispatch.paused");
  const { status, body } = await askAt(httpPortOf(gateway), "/readyz");
  expect([status, JSON.parse(body).upstreams]).toEqual([200, { upstream: "failing" }]);
});

test("a disk without room makes it not ready", async ({ place }) => {
  const gateway = await place.start({ SPOOL_FREE_MIN_BYTES: Number.MAX_SAFE_INTEGER });
  const { status, body } = await askAt(httpPortOf(gateway), "/readyz");
  expect([status, JSON.parse(body)]).toEqual([
    503,
    {
      ...{ status: 503, title: "Not ready", detail: "the disk of the data folder is too full to take mail" },
      ...{ ledger: "up", upstreams: { upstream: "running" } },
    },
  ]);
});

test("a port that is set and taken refuses the start", async ({ place }) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  const said = await run(["serve"], { DATA_DIR: place.data, SMTP_PORT: 0, HTTP_PORT: port });
  other.close();
  expect(said).toMatchObject({
    ...{ code: 1, stderr: `mailonce: http.port: 127.0.0.1:${port} is in use by another program\n` },
  });
});

test("a file that is bad refuses the start, with its place", async ({ place }) => {
  const file = join(place.folder, "tokens");
  const said = await run(["check-config"], { DATA_DIR: place.data, HTTP_TOKENS_FILE: file });
  expect(said.code).toBe(2);
  expect(said.stderr).toMatch(/^mailonce: http\.tokens_file: .*tokens: can't be read: ENOENT/);
});

test("under TLS off loopback: a name of ours, a session bound to the host, nothing without a token", async ({
  place,
}) => {
  const copied = (name: string): string => {
    const to = join(place.folder, name);
    copyFileSync(AUTHORITY.replace("ca.pem", name), to);
    chmodSync(to, 0o600);
    return to;
  };
  const file = join(place.folder, "tokens");
  const token = await tokenIn(file, "scraper", "read");
  const settings: Settings = {
    ...{ HTTP_HOST: "0.0.0.0", HTTP_TOKENS_FILE: file, HTTP_HOSTS: "gateway.example" },
    ...{ HTTP_TLS_CERT_FILE: copied("server.pem"), HTTP_TLS_KEY_FILE: copied("server-key.pem") },
  };
  const gateway = await place.start(settings);
  const port = httpPortOf(gateway);
  const ask = (path: string, asking = {}) => askAt(port, path, asking, true);
  expect((await ask("/api/v1/upstreams")).status).toBe(401);
  const named = { ...bearer(token), Host: "gateway.example" };
  expect((await ask("/api/v1/upstreams", { headers: named })).body).toContain("maildir");
  expect((await ask("/readyz", { headers: { Host: "evil.example" } })).status).toBe(421);
  const signed = await ask("/login", signIn(port, token, "https"));
  expect(cookieOf(signed)).toMatch(/^__Host-mailonce-\d+=/);
  await gateway.logged("http.signed_in");
  expect(gateway.said("http.signed_in")).toMatchObject([
    { by: "scraper", role: "read", address: "127.0.0.1" },
  ]);
  // Neither tokens nor cookies are in the log.
  expect(JSON.stringify(gateway.lines)).not.toMatch(/mailonce_[a-z2-7]{8}|mailonce-\d+=/);
  expect((await ask("/", { headers: { Cookie: cookieOf(signed) } })).body).toContain("scraper (read)");
  await expect(askAt(port, "/healthz")).rejects.toThrow();
});

function startOnTerminal(place: Place, settings: Settings) {
  const child = spawnOnTerminal(["serve"], { DATA_DIR: place.data, SMTP_PORT: 0, HTTP_PORT: 0, ...settings });
  place.atEnd(() => child.kill("SIGKILL"));
  return child;
}

test("on a terminal the start prints a URL that signs in once", async ({ place }) => {
  const child = startOnTerminal(place, {});
  let output = "";
  const url = await new Promise<URL>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      const found = /in a browser +(http:\S+) \(once/.exec(output)?.[1];
      if (found !== undefined) resolve(new URL(found));
    });
    child.once("exit", () => reject(new Error(output)));
  });
  const port = Number(url.port);
  const token = url.searchParams.get("token") ?? "";
  expect((await askAt(port, url.pathname + url.search)).body).toContain(token);
  const signed = await askAt(port, "/login", signIn(port, token));
  expect(signed.status).toBe(303);
  const page = await askAt(port, "/", { headers: { Cookie: cookieOf(signed) } });
  expect(page.body).toContain("terminal (operate)");
  expect((await askAt(port, "/login", signIn(port, token))).status).toBe(401);
  // Control-C, as a person ends it.
  const ended = once(child, "exit");
  child.stdin.write("\u0003");
  await ended;
});
