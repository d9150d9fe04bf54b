// LMTP (RFC 2033): a reply for each RCPT that was taken, in their order, each with its own verdict.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type GatewayProcess, makeFolder, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSmtp, type ScriptedSmtp, type ScriptedSmtpOptions } from "../support/scripted-smtp.ts";
import { connectSmtp, type SmtpClient, taskMail } from "../support/smtp-client.ts";

let folder: ReturnType<typeof makeFolder>;
let gateway: GatewayProcess;
let upstream: ScriptedSmtp;
let client: SmtpClient;

beforeEach(() => {
  folder = makeFolder();
});
afterEach(async () => {
  client.destroy();
  await gateway.kill();
  await upstream.close();
  folder.remove();
});

async function start(settings: Settings, options: ScriptedSmtpOptions = {}): Promise<void> {
  upstream = await createScriptedSmtp(options);
  gateway = await startProcess({
    DATA_DIR: join(folder.path, "data"),
    SMTP_PROTOCOL: "lmtp",
    UPSTREAM_KIND: "smtp",
    UPSTREAM_SMTP_HOST: "127.0.0.1",
    UPSTREAM_SMTP_PORT: upstream.port,
    UPSTREAM_SMTP_TLS: "none",
    ...settings,
  });
  client = await connectSmtp(gateway.port, { hello: "LHLO" });
}

async function submit(to: readonly string[], content: string): Promise<string[]> {
  const replies = [await client.submit({ to, content })];
  while (replies.length < to.length) replies.push(await client.reply());
  return replies;
}

const [ONE, TWO, THREE] = ["one@example.com", "two@example.com", "three@example.com"] as const;
const QUEUED = expect.stringMatching(/^250 2\.0\.0 queued as [a-z2-7]{16}$/);
const REPEAT = expect.stringMatching(/^250 2\.0\.0 repeat of <[^>]+>, not relayed again$/);

describe('reply = "queued"', () => {
  test("queued or repeat, each; the connection goes on", async () => {
    await start({});
    const task = randomUUID();
    expect(await submit([ONE], taskMail(task))).toEqual([QUEUED]);
    expect(await submit([TWO, ONE, THREE], taskMail(task))).toEqual([QUEUED, REPEAT, QUEUED]);
    await upstream.waitFor(3);
    expect(upstream.repeated()).toEqual([]);
    expect(await client.command("NOOP")).toMatch(/^250 /);
  });

  test("a recipient named twice hears twice, and gets one copy", async () => {
    await start({});
    expect(await submit([ONE, "one@EXAMPLE.com", TWO], taskMail(randomUUID()))).toEqual([
      QUEUED,
      QUEUED,
      QUEUED,
    ]);
    await upstream.waitFor(2);
    expect(await gateway.stop()).toBe(0);
    expect(upstream.taken).toHaveLength(2);
  });

  test("what is refused as a whole is refused for each", async () => {
    await start({ IDENTITY_UNKEYED: "reject" });
    const refused = expect.stringMatching(/^554 5\.6\.0 no task id/);
    expect(await submit([ONE, TWO], "Subject: no task\r\n\r\nHello.\r\n")).toEqual([refused, refused]);
  });

  test("EHLO is not LMTP, and Received says what is", async () => {
    await start({}, { keepContents: true });
    expect(await client.command("EHLO client.example")).toMatch(/^500 /);
    await submit([ONE], taskMail(randomUUID()));
    await upstream.waitFor(1);
    expect(Buffer.from(upstream.taken[0]?.octets ?? []).toString()).toMatch(/^Received: [^;]* with LMTP\s/);
  });
});

describe('reply = "relayed"', () => {
  const relayed = { SMTP_REPLY: "relayed" };

  test("each recipient's own verdict, and a retry relays what was refused for now", async () => {
    const refusals: Record<string, string> = { [TWO]: "450 4.2.1 busy", [THREE]: "550 5.1.1 no such user" };
    await start(relayed, { refuse: (recipient, time) => (time === 1 ? refusals[recipient] : undefined) });
    const task = randomUUID();
    expect(await submit([ONE, TWO, THREE], taskMail(task))).toEqual([
      "250 2.0.0 1 relayed",
      "451 4.3.0 the upstream refused it for now, try again later",
      `554 5.0.0 refused by the upstream for ${THREE}: 550 5.1.1 no such user`,
    ]);
    expect(await submit([ONE, TWO], taskMail(task))).toEqual([REPEAT, "250 2.0.0 1 relayed"]);
    expect(upstream.taken.map(({ recipients }) => recipients[0])).toEqual([ONE, TWO]);
  });

  test("an answer that is lost", async () => {
    await start({ ...relayed, LEDGER_DOUBTFUL: "hold" }, { script: "drop-before-reply" });
    const task = randomUUID();
    const doubtful = expect.stringMatching(/^451 4\.4\.2 /);
    expect(await submit([ONE], taskMail(task))).toEqual([doubtful]);
    upstream.play("accept");
    expect(await submit([TWO, ONE], taskMail(task))).toEqual(["250 2.0.0 1 relayed", doubtful]);
  });
});
