// What the reverse-path is told, and what it asked to be told (RFC 3461): handed on where the upstream reports
// to senders itself, honoured in our own notices where it does not. Nothing is reported twice.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bounceParser, failuresIn } from "../support/bounce-parser.ts";
import { freePort } from "../support/peers.ts";
import { type GatewayProcess, makeFolder, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSmtp, type ScriptedSmtp, type ScriptedSmtpOptions } from "../support/scripted-smtp.ts";
import { connectSmtp, type Mail, taskMail } from "../support/smtp-client.ts";

let folder: ReturnType<typeof makeFolder>;
let gateway: GatewayProcess;
let upstream: ScriptedSmtp;

beforeEach(() => {
  folder = makeFolder();
});
afterEach(async () => {
  await gateway.kill();
  await upstream.close();
  folder.remove();
});

const unknown = {
  refuse: (recipient: string) => (recipient === GONE ? "550 5.1.1 user unknown" : undefined),
};
const GONE = "gone@example.com";
const DSN = { extensions: ["PIPELINING", "8BITMIME", "DSN"] };

async function serve(options: ScriptedSmtpOptions, settings: Settings = {}): Promise<void> {
  upstream = await createScriptedSmtp({ keepContents: true, ...options });
  await start({ UPSTREAM_SMTP_PORT: upstream.port, ...settings });
}

async function start(settings: Settings): Promise<void> {
  gateway = await startProcess({
    DATA_DIR: join(folder.path, "data"),
    SPOOL_RETRY_MIN: "20ms",
    SPOOL_RETRY_MAX: "40ms",
    UPSTREAM_KIND: "smtp",
    UPSTREAM_SMTP_HOST: "127.0.0.1",
    UPSTREAM_SMTP_TLS: "none",
    ...settings,
  });
}

async function submit(mail: Partial<Mail>): Promise<string> {
  const client = await connectSmtp(gateway.port);
  const reply = await client.submit({ to: [GONE], content: taskMail(randomUUID()), ...mail });
  await client.quit();
  return reply;
}

/** The one notice that the upstream has taken, as text. */
async function notice(): Promise<string> {
  await upstream.waitFor(1);
  const notices = upstream.taken.filter(({ reversePath }) => reversePath === "");
  expect(notices.map(({ recipients }) => recipients)).toEqual([["app@sender.example"]]);
  return Buffer.from(notices[0]?.octets ?? []).toString("latin1");
}

const reported = () => gateway.lines.filter(({ event }) => event === "transmission.reported");
/** A stop ends attempts under way first, and a start would find what is left. */
async function expectEmptySpool(): Promise<void> {
  expect(await gateway.stop()).toBe(0);
  await start({ UPSTREAM_SMTP_PORT: upstream.port });
  expect(gateway.lines.some(({ event }) => event === "spool.recovered")).toBe(false);
}

describe("an upstream that offers DSN", () => {
  const parameters = "RET=HDRS ENVID=order+2B4711";
  const recipientParameters = "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Alias+2Btag@example.com";

  test("is handed what was asked, also after a restart", async () => {
    const port = await freePort();
    await start({ UPSTREAM_SMTP_PORT: port });
    await submit({ to: ["user@example.com"], parameters, recipientParameters });
    await gateway.logged("dispatch.paused");
    await gateway.kill();
    await serve({ ...DSN, port });
    await gateway.logged("transmission.relayed");
    expect(upstream.commands).toContain(`MAIL FROM:<app@sender.example> ${parameters}`);
    expect(upstream.commands).toContain(`RCPT TO:<user@example.com> ${recipientParameters}`);
    // From here on it is the upstream that reports.
    await expectEmptySpool();
    expect(upstream.taken).toHaveLength(1);
  });

  test("mail without parameters goes without", async () => {
    await serve(DSN);
    await submit({ to: ["user@example.com"] });
    await upstream.waitFor(1);
    expect(upstream.commands).toContain("RCPT TO:<user@example.com>");
  });

  test("that refuses: it is for us to report", async () => {
    await serve({ ...DSN, ...unknown });
    await submit({ recipientParameters });
    await gateway.logged("transmission.reported");
    expect(reported()[0]?.notice).toBe("none");
    await submit({ recipientParameters: "NOTIFY=FAILURE" });
    expect(await notice()).toContain("Action: failed\r\n");
    expect(upstream.commands).toContain("RCPT TO:<app@sender.example> NOTIFY=NEVER");
  });
});

describe("an upstream that does not offer DSN", () => {
  test("gets none of the parameters", async () => {
    await serve({});
    await submit({ to: ["user@example.com"], parameters: "RET=FULL", recipientParameters: "NOTIFY=FAILURE" });
    await upstream.waitFor(1);
    expect(upstream.commands.slice(1, 3)).toEqual([
      "MAIL FROM:<app@sender.example>",
      "RCPT TO:<user@example.com>",
    ]);
  });

  test("NOTIFY=NEVER: no notice of a failure", async () => {
    await serve(unknown);
    await submit({ recipientParameters: "NOTIFY=NEVER" });
    await gateway.logged("transmission.reported");
    expect(reported()[0]?.notice).toBe("none");
    await expectEmptySpool();
    expect(upstream.taken).toEqual([]);
  });

  test("NOTIFY=SUCCESS: told that nobody further on will tell", async () => {
    await serve({});
    await submit({ to: ["user@example.com"], recipientParameters: "NOTIFY=SUCCESS" });
    await upstream.waitFor(2);
    const text = await notice();
    expect(text).toContain("Action: relayed\r\n");
    expect(text).toContain("Final-Recipient: rfc822; user@example.com\r\n");
  });

  test("ENVID and ORCPT come back", async () => {
    await serve(unknown);
    await submit({
      parameters: "ENVID=order+2B4711",
      recipientParameters: "ORCPT=rfc822;Alias+2Btag@example.com",
    });
    const text = await notice();
    expect(text).toContain("Original-Envelope-Id: order+4711\r\n");
    expect(text).toContain("Original-Recipient: rfc822; Alias+tag@example.com\r\n");
  });

  test.each([
    ["RET=FULL: the whole message comes back", "RET=FULL", "Hello.\r\n", "message/rfc822"],
    ["RET=HDRS: the header does", "RET=HDRS", "Hello.\r\n", "text/rfc822-headers"],
    ["neither: the header does", "", "Hello.\r\n", "text/rfc822-headers"],
    ["RET=FULL, but 8-bit", "RET=FULL", "Gr\u00fc\u00dfe\r\n", "text/rfc822-headers"],
    ["RET=FULL, but large", "RET=FULL", "Hello.\r\n".repeat(40_000), "text/rfc822-headers"],
  ])("%s", async (_, parameters, body, type) => {
    await serve(unknown);
    await submit({ content: taskMail(randomUUID(), { body }), parameters });
    const text = await notice();
    expect(text).toContain(`Content-Type: ${type}\r\n`);
    expect(text.includes("Hello.")).toBe(type === "message/rfc822");
    expect(text).toContain("Subject: News\r\n");
  });
});

test.skipIf(bounceParser === undefined)(
  "a bounce parser sees a permanent failure of the recipient",
  async () => {
    await serve(unknown);
    await submit({});
    expect(failuresIn(Buffer.from(await notice(), "latin1"))).toEqual([[], [GONE]]);
  },
);

test("a null reverse-path is not told", async () => {
  await serve(unknown);
  await submit({ from: "" });
  await gateway.logged("transmission.reported");
  await expectEmptySpool();
  expect(upstream.taken).toEqual([]);
});

test("killed after the failure, before its notice is relayed: reported once", async () => {
  await serve({ script: (number) => (number === 0 ? "refuse-rcpt-5" : "hang-at-mail") });
  const struck = upstream.struck().then(() => upstream.struck());
  await submit({});
  await struck;
  await gateway.kill();
  upstream.play("accept");
  await start({ UPSTREAM_SMTP_PORT: upstream.port });
  await notice();
  await expectEmptySpool();
  expect(upstream.taken).toHaveLength(1);
});

describe("[spool] delay_warning", () => {
  const late = { SPOOL_DELAY_WARNING: "1ms" };
  const busy = (times: number) => ({
    refuse: (to: string, time: number) =>
      to === GONE && time <= times ? "450 4.2.1 mailbox busy" : undefined,
  });

  test("one warning while it is tried, over a restart too, and the mail once", async () => {
    await serve(busy(8), late);
    await submit({});
    const text = await notice();
    expect(text).toContain("\r\nAction: delayed\r\nStatus: 4.2.1\r\n");
    expect(text).toContain("\r\nWill-Retry-Until: ");
    await gateway.logged("transmission.relayed");
    await gateway.kill();
    await start({ UPSTREAM_SMTP_PORT: upstream.port, ...late });
    await upstream.waitFor(2);
    expect(upstream.taken.map(({ recipients }) => recipients[0])).toEqual(["app@sender.example", GONE]);
    await expectEmptySpool();
    expect(upstream.taken).toHaveLength(2);
  });

  test("not for NOTIFY without DELAY", async () => {
    await serve(busy(3), late);
    await submit({ recipientParameters: "NOTIFY=FAILURE" });
    await gateway.logged("transmission.relayed");
    await expectEmptySpool();
    expect(upstream.taken.map(({ recipients }) => recipients[0])).toEqual([GONE]);
  });

  test("off unless it is set", async () => {
    await serve(busy(3));
    await submit({});
    await gateway.logged("transmission.relayed");
    await expectEmptySpool();
    expect(upstream.taken).toHaveLength(1);
  });
});
