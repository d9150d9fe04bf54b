// One mail stops no other (P13), and whoever runs the gateway learns early what is wrong with its upstream.
import { randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type GatewayProcess, makeFolder, run, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSes, type ScriptedSes, type ScriptedSesOptions } from "../support/scripted-ses.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

let folder: ReturnType<typeof makeFolder>;
let gateway: GatewayProcess | undefined;
let peer: ScriptedSes | undefined;

beforeEach(() => {
  folder = makeFolder();
  vi.stubEnv("AWS_REGION", "eu-west-1");
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
});
afterEach(async () => {
  await gateway?.kill();
  gateway = undefined;
  await peer?.close();
  peer = undefined;
  folder.remove();
  vi.unstubAllEnvs();
});

async function sesSettings(options: ScriptedSesOptions = {}): Promise<Settings> {
  peer = await createScriptedSes({ keepContents: true, ...options });
  return {
    DATA_DIR: join(folder.path, "data"),
    SPOOL_RETRY_MIN: "50ms",
    SPOOL_RETRY_MAX: "200ms",
    UPSTREAM_KIND: "ses",
    UPSTREAM_SES_ENDPOINT: peer.endpoint,
  };
}

async function start(options: ScriptedSesOptions = {}, settings: Settings = {}): Promise<void> {
  gateway = await startProcess({ ...(await sesSettings(options)), ...settings });
}

async function submit(to: string, fields?: string): Promise<string> {
  const client = await connectSmtp(gateway?.port as number);
  const content = taskMail(randomUUID(), fields === undefined ? {} : { fields });
  const reply = await client.submit({ to: [to], content });
  await client.quit();
  return reply;
}

const events = (name: string) => (gateway?.lines ?? []).filter(({ event }) => event === name);

describe("a mail that SES refuses for what only this mail has", () => {
  test.each([
    "set-paused",
    "access-denied-explicitly",
    "access-denied-to-tenant",
    "access-denied-to-identity",
  ] as const)("%s: the others go, nothing pauses, and this one waits", async (fault) => {
    await start({ faultOf: ({ ConfigurationSetName: set }) => (set === "odd" ? fault : undefined) });
    await submit("odd@example.com", "X-SES-CONFIGURATION-SET: odd");
    await gateway?.logged("transmission.refused");
    for (let n = 0; n < 5; n++) await submit(`user${n}@example.com`);
    await gateway?.logged("transmission.relayed", 5);
    await gateway?.logged("transmission.refused", 3);
    expect(events("dispatch.paused")).toEqual([]);
    expect(events("transmission.reported")).toEqual([]);
  });

  test("and says so as SES would of all mail: the others wait once, for a try, and no more", async () => {
    await start({
      faultOf: ({ ConfigurationSetName: set }) => (set === "odd" ? "access-denied" : undefined),
    });
    await submit("odd@example.com", "X-SES-CONFIGURATION-SET: odd");
    await gateway?.logged("dispatch.paused");
    for (let n = 0; n < 5; n++) await submit(`user${n}@example.com`);
    await gateway?.logged("transmission.relayed", 5);
    await gateway?.logged("transmission.set_aside");
    for (let n = 5; n < 10; n++) await submit(`user${n}@example.com`);
    await gateway?.logged("transmission.relayed", 10);
  });
});

test("sending paused pauses under the name that older SES gives it, and nothing is reported", async () => {
  await start({ script: "sending-paused-v1" });
  await submit("user@example.com");
  await gateway?.logged("dispatch.paused");
  peer?.play("accept");
  await gateway?.logged("transmission.relayed");
  expect(events("transmission.reported")).toEqual([]);
});

test("credentials that are rotated in their file are used within the pause that the old ones caused", async () => {
  const file = join(folder.path, "credentials");
  const write = (key: string) =>
    writeFileSync(file, `[default]\naws_access_key_id = ${key}\naws_secret_access_key = secret\n`);
  vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", undefined);
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", file);
  write("AKIAOLD");
  await start({ script: "expired-token" });
  await submit("user@example.com");
  await gateway?.logged("dispatch.paused");
  expect(peer?.lastAuthorization()).toContain("AKIAOLD");
  write("AKIANEW");
  peer?.play("accept");
  await gateway?.logged("transmission.relayed");
  expect(peer?.lastAuthorization()).toContain("AKIANEW");
});

test("what a mailer may name to SES is limited", async () => {
  await start({}, { POLICY_SES_TENANTS: "acme", POLICY_SES_CONFIGURATION_SETS: "" });
  expect(await submit("user@example.com", "X-SES-TENANT: acme")).toMatch(/^250 /);
  await gateway?.logged("transmission.relayed");
  expect(peer?.lastCall()?.TenantName).toBe("acme");
  expect(await submit("user@example.com", "X-SES-TENANT: other")).toBe(
    "550 5.7.1 this SES tenant is not yours to use",
  );
  expect(await submit("user@example.com", "X-SES-CONFIGURATION-SET: any")).toMatch(/^550 5\.7\.1 /);
});

describe("what is missing is said at the start", () => {
  test("credentials", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
    await start();
    await gateway?.logged("upstream.unusable");
    expect(events("upstream.unusable")[0]).toMatchObject({
      level: "error",
      error: expect.stringMatching(/credentials/),
    });
  });

  test("the region", async () => {
    vi.stubEnv("AWS_REGION", undefined);
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
    await start();
    await gateway?.logged("upstream.unusable");
    expect(events("upstream.unusable")[0]).toMatchObject({
      error: expect.stringMatching(/Region is missing/),
    });
  });

  test.each([
    ["postmaster@shop.example", ["shop.example"], false],
    ["postmaster@mail.shop.example", ["shop.example"], false],
    ["postmaster@shop.example", ["postmaster@shop.example"], false],
    ["postmaster@shop.example", ["other.example"], true],
  ] as const)("a sender of reports, %s, where SES has verified %j: %j", async (from, identities, isSaid) => {
    await start({ identities }, { NOTICES_FROM: from });
    if (isSaid) {
      await gateway?.logged("report.sender_unverified");
      expect(events("report.sender_unverified")).toEqual([expect.objectContaining({ level: "error", from })]);
    }
    const result = await run(["check-config", "--online"], {
      ...{ UPSTREAM_KIND: "ses", UPSTREAM_SES_ENDPOINT: peer?.endpoint as string, NOTICES_FROM: from },
    });
    expect(result.code).toBe(isSaid ? 1 : 0);
    if (isSaid) expect(result.stderr).toContain("set [notices] from");
    else expect(events("report.sender_unverified")).toEqual([]);
  });

  test("and a proxy that is not used", async () => {
    vi.stubEnv("HTTPS_PROXY", "http://127.0.0.1:9");
    await start();
    expect(events("proxy.ignored")).toEqual([expect.objectContaining({ variable: "HTTPS_PROXY" })]);
    await submit("user@example.com");
    await gateway?.logged("transmission.relayed");
    expect(events("upstream.unusable")).toEqual([]);
  });
});

describe("check-config --online", () => {
  const check = (settings: Settings) => run(["check-config", "--online"], settings);

  test("SES: what the account may send", async () => {
    const { code, stdout, stderr } = await check(await sesSettings());
    expect([code, stderr]).toEqual([0, expect.not.stringContaining("mailonce:")]);
    expect(stdout).toMatch(
      /^online: upstream: ses http.*: eu-west-1, 14 a second, 50000 of 50000 left in 24 hours$/m,
    );
    expect(peer?.calls()).toBe(0);
  });

  test.each([
    ["unknown-key", 1, /UnrecognizedClientException/],
    ["access-denied", 0, /takes the credentials, and nothing more is known/],
  ] as const)("SES that says %s: exit code %d", async (accountScript, code, text) => {
    const result = await check(await sesSettings({ accountScript }));
    expect(result.code).toBe(code);
    expect(code === 0 ? result.stdout : result.stderr).toMatch(text);
  });

  test("SES without credentials, and without a region", async () => {
    const settings = await sesSettings();
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

  test("an SMTP server: with the right password, a wrong one, and not at all", async () => {
    const server = await createScriptedSmtp({ auth: { username: "relay", password: "right" } });
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

  test("a Maildir: nothing is made", async () => {
    const path = join(folder.path, "some", "outbox");
    const result = await check({ DATA_DIR: join(folder.path, "data"), UPSTREAM_MAILDIR_PATH: path });
    expect(result).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`can be made in ${folder.path}`),
    });
    writeFileSync(join(folder.path, "some"), "a file");
    const blocked = await check({ UPSTREAM_MAILDIR_PATH: path });
    // A start would refuse it too.
    expect(blocked).toMatchObject({ code: 2, stderr: expect.stringContaining("some is no folder") });
    rmSync(join(folder.path, "some"));
  });
});
