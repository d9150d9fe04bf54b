// The built gateway in front of SES: its faults, its rate, its features, and what it does not take.
import { randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import { type Place, sesAt, test as testWithPlace } from "../support/place.ts";
import type { GatewayProcess, Settings } from "../support/process.ts";
import type { ScriptedSes, ScriptedSesOptions } from "../support/scripted-ses.ts";
import { soakSes } from "../support/ses-soak.ts";
import { connectSmtp, submitMail, taskMail } from "../support/smtp-client.ts";

interface Site {
  readonly gateway: GatewayProcess;
  readonly peer: ScriptedSes;
}

async function open(place: Place, options: ScriptedSesOptions = {}, settings: Settings = {}): Promise<Site> {
  const peer = await place.ses(options);
  const retry = { SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "200ms" };
  return { peer, gateway: await place.start({ ...retry, ...sesAt(peer), ...settings }) };
}

/** With one gateway for what is refused at submission. */
const test = testWithPlace.extend("site", { scope: "file" }, ({ shared }) => open(shared));

const submit = ({ port }: GatewayProcess, to: string, content: string | Uint8Array): Promise<string> =>
  submitMail(port, { to: [to], content });

test("an SES that throttles, loses answers, fails and pauses: every message relayed or reported, none twice without a word", async ({
  place,
}) => {
  // It has a folder and an SES of its own; the credentials are from here.
  await place.ses();
  const report = await soakSes({
    ...{ messages: 400, rate: 200, pauseMs: 1_000, seed: 1 },
    ...{ throttled: 0.05, lost: 0.02, failed: 0.02, rejected: 0.005 },
    settings: { SPOOL_RETRY_MIN: "50ms" },
  });
  expect(report).toMatchObject({ relayed: 398, reported: 2, silent: [], pauses: 1 });
  expect(report.throttled).toBeGreaterThan(0);
  expect(report.repeated).toBeGreaterThan(0);
});

test("many mails at once: each once, and bad tags are said once; threads, which were a setting, are ignored", async ({
  place,
}) => {
  const { gateway, peer } = await open(
    place,
    {},
    { UPSTREAM_SES_WORKERS: 2, UPSTREAM_RATE_PER_SECOND: 1_000 },
  );
  const fields = "X-SES-MESSAGE-TAGS: bad tag";
  const tasks = Array.from({ length: 100 }, () => randomUUID());
  await Promise.all(
    ["user@example.com", "other@example.com"].map(async (to) => {
      const client = await connectSmtp(gateway.port);
      for (const task of tasks) {
        expect(await client.submit({ to: [to], content: taskMail(task, { fields }) })).toMatch(/^250 /);
      }
      await client.quit();
    }),
  );
  await gateway.logged("transmission.relayed", 200);
  expect(await submit(gateway, "user@example.com", taskMail(tasks[0] as string, { fields }))).toMatch(
    / repeat /,
  );
  expect(peer.calls()).toBe(200);
  expect(peer.repeated()).toEqual([]);
  expect(gateway.said("upstream.bad_tags")).toHaveLength(1);
  expect(await gateway.stop()).toBe(0);
});

describe("an account that may send nothing", () => {
  test.for(["sending-paused", "account-suspended", "quota-exceeded"] as const)(
    "%s: one line for all, nothing refused, and nothing lost",
    async (fault, { place }) => {
      const { gateway, peer } = await open(place, { script: fault });
      for (let n = 0; n < 10; n++) await submit(gateway, `user${n}@example.com`, taskMail(randomUUID()));
      await gateway.logged("dispatch.paused");
      if (fault === "sending-paused") {
        const before = peer.calls();
        while (peer.calls() < before + 5) await peer.struck();
        peer.play("accept");
        await gateway.logged("transmission.relayed", 10);
        expect(gateway.said("dispatch.resumed")).toHaveLength(1);
      }
      expect(gateway.said("dispatch.paused")).toHaveLength(1);
      expect(gateway.said("transmission.refused")).toEqual([]);
      expect(gateway.said("transmission.reported")).toEqual([]);
      expect(peer.repeated()).toEqual([]);
    },
  );
});

describe("the rate", () => {
  const quota = { MaxSendRate: 50, Max24HourSend: 1_000, SentLast24Hours: 950 };

  test("is the account's, and what remains of its day is reported", async ({ place }) => {
    const { gateway, peer } = await open(place, { quota, enforcesRate: true });
    const client = await connectSmtp(gateway.port);
    for (let n = 0; n < 100; n++) {
      await client.submit({ to: [`user${n}@example.com`], content: taskMail(randomUUID()) });
    }
    await client.quit();
    await gateway.logged("transmission.relayed", 100);
    expect(peer.accountCalls()).toBe(1);
    expect(peer.tooFast()).toBe(0);
    expect(gateway.said("upstream.quota")).toEqual([
      expect.objectContaining({ level: "warn", rate: 50, sent: 950, max: 1_000, remaining: 50 }),
    ]);
  });

  test("that can't be read is a warning, and mail goes", async ({ place }) => {
    const { gateway } = await open(place, { accountScript: "access-denied" });
    await submit(gateway, "user@example.com", taskMail(randomUUID()));
    await gateway.logged("transmission.relayed");
    expect(gateway.said("upstream.quota_unreadable")).toHaveLength(1);
  });
});

describe("a message", () => {
  test("carries configuration set, tags and identity of another account to SES", async ({ place }) => {
    const { gateway, peer } = await open(
      place,
      {},
      {
        UPSTREAM_SES_CONFIGURATION_SET: "of-all",
        UPSTREAM_SES_FROM_EMAIL_ADDRESS_IDENTITY_ARN: "arn:aws:ses:eu-west-1:111122223333:identity/a.example",
      },
    );
    const fields = "X-SES-MESSAGE-TAGS: campaign=book, bad tag\r\nX-SES-SOURCE-ARN: arn:aws:ses:forged";
    await submit(gateway, "user@example.com", taskMail(randomUUID(), { fields }));
    await gateway.logged("transmission.relayed");
    const id = peer.taken[0]?.messageId.slice(1).split("@")[0];
    expect(peer.lastCall()).toMatchObject({
      ConfigurationSetName: "of-all",
      FromEmailAddressIdentityArn: "arn:aws:ses:eu-west-1:111122223333:identity/a.example",
      EmailTags: [
        { Name: "mailonce-id", Value: id },
        { Name: "mailonce-ledger", Value: expect.stringMatching(/^[a-z2-7]{16}$/) },
        { Name: "campaign", Value: "book" },
      ],
    });
    expect(gateway.said("upstream.bad_tags")).toHaveLength(1);
    expect(Buffer.from(peer.taken[0]?.octets ?? []).toString()).not.toContain("forged");
  });

  test("names its ledger to SES, and a restart names the same", async ({ place }) => {
    const { gateway, peer } = await open(place);
    const named = () => peer.lastCall()?.EmailTags?.find(({ Name }) => Name === "mailonce-ledger")?.Value;
    await submit(gateway, "user@example.com", taskMail(randomUUID()));
    await gateway.logged("transmission.relayed");
    const name = named();
    expect(name).toMatch(/^[a-z2-7]{16}$/);
    await gateway.stop();
    const again = await place.start(sesAt(peer));
    await submit(again, "user@example.com", taskMail(randomUUID()));
    await again.logged("transmission.relayed");
    expect(peer.calls()).toBe(2);
    expect(named()).toBe(name);
  });

  test("that names a configuration set which is not there is reported, and others go on", async ({
    place,
  }) => {
    const { gateway } = await open(place, {
      script: (number) => (number === 0 ? "not-found" : "accept"),
    });
    const fields = "X-SES-CONFIGURATION-SET: missing";
    await submit(gateway, "user@example.com", taskMail(randomUUID(), { fields }));
    await gateway.logged("transmission.reported");
    await submit(gateway, "other@example.com", taskMail(randomUUID()));
    await gateway.logged("transmission.relayed", 2);
    expect(gateway.said("dispatch.paused")).toEqual([]);
  });

  test("throttled again and again is not kept waiting ever longer", async ({ place }) => {
    const { gateway } = await open(
      place,
      { script: (number) => (number < 6 ? "too-many-requests" : "accept") },
      { SPOOL_RETRY_MIN: "1h", SPOOL_RETRY_MAX: "2h" },
    );
    await submit(gateway, "user@example.com", taskMail(randomUUID()));
    await gateway.logged("transmission.relayed");
    expect(gateway.said("transmission.refused").map(({ retryMs }) => retryMs)).toEqual(Array(6).fill(250));
  });
});

describe("refused at submission", () => {
  test("a line of more than 998 octets", async ({ site: { gateway } }) => {
    const line = (octets: number) => `${"x".repeat(octets)}\r\n`;
    expect(await submit(gateway, "user@example.com", taskMail(randomUUID(), { body: line(999) }))).toBe(
      "554 5.6.0 a line is longer than 998 octets, which the upstream does not take",
    );
    expect(await submit(gateway, "user@example.com", taskMail(randomUUID(), { body: line(998) }))).toMatch(
      /^250 /,
    );
  });

  test("a message that would be more than 40 MB in base64", async ({ site: { gateway } }) => {
    const client = await connectSmtp(gateway.port);
    expect(await client.command("MAIL FROM:<app@sender.example> SIZE=30000001")).toMatch(/^552 5\.3\.4/);
    await client.command("RSET");
    const body = `${"x".repeat(98)}\r\n`.repeat(300_000);
    expect(await client.submit({ to: ["user@example.com"], content: taskMail(randomUUID(), { body }) })).toBe(
      "552 5.3.4 message larger than 30000000 octets",
    );
    await client.quit();
  });

  test("a local-part outside ASCII, which a domain outside ASCII is not", async ({ site: { gateway } }) => {
    const client = await connectSmtp(gateway.port);
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
