// One mail stops no other (P13), and whoever runs the gateway learns early what is wrong with its upstream.
import { randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, vi } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createUpstreams } from "../../src/upstream/open.ts";
import { type Place, sesAt, test } from "../support/place.ts";
import { environmentOf, type GatewayProcess, run, type Settings } from "../support/process.ts";
import type { ScriptedSes, ScriptedSesOptions } from "../support/scripted-ses.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

interface Site {
  readonly gateway: GatewayProcess;
  readonly peer: ScriptedSes;
}

const start = (place: Place, peer: ScriptedSes, settings: Settings = {}): Promise<GatewayProcess> =>
  place.start({ SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "200ms", ...sesAt(peer), ...settings });

async function open(place: Place, options: ScriptedSesOptions = {}, settings: Settings = {}): Promise<Site> {
  const peer = await place.ses(options);
  return { peer, gateway: await start(place, peer, settings) };
}

function submit(
  { port }: GatewayProcess,
  to: string,
  fields?: string,
  task: string = randomUUID(),
): Promise<string> {
  const content = taskMail(task, fields === undefined ? {} : { fields });
  return submitMail(port, { to: [to], content });
}

describe("a mail that SES refuses for what only this mail has", () => {
  const faults = [
    "set-paused",
    "access-denied-explicitly",
    "access-denied-to-tenant",
    "access-denied-to-identity",
  ] as const;

  test("the others go, nothing pauses, and each of these waits", async ({ place }) => {
    const { gateway } = await open(place, {
      faultOf: ({ ConfigurationSetName: set }) => faults.find((fault) => fault === set),
    });
    const tasks = faults.map(() => randomUUID());
    for (const [n, fault] of faults.entries()) {
      await submit(gateway, "odd@example.com", `X-SES-CONFIGURATION-SET: ${fault}`, tasks[n]);
    }
    const refused = (times: number) =>
      Promise.all(
        tasks.map((task) => gateway.logged("transmission.refused", times, (line) => line.task === task)),
      );
    await refused(1);
    for (let n = 0; n < 5; n++) await submit(gateway, `user${n}@example.com`);
    await gateway.logged("transmission.relayed", 5);
    await refused(3);
    expect(gateway.said("dispatch.paused")).toEqual([]);
    expect(gateway.said("transmission.reported")).toEqual([]);
  });

  test("and says so as SES would of all mail: the others wait once, for a try, and no more", async ({
    place,
  }) => {
    const { gateway } = await open(place, {
      faultOf: ({ ConfigurationSetName: set }) => (set === "odd" ? "access-denied" : undefined),
    });
    await submit(gateway, "odd@example.com", "X-SES-CONFIGURATION-SET: odd");
    await gateway.logged("dispatch.paused");
    for (let n = 0; n < 5; n++) await submit(gateway, `user${n}@example.com`);
    await gateway.logged("transmission.relayed", 5);
    await gateway.logged("transmission.set_aside");
    for (let n = 5; n < 10; n++) await submit(gateway, `user${n}@example.com`);
    await gateway.logged("transmission.relayed", 10);
  });
});

test("no right to a set: named by a mail, only it waits; named by the configuration, all wait", async ({
  place,
}) => {
  const { gateway, peer } = await open(
    place,
    { script: "access-denied-to-set" },
    { UPSTREAM_SES_CONFIGURATION_SET: "events" },
  );
  await submit(gateway, "odd@example.com", "X-SES-CONFIGURATION-SET: events");
  await gateway.logged("transmission.refused", 2);
  expect(gateway.said("dispatch.paused")).toEqual([]);
  await submit(gateway, "user@example.com");
  await gateway.logged("dispatch.paused");
  expect(JSON.stringify(gateway.said("dispatch.paused"))).toContain("configuration-set/events");
  peer.play("accept");
  await gateway.logged("transmission.relayed", 2);
  expect(gateway.said("transmission.reported")).toEqual([]);
});

test("sending paused pauses under the name that older SES gives it, and nothing is reported", async ({
  place,
}) => {
  const { gateway, peer } = await open(place, { script: "sending-paused-v1" });
  await submit(gateway, "user@example.com");
  await gateway.logged("dispatch.paused");
  peer.play("accept");
  await gateway.logged("transmission.relayed");
  expect(gateway.said("transmission.reported")).toEqual([]);
});

test("credentials that are rotated in their file are used within the pause that the old ones caused", async ({
  place,
}) => {
  const peer = await place.ses({ script: "expired-token" });
  const file = join(place.folder, "credentials");
  const write = (key: string) =>
    writeFileSync(file, `[default]\naws_access_key_id = ${key}\naws_secret_access_key = secret\n`);
  vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", undefined);
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", file);
  write("AKIAOLD");
  const gateway = await start(place, peer);
  await submit(gateway, "user@example.com");
  await gateway.logged("dispatch.paused");
  expect(peer.lastAuthorization()).toContain("AKIAOLD");
  write("AKIANEW");
  peer.play("accept");
  await gateway.logged("transmission.relayed");
  expect(peer.lastAuthorization()).toContain("AKIANEW");
});

test("what a mailer may name to SES is limited", async ({ place }) => {
  const { gateway, peer } = await open(
    place,
    {},
    { POLICY_SES_TENANTS: "acme", POLICY_SES_CONFIGURATION_SETS: "" },
  );
  expect(await submit(gateway, "user@example.com", "X-SES-TENANT: acme")).toMatch(/^250 /);
  await gateway.logged("transmission.relayed");
  expect(peer.lastCall()?.TenantName).toBe("acme");
  expect(await submit(gateway, "user@example.com", "X-SES-TENANT: other")).toBe(
    "550 5.7.1 this SES tenant is not yours to use",
  );
  expect(await submit(gateway, "user@example.com", "X-SES-CONFIGURATION-SET: any")).toMatch(/^550 5\.7\.1 /);
});

describe("what is missing is said at the start", () => {
  test("credentials", async ({ place }) => {
    const peer = await place.ses();
    vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
    const gateway = await start(place, peer);
    await gateway.logged("upstream.unusable");
    expect(gateway.said("upstream.unusable")[0]).toMatchObject({
      level: "error",
      error: expect.stringMatching(/credentials/),
    });
  });

  test("the region", async ({ place }) => {
    const peer = await place.ses();
    vi.stubEnv("AWS_REGION", undefined);
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
    const gateway = await start(place, peer);
    await gateway.logged("upstream.unusable");
    expect(gateway.said("upstream.unusable")[0]).toMatchObject({
      error: expect.stringMatching(/Region is missing/),
    });
  });

  // Each on the function that a start and `check-config --online` call; by the command and by a start one that is
  // verified, and one that is not.
  test.for([
    ["postmaster@shop.example", ["shop.example"], false],
    ["postmaster@mail.shop.example", ["shop.example"], false],
    ["postmaster@shop.example", ["postmaster@shop.example"], false],
    ["postmaster@shop.example", ["other.example"], true],
  ] as const)(
    "a sender of reports, %s, where SES has verified %j: %j",
    async ([from, identities, isSaid], { place }) => {
      const environment = environmentOf(sesAt(await place.ses({ identities })));
      const upstreams = await createUpstreams(loadConfig({ environment }), systemClock, silentLog);
      const faults = [...upstreams.values()].map((one) =>
        one.senderFault?.(from, AbortSignal.timeout(30_000)),
      );
      const expected = isSaid ? expect.stringContaining("set [notices] from") : undefined;
      expect(await Promise.all(faults)).toEqual([expected]);
      for (const upstream of upstreams.values()) await upstream.close();
    },
  );

  test.for([
    ["shop.example", false],
    ["other.example", true],
  ] as const)(
    "by a start and the command, where SES has verified %s: %j",
    async ([identity, isSaid], { place }) => {
      const from = "postmaster@shop.example";
      const { gateway, peer } = await open(place, { identities: [identity] }, { NOTICES_FROM: from });
      if (isSaid) await gateway.logged("report.sender_unverified");
      // SES has been asked by the time that a mail is relayed.
      await submit(gateway, "user@example.com");
      await gateway.logged("transmission.relayed");
      const lines = isSaid ? [expect.objectContaining({ level: "error", from })] : [];
      expect(gateway.said("report.sender_unverified")).toEqual(lines);
      const result = await run(["check-config", "--online"], { ...sesAt(peer), NOTICES_FROM: from });
      expect(result.code).toBe(isSaid ? 1 : 0);
      if (isSaid) expect(result.stderr).toContain("set [notices] from");
    },
  );

  test("and a proxy that is not used", async ({ place }) => {
    const peer = await place.ses();
    vi.stubEnv("HTTPS_PROXY", "http://127.0.0.1:9");
    const gateway = await start(place, peer);
    expect(gateway.said("proxy.ignored")).toEqual([expect.objectContaining({ variable: "HTTPS_PROXY" })]);
    await submit(gateway, "user@example.com");
    await gateway.logged("transmission.relayed");
    expect(gateway.said("upstream.unusable")).toEqual([]);
  });
});

describe("check-config --online", () => {
  const check = (settings: Settings) => run(["check-config", "--online"], settings);

  test("SES: what the account may send", async ({ place }) => {
    const peer = await place.ses();
    const { code, stdout, stderr } = await check(sesAt(peer));
    expect([code, stderr]).toEqual([0, expect.not.stringContaining("mailonce:")]);
    expect(stdout).toMatch(
      /^online: upstream: ses http.*: eu-west-1, 14 a second, 50000 of 50000 left in 24 hours$/m,
    );
    expect(peer.calls()).toBe(0);
  });

  test.for([
    ["unknown-key", 1, /UnrecognizedClientException/],
    ["access-denied", 0, /takes the credentials, and nothing more is known/],
  ] as const)("SES that says %s: exit code %d", async ([accountScript, code, text], { place }) => {
    const result = await check(sesAt(await place.ses({ accountScript })));
    expect(result.code).toBe(code);
    expect(code === 0 ? result.stdout : result.stderr).toMatch(text);
  });

  test("SES without credentials, and without a region", async ({ place }) => {
    const settings = sesAt(await place.ses());
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
    expect(await check(settings)).toMatchObject({ code: 1, stderr: expect.stringContaining("credentials") });
    vi.stubEnv("AWS_REGION", undefined);
    expect(await check(settings)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("Region is missing"),
    });
  });

  test("an SMTP server: with the right password, a wrong one, and not at all", async ({ place }) => {
    const server = await place.smtp({ auth: { username: "relay", password: "right" } });
    const settings = {
      ...{ UPSTREAM_KIND: "smtp", UPSTREAM_SMTP_HOST: "127.0.0.1", UPSTREAM_SMTP_PORT: server.port },
      ...{ UPSTREAM_SMTP_TLS: "none", UPSTREAM_SMTP_USERNAME: "relay" },
    };
    const right = await check({ ...settings, UPSTREAM_SMTP_PASSWORD: "right" });
    expect(right.code).toBe(0);
    expect(right.stdout).toMatch(/^online: upstream: smtp .*: answers, takes the password of relay$/m);
    const wrong = await check({ ...settings, UPSTREAM_SMTP_PASSWORD: "guess" });
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining("535 5.7.8") });
    expect(server.taken).toEqual([]);
    expect(server.commands.some((command) => command.startsWith("MAIL"))).toBe(false);
    await server.close();
    const away = await check({ ...settings, UPSTREAM_SMTP_PASSWORD: "right" });
    expect(away).toMatchObject({ code: 1, stderr: expect.stringContaining("ECONNREFUSED") });
  });

  test("a Maildir: nothing is made", async ({ place }) => {
    const path = join(place.folder, "some", "outbox");
    const result = await check({ DATA_DIR: place.data, UPSTREAM_MAILDIR_PATH: path });
    expect(result).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`can be made in ${place.folder}`),
    });
    writeFileSync(join(place.folder, "some"), "a file");
    const blocked = await check({ UPSTREAM_MAILDIR_PATH: path });
    // A start would refuse it too.
    expect(blocked).toMatchObject({ code: 2, stderr: expect.stringContaining("some is no folder") });
    rmSync(join(place.folder, "some"));
  });
});
