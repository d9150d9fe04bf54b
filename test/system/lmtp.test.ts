// LMTP (RFC 2033): a reply for each RCPT that was taken, in their order, each with its own verdict.
import { randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import { type Place, smtpAt, test } from "../support/place.ts";
import type { GatewayProcess, Settings } from "../support/process.ts";
import type { ScriptedSmtp, ScriptedSmtpOptions } from "../support/scripted-smtp.ts";
import { connectSmtp, type SmtpClient, taskMail } from "../support/smtp-client.ts";

interface Site {
  readonly gateway: GatewayProcess;
  readonly upstream: ScriptedSmtp;
  readonly client: SmtpClient;
}

async function open(place: Place, settings: Settings = {}, options: ScriptedSmtpOptions = {}): Promise<Site> {
  const upstream = await place.smtp(options);
  const gateway = await place.start({ SMTP_PROTOCOL: "lmtp", ...smtpAt(upstream.port), ...settings });
  const client = await connectSmtp(gateway.port, { hello: "LHLO" });
  place.atEnd(() => client.destroy());
  return { gateway, upstream, client };
}

async function submit({ client }: Site, to: readonly string[], content: string): Promise<string[]> {
  const replies = [await client.submit({ to, content })];
  while (replies.length < to.length) replies.push(await client.reply());
  return replies;
}

const [ONE, TWO, THREE] = ["one@example.com", "two@example.com", "three@example.com"] as const;
const QUEUED = expect.stringMatching(/^250 2\.0\.0 queued as [a-z2-7]{16}$/);
const REPEAT = expect.stringMatching(/^250 2\.0\.0 repeat of <[^>]+>, not relayed again$/);

describe('reply = "queued"', () => {
  test("queued or repeat, each; the connection goes on", async ({ place }) => {
    const site = await open(place);
    const task = randomUUID();
    expect(await submit(site, [ONE], taskMail(task))).toEqual([QUEUED]);
    expect(await submit(site, [TWO, ONE, THREE], taskMail(task))).toEqual([QUEUED, REPEAT, QUEUED]);
    await site.upstream.waitFor(3);
    expect(site.upstream.repeated()).toEqual([]);
    expect(await site.client.command("NOOP")).toMatch(/^250 /);
  });

  test("a recipient named twice hears twice, and gets one copy", async ({ place }) => {
    const site = await open(place);
    expect(await submit(site, [ONE, "one@EXAMPLE.com", TWO], taskMail(randomUUID()))).toEqual([
      QUEUED,
      QUEUED,
      QUEUED,
    ]);
    await site.upstream.waitFor(2);
    expect(await site.gateway.stop()).toBe(0);
    expect(site.upstream.taken).toHaveLength(2);
  });

  test("what is refused as a whole is refused for each", async ({ place }) => {
    const site = await open(place, { IDENTITY_UNKEYED: "reject" });
    const refused = expect.stringMatching(/^554 5\.6\.0 no task id/);
    expect(await submit(site, [ONE, TWO], "Subject: no task\r\n\r\nHello.\r\n")).toEqual([refused, refused]);
  });

  test("EHLO is not LMTP, and Received says what is", async ({ place }) => {
    const site = await open(place, {}, { keepContents: true });
    expect(await site.client.command("EHLO client.example")).toMatch(/^500 /);
    await submit(site, [ONE], taskMail(randomUUID()));
    await site.upstream.waitFor(1);
    expect(Buffer.from(site.upstream.taken[0]?.octets ?? []).toString()).toMatch(
      /^Received: [^;]* with LMTP\s/,
    );
  });
});

describe('reply = "relayed"', () => {
  const relayed = { SMTP_REPLY: "relayed" };

  test("each recipient's own verdict, and a retry relays what was refused for now", async ({ place }) => {
    const refusals: Record<string, string> = { [TWO]: "450 4.2.1 busy", [THREE]: "550 5.1.1 no such user" };
    const site = await open(place, relayed, {
      refuse: (recipient, time) => (time === 1 ? refusals[recipient] : undefined),
    });
    const task = randomUUID();
    expect(await submit(site, [ONE, TWO, THREE], taskMail(task))).toEqual([
      "250 2.0.0 1 relayed",
      "451 4.3.0 the upstream refused it for now, try again later",
      `554 5.0.0 refused by the upstream for ${THREE}: 550 5.1.1 no such user`,
    ]);
    expect(await submit(site, [ONE, TWO], taskMail(task))).toEqual([REPEAT, "250 2.0.0 1 relayed"]);
    expect(site.upstream.taken.map(({ recipients }) => recipients[0])).toEqual([ONE, TWO]);
  });

  test("an answer that is lost", async ({ place }) => {
    const site = await open(place, { ...relayed, LEDGER_DOUBTFUL: "hold" }, { script: "drop-before-reply" });
    const task = randomUUID();
    const doubtful = expect.stringMatching(/^451 4\.4\.2 /);
    expect(await submit(site, [ONE], taskMail(task))).toEqual([doubtful]);
    site.upstream.play("accept");
    expect(await submit(site, [TWO, ONE], taskMail(task))).toEqual(["250 2.0.0 1 relayed", doubtful]);
  });
});
