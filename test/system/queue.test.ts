// Between 250 and the upstream: what is accepted is kept, relayed when it can be, reported when it can't,
// and never twice.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../support/peers.ts";
import { type GatewayProcess, makeFolder, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSmtp, type ScriptedSmtp, type ScriptedSmtpOptions } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

let folder: ReturnType<typeof makeFolder>;
let gateway: GatewayProcess | undefined;
let upstream: ScriptedSmtp | undefined;

beforeEach(() => {
  folder = makeFolder();
});
afterEach(async () => {
  await gateway?.kill();
  await upstream?.close();
  gateway = undefined;
  upstream = undefined;
  folder.remove();
});

async function serve(options: ScriptedSmtpOptions = {}): Promise<ScriptedSmtp> {
  upstream = await createScriptedSmtp(options);
  return upstream;
}

async function start(port: number, settings: Settings = {}): Promise<GatewayProcess> {
  gateway = await startProcess({
    DATA_DIR: join(folder.path, "data"),
    SPOOL_RETRY_MIN: "50ms",
    SPOOL_RETRY_MAX: "200ms",
    UPSTREAM_KIND: "smtp",
    UPSTREAM_SMTP_HOST: "127.0.0.1",
    UPSTREAM_SMTP_PORT: port,
    UPSTREAM_SMTP_TLS: "none",
    ...settings,
  });
  return gateway;
}

async function submit(to: readonly string[], content: string | Uint8Array): Promise<string> {
  const client = await connectSmtp(gateway?.port as number);
  const reply = await client.submit({ to, content });
  await client.quit();
  return reply;
}

const residentBytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

test("upstream down: accepted, kept over a restart and a kill, relayed once when it is back", async () => {
  const port = await freePort();
  await start(port);
  const task = randomUUID();
  for (let n = 0; n < 20; n++) await submit([`user${n}@example.com`], taskMail(task));
  await gateway?.logged("dispatch.paused");
  await gateway?.stop();
  await start(port);
  for (let n = 20; n < 40; n++) await submit([`user${n}@example.com`], taskMail(task));
  for (let n = 0; n < 40; n++) {
    expect(await submit([`user${n}@example.com`], taskMail(task))).toContain("repeat of");
  }
  await gateway?.kill();
  upstream = await createScriptedSmtp({ port });
  await start(port);
  await gateway?.logged("transmission.relayed", 40);
  expect(upstream.counts().size).toBe(40);
  expect(upstream.repeated()).toEqual([]);
});

test("a message of 30 MB arrives octet for octet, and 10 held in the queue are not held in memory", async () => {
  const port = await freePort();
  const { pid } = await start(port);
  const line = `${randomBytes(57).toString("base64")}\r\n`;
  const body = line.repeat(Math.ceil(30_000_000 / line.length));
  const task = randomUUID();
  expect(await submit(["user0@example.com"], taskMail(task, { body }))).toContain("queued as");
  const before = residentBytes(pid);
  for (let n = 1; n <= 10; n++) await submit([`user${n}@example.com`], taskMail(task, { body }));
  expect(residentBytes(pid) - before).toBeLessThan(100_000_000);

  upstream = await createScriptedSmtp({ port, keepContents: true });
  await upstream.waitFor(11);
  const digest = (octets: string | Uint8Array) => createHash("sha256").update(octets).digest("hex");
  for (const { octets } of upstream.taken) {
    const content = Buffer.from(octets);
    expect(digest(content.subarray(content.indexOf("\r\n\r\n") + 4))).toBe(digest(body));
  }
  expect(upstream.repeated()).toEqual([]);
});

test("refused for now: tried again until it is taken", async () => {
  await serve({ script: (number) => (number < 3 ? "refuse-rcpt-4" : "accept") });
  await start(upstream?.port as number);
  await submit(["user@example.com"], taskMail(randomUUID()));
  await gateway?.logged("transmission.refused", 3);
  await gateway?.logged("transmission.relayed");
  expect(upstream?.taken).toHaveLength(1);
});

test("refused for good: reported to the reverse-path, once, and the task may be submitted again", async () => {
  await serve({ script: (number) => (number === 0 ? "refuse-rcpt-5" : "accept"), keepContents: true });
  await start(upstream?.port as number);
  const task = randomUUID();
  await submit(["user@example.com"], taskMail(task));
  await upstream?.waitFor(1);
  const notice = upstream?.taken[0];
  expect(notice?.reversePath).toBe("");
  expect(notice?.recipients).toEqual(["app@sender.example"]);
  const text = Buffer.from(notice?.octets ?? []).toString("latin1");
  expect(text).toContain("Final-Recipient: rfc822; user@example.com\r\n");
  expect(text).toContain("Action: failed\r\n");
  expect(text).toContain("Subject: News\r\n");
  expect(await submit(["user@example.com"], taskMail(task))).toContain("queued as");
  await upstream?.waitFor(2);
});

test("a notice that is refused is not reported in turn", async () => {
  await serve({ script: "refuse-mail-5" });
  await start(upstream?.port as number);
  await submit(["user@example.com"], taskMail(randomUUID()));
  await gateway?.logged("transmission.refused", 2);
  expect(await gateway?.stop()).toBe(0);
  await start(upstream?.port as number);
  expect(gateway?.lines.some((line) => line.event === "spool.recovered")).toBe(false);
});

test("not relayed within the lifetime: reported as expired", async () => {
  await serve({ script: "refuse-rcpt-4", keepContents: true });
  await start(upstream?.port as number, { SPOOL_LIFETIME: "1s", SPOOL_RETRY_MAX: "50ms" });
  await submit(["user@example.com"], taskMail(randomUUID()));
  await gateway?.logged("transmission.expired");
  upstream?.play("accept");
  await upstream?.waitFor(1);
  expect(Buffer.from(upstream?.taken[0]?.octets ?? []).toString("latin1")).toContain("Action: failed\r\n");
});

test("an answer that is lost: logged as doubtful, then transmitted again with the same octets", async () => {
  await serve({ script: (number) => (number === 0 ? "drop-before-reply" : "accept"), keepContents: true });
  await start(upstream?.port as number);
  await submit(["user@example.com"], taskMail(randomUUID()));
  await upstream?.waitFor(2);
  await gateway?.logged("transmission.relayed");
  const events = gateway?.lines
    .map((line) => line.event)
    .filter((event) => event.startsWith("transmission."));
  expect(events).toEqual(["transmission.doubtful", "transmission.relayed"]);
  const [first, second] = upstream?.taken ?? [];
  expect(Buffer.compare(first?.octets as Uint8Array, second?.octets as Uint8Array)).toBe(0);
});

test.each(["hold", "drop"])("an answer that is lost, policy %s: never transmitted again", async (policy) => {
  await serve({ script: (number) => (number === 0 ? "drop-before-reply" : "accept") });
  await start(upstream?.port as number, { LEDGER_DOUBTFUL: policy });
  const task = randomUUID();
  await submit(["doubtful@example.com"], taskMail(task));
  await gateway?.logged("transmission.doubtful");
  expect(await submit(["doubtful@example.com"], taskMail(task))).toContain("repeat of");
  await gateway?.kill();
  await start(upstream?.port as number, { LEDGER_DOUBTFUL: policy });
  expect(await submit(["doubtful@example.com"], taskMail(task))).toContain("repeat of");
  await submit(["other@example.com"], taskMail(task));
  await upstream?.waitFor(2);
  expect(upstream?.repeated()).toEqual([]);
});

test("SIGTERM: what is under way is finished, later clients are refused, exit code 0", async () => {
  await serve({ script: "held-reply" });
  await start(upstream?.port as number);
  const idle = await connectSmtp(gateway?.port as number);
  const sending = await connectSmtp(gateway?.port as number);
  const struck = upstream?.struck();
  expect(await submit(["one@example.com"], taskMail(randomUUID()))).toContain("queued as");
  await struck;
  await sending.command("MAIL FROM:<app@sender.example>");
  await sending.command("RCPT TO:<two@example.com>");
  await sending.command("DATA");
  sending.write(taskMail(randomUUID()));

  gateway?.signal("SIGTERM");
  expect(await idle.reply()).toMatch(/^421 4\.3\.2 /);
  sending.write(".\r\n");
  expect(await sending.reply()).toMatch(/^250 2\.0\.0 queued as/);
  expect(await sending.reply()).toMatch(/^421 4\.3\.2 /);
  upstream?.release();
  expect(await gateway?.exited).toBe(0);
  expect(gateway?.lines.filter((line) => line.event === "transmission.relayed")).toHaveLength(1);

  upstream?.play("accept");
  await start(upstream?.port as number);
  await upstream?.waitFor(2);
  expect(upstream?.repeated()).toEqual([]);
});

test("a second signal ends it at once, and nothing is lost", async () => {
  await serve({ script: "hang-before-reply" });
  await start(upstream?.port as number);
  const struck = upstream?.struck();
  await submit(["one@example.com"], taskMail(randomUUID()));
  await struck;
  gateway?.signal("SIGTERM");
  await gateway?.logged("gateway.stopping");
  gateway?.signal("SIGTERM");
  expect(await gateway?.exited).toBe(130);
  upstream?.play("accept");
  await start(upstream?.port as number);
  await gateway?.logged("transmission.doubtful");
  await gateway?.logged("transmission.relayed");
});

test("content without a task id, by fingerprint: a repeat within the window", async () => {
  await serve({});
  await start(upstream?.port as number, {
    IDENTITY_UNKEYED: "fingerprint",
    IDENTITY_FINGERPRINT_WINDOW: "2s",
  });
  const mail = (boundary: string, text = "Hello") =>
    [
      "From: app@sender.example",
      "Subject: x",
      `Date: ${new Date(Date.now() - Math.random() * 1e10).toUTCString()}`,
      `Message-ID: <${randomUUID()}@mailer.example>`,
      "MIME-Version: 1.0",
      `Content-Type: multipart/alternative; boundary="${boundary}"`,
      "",
      `--${boundary}\r\nContent-Type: text/plain\r\n\r\n${text}\r\n--${boundary}--\r\n`,
    ].join("\r\n");
  expect(await submit(["user@example.com"], mail("one"))).toContain("queued as");
  expect(await submit(["user@example.com"], mail("two"))).toContain("repeat of");
  expect(await submit(["user@example.com"], mail("three", "Other"))).toContain("queued as");
  await upstream?.waitFor(2);
  const ids = upstream?.taken.map(({ messageId }) => messageId) ?? [];
  expect(ids.every((id) => id.endsWith("@mailer.example>"))).toBe(true);
});

test("content without a task id, refused where that is configured", async () => {
  await serve({});
  await start(upstream?.port as number, { IDENTITY_UNKEYED: "reject" });
  expect(await submit(["user@example.com"], "From: a@b.example\r\n\r\nHello\r\n")).toMatch(
    /^554 5\.6\.0 no task id: set the header field X-Task-Id$/,
  );
});
