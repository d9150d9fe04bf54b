// An operator pauses upstreams and resumes them, by the built commands: nothing is attempted meanwhile, whatever happens.
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { digestOf, newToken } from "../../src/access/tokens-lines.ts";
import { gatewayPausing } from "../../src/operator/http/pausing-client.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { askAt, bearer, httpPortOf } from "../support/http-place.ts";
import { freePort } from "../support/peers.ts";
import { type Place, sesAt, smtpAt, test } from "../support/place.ts";
import { type GatewayProcess, run, type Settings } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const RETRY: Settings = { SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "100ms" };

const submit = (gateway: GatewayProcess, from = "app@sender.example"): Promise<string> => {
  const content = taskMail(randomUUID()).replace("app@sender.example", from);
  return submitMail(gateway.port, { from, to: ["reader@example.net"], content });
};

/** The command, whose standard error is empty while a gateway runs. */
async function say(settings: Settings, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(args, settings);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

test("nothing is attempted while it is paused, after a restart too; resumed, all of it is relayed once", async ({
  place,
}) => {
  const upstream = await place.smtp();
  const settings = { DATA_DIR: place.data, ...RETRY, ...smtpAt(upstream.port) };
  let gateway = await place.start(settings);
  expect(await say(settings, "pause", "--reason", "a move")).toBe("upstream is paused\n");
  expect(gateway.said("operator.paused")).toMatchObject([{ upstreams: ["upstream"], reason: "a move" }]);
  for (let n = 0; n < 5; n++) expect(await submit(gateway)).toContain("queued as");
  expect(await say(settings, "pause", "upstream", "--json")).toMatch(/"wasPaused":true}\n$/);
  await gateway.kill();
  gateway = await place.start(settings);
  expect(await submit(gateway)).toContain("queued as");
  await gateway.stop();
  expect(upstream.connections()).toBe(0);

  gateway = await place.start(settings);
  expect(await say(settings, "resume")).toBe("upstream is resumed\n");
  await gateway.logged("transmission.relayed", 6);
  expect(upstream.taken).toHaveLength(6);
  expect(upstream.repeated()).toEqual([]);
  expect(await say(settings, "resume", "upstream")).toBe("upstream is not paused\n");
});

test("it ends by itself", async ({ place }) => {
  const upstream = await place.smtp();
  const settings = { DATA_DIR: place.data, ...smtpAt(upstream.port) };
  const gateway = await place.start(settings);
  expect(await say(settings, "pause", "--for", "900ms")).toMatch(/^upstream is paused, until 20\S+Z\n$/);
  await submit(gateway);
  expect(upstream.connections()).toBe(0);
  await gateway.logged("transmission.relayed");
  expect(gateway.said("operator.resumed")).toMatchObject([{ reason: "the time of the pause is over" }]);
});

test("an attempt under way ends as usual", async ({ place }) => {
  const upstream = await place.smtp({ script: "held-reply" });
  const settings = { DATA_DIR: place.data, ...smtpAt(upstream.port) };
  const gateway = await place.start(settings);
  const struck = upstream.struck();
  await submit(gateway);
  await struck;
  await say(settings, "pause");
  await submit(gateway);
  upstream.release();
  await gateway.logged("transmission.relayed");
  expect(upstream.taken).toHaveLength(1);
});

test("a gateway that does not run: the next start finds it", async ({ place }) => {
  const upstream = await place.smtp();
  const settings = { DATA_DIR: place.data, LOG_FORMAT: "json", ...smtpAt(upstream.port) };
  expect(await run(["pause"], settings)).toMatchObject({
    ...{ code: 1, stderr: `mailonce: there is no spool in ${place.data}\n` },
  });
  await (await place.start(settings)).stop();
  const paused = await run(["pause", "--reason", "a move"], settings);
  expect(paused).toMatchObject({ code: 0, stdout: "upstream is paused\n" });
  expect(JSON.parse(paused.stderr)).toMatchObject({ event: "operator.paused", reason: "a move" });
  const gateway = await place.start(settings);
  await submit(gateway);
  expect(upstream.connections()).toBe(0);
  await gateway.stop();
  expect(await run(["resume"], settings)).toMatchObject({ code: 0, stdout: "upstream is resumed\n" });
  const next = await place.start(settings);
  await next.logged("transmission.relayed");
  expect(upstream.taken).toHaveLength(1);
});

test("what is wrong is named: the upstream, the duration, a reason without end", async ({ place }) => {
  const settings = { DATA_DIR: place.data, ...smtpAt(await freePort()) };
  const gateway = await place.start(settings);
  const unknown = { code: 3, stderr: "mailonce: there is no upstream ses; there are upstream\n", stdout: "" };
  expect(await run(["pause", "ses"], settings)).toEqual(unknown);
  expect(await run(["resume", "ses"], settings)).toEqual(unknown);
  const wrong = await run(["pause", "--for", "30", "--reason", "x".repeat(501)], settings);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toBe(
    'mailonce: --for: expected a duration such as "30d", "2h", "90s" or "250ms"\n' +
      "mailonce: --reason: at most 500 characters\n",
  );
  await gateway.stop();
  expect(await run(["pause", "ses"], settings)).toEqual(unknown);
});

/** Mail of one.example goes by "first" alone, other mail by "first" and then "second". */
async function startTwo(place: Place, ports: readonly number[]): Promise<[GatewayProcess, Settings]> {
  const upstreamAt = (name: string, port = 0) =>
    `[upstreams.${name}]\nkind = "smtp"\nsmtp.host = "127.0.0.1"\nsmtp.port = ${port}\nsmtp.tls = "none"\n`;
  const routes =
    '[[routes]]\ndomains = ["one.example"]\nupstreams = ["first"]\n[[routes]]\nupstreams = ["first", "second"]\n';
  const file = join(place.folder, "mailonce.toml");
  writeFileSync(file, upstreamAt("first", ports[0]) + upstreamAt("second", ports[1]) + routes);
  const settings = { DATA_DIR: place.data, CONFIG: file, ...RETRY };
  return [await place.start({ ...settings, SMTP_PORT: 0 }), settings];
}

test("of a list it is left out, and when all are paused none is tried", async ({ place }) => {
  const [first, second] = [await place.smtp(), await place.smtp()];
  const [gateway, settings] = await startTwo(place, [first.port, second.port]);
  await say(settings, "pause", "first");
  await submit(gateway);
  await gateway.logged("transmission.relayed");
  await submit(gateway, "app@one.example");
  expect([first.connections(), second.taken.length]).toEqual([0, 1]);

  await say(settings, "pause");
  const connections = second.connections();
  await submit(gateway);
  // Its turn comes, and what is due after it.
  await submit(gateway);
  expect([first.connections(), second.connections()]).toEqual([0, connections]);

  await say(settings, "resume", "second");
  await gateway.logged("transmission.relayed", 3);
  expect([first.connections(), second.taken.length]).toEqual([0, 3]);
  expect(await say(settings, "resume")).toBe("first is resumed\nsecond is not paused\n");
  await gateway.logged("transmission.relayed", 4);
  expect([first.taken.length, second.taken.length]).toEqual([1, 3]);
});

test("the one that is left takes nothing: the paused one is not tried for it", async ({ place }) => {
  const first = await place.smtp();
  const [gateway, settings] = await startTwo(place, [first.port, await freePort()]);
  await say(settings, "pause", "first");
  await submit(gateway);
  await gateway.logged("dispatch.paused", 2);
  await gateway.logged("dispatch.paused", 2);
  expect(first.connections()).toBe(0);
  await say(settings, "resume", "first");
  await gateway.logged("transmission.relayed");
  expect(first.taken).toHaveLength(1);
});

test("resume ends a pause that the upstream caused, also where it named the time", async ({ place }) => {
  const ses = await place.ses({ script: "quota-exceeded-until" });
  const settings = { DATA_DIR: place.data, ...sesAt(ses) };
  const gateway = await place.start(settings);
  await submit(gateway);
  await gateway.logged("dispatch.paused");
  const named = Number(gateway.said("dispatch.paused")[0]?.retryMs);
  expect(named).toBeGreaterThan(10_000);
  ses.play("accept");
  const cured = Date.now();
  const resumed = await gatewayPausing(place.data).resume("upstream", {});
  expect(resumed).toEqual({ ok: true, upstreams: [{ name: "upstream", was: "failing" }] });
  await gateway.logged("transmission.relayed");
  expect(Date.now() - cured).toBeLessThan(named / 2);
  await gateway.logged("dispatch.resumed");
  expect(ses.taken).toHaveLength(1);
});

test("paused without a reason, it says once that an operator has paused it", async ({ place }) => {
  const token = newToken(systemRandom);
  const file = join(place.folder, "tokens");
  writeFileSync(file, `ann:read:${digestOf(token)}\n`, { mode: 0o600 });
  const settings = { DATA_DIR: place.data, HTTP_PORT: 0, HTTP_TOKENS_FILE: file };
  const gateway = await place.start(settings);
  await say(settings, "pause");
  const said = async (path: string): Promise<number> =>
    (await askAt(httpPortOf(gateway), path, { headers: bearer(token) })).body
      .toLowerCase()
      .split("an operator has paused").length - 1;
  expect([await said("/"), await said("/upstreams")]).toEqual([1, 1]);
  const { stdout } = await run(["status"], settings);
  expect(stdout.toLowerCase().split("an operator has paused").length - 1).toBe(1);
});
