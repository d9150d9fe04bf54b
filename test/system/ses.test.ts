// The built gateway in front of SES: its faults, its rate, its features, and what it does not take.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type GatewayProcess, makeFolder, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSes, type ScriptedSes, type ScriptedSesOptions } from "../support/scripted-ses.ts";
import { soakSes } from "../support/ses-soak.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

let folder: ReturnType<typeof makeFolder>;
let gateway: GatewayProcess | undefined;
let peer: ScriptedSes;

beforeEach(() => {
  folder = makeFolder();
  vi.stubEnv("AWS_REGION", "eu-west-1");
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
});
afterEach(async () => {
  await gateway?.kill();
  gateway = undefined;
  await peer?.close();
  folder.remove();
  vi.unstubAllEnvs();
});

async function start(options: ScriptedSesOptions = {}, settings: Settings = {}): Promise<GatewayProcess> {
  peer = await createScriptedSes({ keepContents: true, ...options });
  gateway = await startProcess({
    DATA_DIR: join(folder.path, "data"),
    SPOOL_RETRY_MIN: "50ms",
    SPOOL_RETRY_MAX: "200ms",
    UPSTREAM_KIND: "ses",
    UPSTREAM_SES_ENDPOINT: peer.endpoint,
    ...settings,
  });
  return gateway;
}

async function submit(to: string, content: string | Uint8Array): Promise<string> {
  const client = await connectSmtp(gateway?.port as number);
  const reply = await client.submit({ to: [to], content });
  await client.quit();
  return reply;
}

const events = (name: string) => (gateway?.lines ?? []).filter(({ event }) => event === name);

describe("an SES that throttles, loses answers, fails and pauses", () => {
  test.each([0, 2])(
    "meets every message relayed or reported, none twice without a word, with %d threads",
    async (threads) => {
      const report = await soakSes({
        ...{ messages: 400, rate: 200, pauseMs: 1_000, seed: 1 },
        ...{ throttled: 0.05, lost: 0.02, failed: 0.02, rejected: 0.005 },
        settings: { SPOOL_RETRY_MIN: "50ms", UPSTREAM_SES_WORKERS: threads },
      });
      expect(report).toMatchObject({ relayed: 398, reported: 2, silent: [], pauses: 1 });
      expect(report.throttled).toBeGreaterThan(0);
      expect(report.repeated).toBeGreaterThan(0);
    },
  );
});

test("threads relay each mail once, and end with the gateway", async () => {
  await start({}, { UPSTREAM_SES_WORKERS: 2, UPSTREAM_RATE_PER_SECOND: 1_000 });
  const fields = "X-SES-MESSAGE-TAGS: bad tag";
  const tasks = Array.from({ length: 100 }, () => randomUUID());
  await Promise.all(
    ["user@example.com", "other@example.com"].map(async (to) => {
      for (const task of tasks) expect(await submit(to, taskMail(task, { fields }))).toMatch(/^250 /);
    }),
  );
  await gateway?.logged("transmission.relayed", 200);
  expect(await submit("user@example.com", taskMail(tasks[0] as string, { fields }))).toMatch(/ repeat /);
  expect(peer.calls()).toBe(200);
  expect(peer.repeated()).toEqual([]);
  expect(events("upstream.bad_tags")).toHaveLength(1);
  expect(await gateway?.stop()).toBe(0);
});

describe("an account that may send nothing", () => {
  test.each(["sending-paused", "account-suspended", "quota-exceeded"] as const)(
    "%s: one line for all, nothing refused, and nothing lost",
    async (fault) => {
      await start({ script: fault });
      for (let n = 0; n < 10; n++) await submit(`user${n}@example.com`, taskMail(randomUUID()));
      await gateway?.logged("dispatch.paused");
      if (fault === "sending-paused") {
        const before = peer.calls();
        while (peer.calls() < before + 5) await peer.struck();
        peer.play("accept");
        await gateway?.logged("transmission.relayed", 10);
        expect(events("dispatch.resumed")).toHaveLength(1);
      }
      expect(events("dispatch.paused")).toHaveLength(1);
      expect(events("transmission.refused")).toEqual([]);
      expect(events("transmission.reported")).toEqual([]);
      expect(peer.repeated()).toEqual([]);
    },
  );
});

describe("the rate", () => {
  const quota = { MaxSendRate: 50, Max24HourSend: 1_000, SentLast24Hours: 950 };

  test("is the account's, and what remains of its day is reported", async () => {
    await start({ quota, enforcesRate: true });
    for (let n = 0; n < 100; n++) await submit(`user${n}@example.com`, taskMail(randomUUID()));
    await gateway?.logged("transmission.relayed", 100);
    expect(peer.accountCalls()).toBe(1);
    expect(peer.tooFast()).toBe(0);
    expect(events("upstream.quota")).toEqual([
      expect.objectContaining({ level: "warn", rate: 50, sent: 950, max: 1_000, remaining: 50 }),
    ]);
  });

  test("that can't be read is a warning, and mail goes", async () => {
    await start({ accountScript: "access-denied" });
    await submit("user@example.com", taskMail(randomUUID()));
    await gateway?.logged("transmission.relayed");
    expect(events("upstream.quota_unreadable")).toHaveLength(1);
  });
});

describe("a message", () => {
  test("carries configuration set, tags and identity of another account to SES", async () => {
    await start(
      {},
      {
        UPSTREAM_SES_CONFIGURATION_SET: "of-all",
        UPSTREAM_SES_FROM_EMAIL_ADDRESS_IDENTITY_ARN: "arn:aws:ses:eu-west-1:111122223333:identity/a.example",
      },
    );
    const fields = "X-SES-MESSAGE-TAGS: campaign=book, bad tag\r\nX-SES-SOURCE-ARN: arn:aws:ses:forged";
    await submit("user@example.com", taskMail(randomUUID(), { fields }));
    await gateway?.logged("transmission.relayed");
    const id = peer.taken[0]?.messageId.slice(1).split("@")[0];
    expect(peer.lastCall()).toMatchObject({
      ConfigurationSetName: "of-all",
      FromEmailAddressIdentityArn: "arn:aws:ses:eu-west-1:111122223333:identity/a.example",
      EmailTags: [
        { Name: "mailonce-id", Value: id },
        { Name: "campaign", Value: "book" },
      ],
    });
    expect(events("upstream.bad_tags")).toHaveLength(1);
    expect(Buffer.from(peer.taken[0]?.octets ?? []).toString()).not.toContain("forged");
  });

  test("that names a configuration set which is not there is reported, and others go on", async () => {
    await start({ script: (number) => (number === 0 ? "not-found" : "accept") });
    const fields = "X-SES-CONFIGURATION-SET: missing";
    await submit("user@example.com", taskMail(randomUUID(), { fields }));
    await gateway?.logged("transmission.reported");
    await submit("other@example.com", taskMail(randomUUID()));
    await gateway?.logged("transmission.relayed", 2);
    expect(events("dispatch.paused")).toEqual([]);
  });

  test("throttled again and again is not kept waiting ever longer", async () => {
    await start(
      { script: (number) => (number < 6 ? "too-many-requests" : "accept") },
      { SPOOL_RETRY_MIN: "1h", SPOOL_RETRY_MAX: "2h" },
    );
    await submit("user@example.com", taskMail(randomUUID()));
    await gateway?.logged("transmission.relayed");
    expect(events("transmission.refused").map(({ retryMs }) => retryMs)).toEqual(Array(6).fill(250));
  });
});

describe("refused at submission", () => {
  test("a line of more than 998 octets", async () => {
    await start();
    const line = (octets: number) => `${"x".repeat(octets)}\r\n`;
    expect(await submit("user@example.com", taskMail(randomUUID(), { body: line(999) }))).toBe(
      "554 5.6.0 a line is longer than 998 octets, which the upstream does not take",
    );
    expect(await submit("user@example.com", taskMail(randomUUID(), { body: line(998) }))).toMatch(/^250 /);
  });

  test("a message that would be more than 40 MB in base64", async () => {
    await start();
    const client = await connectSmtp(gateway?.port as number);
    expect(await client.command("MAIL FROM:<app@sender.example> SIZE=30000001")).toMatch(/^552 5\.3\.4/);
    await client.command("RSET");
    const body = `${"x".repeat(98)}\r\n`.repeat(300_000);
    expect(await client.submit({ to: ["user@example.com"], content: taskMail(randomUUID(), { body }) })).toBe(
      "552 5.3.4 message larger than 30000000 octets",
    );
    await client.quit();
  });

  test("a local-part outside ASCII, which a domain outside ASCII is not", async () => {
    await start();
    const client = await connectSmtp(gateway?.port as number);
    expect(await client.command("EHLO client.example")).not.toContain("SMTPUTF8");
    client.write(Buffer.from("MAIL FROM:<müller@sender.example>\r\n"));
    expect(await client.reply()).toMatch(/^553 5\.6\.7 /);
    expect(await client.command("MAIL FROM:<app@sender.example>")).toMatch(/^250/);
    client.write(Buffer.from("RCPT TO:<jürgen@example.com>\r\n"));
    expect(await client.reply()).toMatch(/^553 5\.6\.7 /);
    expect(await client.command("RCPT TO:<user@xn--bcher-kva.example>")).toMatch(/^250/);
    await client.quit();
  });
});
