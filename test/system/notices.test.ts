// What the reverse-path is told, and what it asked to be told (RFC 3461): handed on where the upstream reports
// to senders itself, honoured in our own notices where it does not. Nothing is reported twice.
import { randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import { bounceParser, failuresIn } from "../support/bounce-parser.ts";
import { freePort } from "../support/peers.ts";
import { type Place, smtpAt, test as testWithPlace } from "../support/place.ts";
import type { GatewayProcess, Settings } from "../support/process.ts";
import type { ScriptedSmtp, ScriptedSmtpOptions } from "../support/scripted-smtp.ts";
import { type Mail, submitMail, taskMail } from "../support/smtp-client.ts";

const unknown = {
  refuse: (recipient: string) => (recipient === GONE ? "550 5.1.1 user unknown" : undefined),
};
const GONE = "gone@example.com";
const DSN = { extensions: ["PIPELINING", "8BITMIME", "DSN"] };

interface Site {
  readonly gateway: GatewayProcess;
  readonly upstream: ScriptedSmtp;
}

const start = (place: Place, port: number, settings: Settings = {}): Promise<GatewayProcess> =>
  place.start({ SPOOL_RETRY_MIN: "20ms", SPOOL_RETRY_MAX: "40ms", ...smtpAt(port), ...settings });

async function open(place: Place, options: ScriptedSmtpOptions = {}, settings: Settings = {}): Promise<Site> {
  const upstream = await place.smtp({ keepContents: true, ...options });
  return { upstream, gateway: await start(place, upstream.port, settings) };
}

/** `site` is one gateway for tests that each have a sender of their own; its upstream refuses one recipient. */
const test = testWithPlace.extend("site", { scope: "file" }, ({ shared }) => open(shared, unknown));

const submit = ({ gateway }: Site, mail: Partial<Mail>): Promise<string> =>
  submitMail(gateway.port, { to: [GONE], content: taskMail(randomUUID()), ...mail });

const nextSender = (): string => `${randomUUID()}@sender.example`;

/** The one notice for the sender that the upstream has taken, as text. */
async function notice({ upstream }: Site, sender = "app@sender.example"): Promise<string> {
  const notices = () =>
    upstream.taken.filter(({ reversePath, recipients }) => reversePath === "" && recipients.includes(sender));
  while (notices().length === 0) await upstream.waitFor(upstream.taken.length + 1);
  expect(notices().map(({ recipients }) => recipients)).toEqual([[sender]]);
  return Buffer.from(notices()[0]?.octets ?? []).toString("latin1");
}

/** A stop ends attempts under way first, and a start would find what is left. */
async function expectEmptySpool(place: Place, { gateway, upstream }: Site): Promise<void> {
  expect(await gateway.stop()).toBe(0);
  expect((await start(place, upstream.port)).said("spool.recovered")).toEqual([]);
}

describe("an upstream that offers DSN", () => {
  const parameters = "RET=HDRS ENVID=order+2B4711";
  const recipientParameters = "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Alias+2Btag@example.com";

  test("is handed what was asked, also after a restart", async ({ place }) => {
    const port = await freePort();
    const before = await start(place, port);
    await submitMail(before.port, {
      ...{ to: ["user@example.com"], content: taskMail(randomUUID()), parameters, recipientParameters },
    });
    await before.logged("dispatch.paused");
    await before.kill();
    const site = await open(place, { ...DSN, port });
    const { gateway, upstream } = site;
    await gateway.logged("transmission.relayed");
    expect(upstream.commands).toContain(`MAIL FROM:<app@sender.example> ${parameters}`);
    expect(upstream.commands).toContain(`RCPT TO:<user@example.com> ${recipientParameters}`);
    // From here on it is the upstream that reports.
    await expectEmptySpool(place, site);
    expect(upstream.taken).toHaveLength(1);
  });

  test("mail without parameters goes without; what it refuses is for us to report", async ({ place }) => {
    const site = await open(place, { ...DSN, ...unknown });
    const { gateway, upstream } = site;
    await submit(site, { to: ["user@example.com"] });
    await upstream.waitFor(1);
    expect(upstream.commands).toContain("RCPT TO:<user@example.com>");
    await submit(site, { recipientParameters });
    await gateway.logged("transmission.reported");
    expect(gateway.said("transmission.reported")[0]?.notice).toBe("none");
    await submit(site, { recipientParameters: "NOTIFY=FAILURE" });
    expect(await notice(site)).toContain("Action: failed\r\n");
    expect(upstream.commands).toContain("RCPT TO:<app@sender.example> NOTIFY=NEVER");
  });
});

describe("an upstream that does not offer DSN", () => {
  test("gets none of the parameters", async ({ place }) => {
    const site = await open(place);
    const { upstream } = site;
    await submit(site, {
      to: ["user@example.com"],
      parameters: "RET=FULL",
      recipientParameters: "NOTIFY=FAILURE",
    });
    await upstream.waitFor(1);
    expect(upstream.commands.slice(1, 3)).toEqual([
      "MAIL FROM:<app@sender.example>",
      "RCPT TO:<user@example.com>",
    ]);
  });

  test("NOTIFY=NEVER, or a null reverse-path: no notice of a failure", async ({ place }) => {
    const site = await open(place, unknown);
    const { gateway, upstream } = site;
    await submit(site, { recipientParameters: "NOTIFY=NEVER" });
    await submit(site, { from: "" });
    await gateway.logged("transmission.reported", 2);
    const notices = gateway.said("transmission.reported").map((line) => line.notice);
    expect(notices).toEqual(["none", "none"]);
    await expectEmptySpool(place, site);
    expect(upstream.taken).toEqual([]);
  });

  test("NOTIFY=SUCCESS: told that nobody further on will tell", async ({ site }) => {
    const from = nextSender();
    await submit(site, { from, to: ["user@example.com"], recipientParameters: "NOTIFY=SUCCESS" });
    const text = await notice(site, from);
    expect(text).toContain("Action: relayed\r\n");
    expect(text).toContain("Final-Recipient: rfc822; user@example.com\r\n");
  });

  test("ENVID and ORCPT come back", async ({ site }) => {
    const from = nextSender();
    await submit(site, {
      from,
      parameters: "ENVID=order+2B4711",
      recipientParameters: "ORCPT=rfc822;Alias+2Btag@example.com",
    });
    const text = await notice(site, from);
    expect(text).toContain("Original-Envelope-Id: order+4711\r\n");
    expect(text).toContain("Original-Recipient: rfc822; Alias+tag@example.com\r\n");
  });

  test.for([
    ["RET=FULL: the whole message comes back", "RET=FULL", "Hello.\r\n", "message/rfc822"],
    ["RET=HDRS: the header does", "RET=HDRS", "Hello.\r\n", "text/rfc822-headers"],
    ["neither: the header does", "", "Hello.\r\n", "text/rfc822-headers"],
    ["RET=FULL, but 8-bit", "RET=FULL", "Gr\u00fc\u00dfe\r\n", "text/rfc822-headers"],
    ["RET=FULL, but large", "RET=FULL", "Hello.\r\n".repeat(40_000), "text/rfc822-headers"],
  ] as const)("%s", async ([_, parameters, body, type], { site }) => {
    const from = nextSender();
    await submit(site, { from, content: taskMail(randomUUID(), { body }), parameters });
    const text = await notice(site, from);
    expect(text).toContain(`Content-Type: ${type}\r\n`);
    expect(text.includes("Hello.")).toBe(type === "message/rfc822");
    expect(text).toContain("Subject: News\r\n");
  });
});

test.skipIf(bounceParser === undefined)(
  "a bounce parser sees a permanent failure of the recipient",
  async ({ site }) => {
    const from = nextSender();
    await submit(site, { from });
    expect(failuresIn(Buffer.from(await notice(site, from), "latin1"))).toEqual([[], [GONE]]);
  },
);

test("killed after the failure, before its notice is relayed: reported once", async ({ place }) => {
  const script = (number: number) => (number === 0 ? "refuse-rcpt-5" : "hang-at-mail");
  const site = await open(place, { script });
  const { upstream } = site;
  const struck = upstream.struck().then(() => upstream.struck());
  await submit(site, {});
  await struck;
  await site.gateway.kill();
  upstream.play("accept");
  const again = { upstream, gateway: await start(place, upstream.port) };
  await notice(again);
  await expectEmptySpool(place, again);
  expect(upstream.taken).toHaveLength(1);
});

describe("[spool] delay_warning", () => {
  const late = { SPOOL_DELAY_WARNING: "1ms" };
  const busy = (times: number) => ({
    refuse: (to: string, time: number) =>
      to === GONE && time <= times ? "450 4.2.1 mailbox busy" : undefined,
  });

  test("one warning while it is tried, over a restart too, and the mail once", async ({ place }) => {
    const site = await open(place, busy(8), late);
    const { gateway, upstream } = site;
    await submit(site, {});
    const text = await notice(site);
    expect(text).toContain("\r\nAction: delayed\r\nStatus: 4.2.1\r\n");
    expect(text).toContain("\r\nWill-Retry-Until: ");
    await gateway.logged("transmission.relayed");
    await gateway.kill();
    const again = { upstream, gateway: await start(place, upstream.port, late) };
    await upstream.waitFor(2);
    expect(upstream.taken.map(({ recipients }) => recipients[0])).toEqual(["app@sender.example", GONE]);
    await expectEmptySpool(place, again);
    expect(upstream.taken).toHaveLength(2);
  });

  test("not for NOTIFY without DELAY", async ({ place }) => {
    const site = await open(place, busy(3), late);
    const { gateway, upstream } = site;
    await submit(site, { recipientParameters: "NOTIFY=FAILURE" });
    await gateway.logged("transmission.relayed");
    await expectEmptySpool(place, site);
    expect(upstream.taken.map(({ recipients }) => recipients[0])).toEqual([GONE]);
  });

  test("off unless it is set", async ({ place }) => {
    const site = await open(place, busy(3));
    const { gateway, upstream } = site;
    await submit(site, {});
    await gateway.logged("transmission.relayed");
    await expectEmptySpool(place, site);
    expect(upstream.taken).toHaveLength(1);
  });
});
