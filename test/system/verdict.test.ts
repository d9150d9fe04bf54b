// `reply = "relayed"`: the client hears what the upstream said, and a retry of it is always safe.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../support/peers.ts";
import { type GatewayProcess, makeFolder, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSmtp, type ScriptedSmtp, type SmtpScript } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

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

async function start(script: SmtpScript, settings: Settings = {}): Promise<void> {
  upstream = await createScriptedSmtp({ script, keepContents: true });
  await restart(settings);
}

async function restart(settings: Settings = {}): Promise<void> {
  gateway = await startProcess({
    DATA_DIR: join(folder.path, "data"),
    SMTP_REPLY: "relayed",
    SPOOL_RETRY_MIN: "50ms",
    UPSTREAM_KIND: "smtp",
    UPSTREAM_SMTP_HOST: "127.0.0.1",
    UPSTREAM_SMTP_PORT: upstream.port,
    UPSTREAM_SMTP_TLS: "none",
    ...settings,
  });
}

async function submit(task: string, to: readonly string[] = ["user@example.com"]): Promise<string> {
  const client = await connectSmtp(gateway.port);
  const reply = await client.submit({ to, content: taskMail(task) });
  await client.quit();
  return reply;
}

test("taken: 250, and the repeat too", async () => {
  await start("accept");
  const task = randomUUID();
  expect(await submit(task)).toBe("250 2.0.0 1 relayed");
  expect(await submit(task)).toMatch(/^250 2\.0\.0 repeat of/);
  expect(upstream.taken).toHaveLength(1);
});

test("refused for now: 451, and the retry is a new attempt", async () => {
  await start((number) => (number === 0 ? "refuse-rcpt-4" : "accept"));
  const task = randomUUID();
  expect(await submit(task)).toMatch(/^451 4\.3\.0 the upstream refused it for now/);
  expect(await submit(task)).toBe("250 2.0.0 1 relayed");
  expect(upstream.taken).toHaveLength(1);
});

test("refused for good: 554 naming whom, and no report by mail", async () => {
  await start((number) => (number === 0 ? "refuse-rcpt-5" : "accept"), { UPSTREAM_CONCURRENCY: 1 });
  const task = randomUUID();
  expect(await submit(task, ["one@example.com", "two@example.com"])).toMatch(
    /^554 5\.0\.0 refused by the upstream for one@example\.com: 550 5\.1\.1 no such mailbox/,
  );
  expect(upstream.taken.map(({ recipients }) => recipients)).toEqual([["two@example.com"]]);
  expect(await gateway.stop()).toBe(0);
  await restart();
  expect(gateway.lines.some((line) => line.event === "spool.recovered")).toBe(false);
});

test("several recipients, one refused for now: 451, and the retry relays only that one", async () => {
  await start((number) => (number === 0 ? "refuse-rcpt-4" : "accept"), { UPSTREAM_CONCURRENCY: 1 });
  const task = randomUUID();
  const to = ["one@example.com", "two@example.com", "three@example.com"];
  expect(await submit(task, to)).toMatch(/^451 4\.3\.0 /);
  expect(upstream.taken).toHaveLength(2);
  expect(await submit(task, to)).toMatch(/^250 2\.0\.0 /);
  expect(upstream.taken.map(({ recipients }) => recipients[0]).sort()).toEqual([...to].sort());
  expect(upstream.repeated()).toEqual([]);
});

test("upstream down: 451 at once, and 250 when it is back", async () => {
  await start("accept");
  const port = await freePort();
  await gateway.kill();
  await restart({ UPSTREAM_SMTP_PORT: port });
  const task = randomUUID();
  expect(await submit(task)).toMatch(/^451 4\.3\.0 /);
  await gateway.stop();
  await restart();
  expect(await submit(task)).toBe("250 2.0.0 1 relayed");
});

test("a second copy waits for the verdict of the first", async () => {
  await start("held-reply");
  const task = randomUUID();
  const struck = upstream.struck();
  const first = submit(task);
  await struck;
  const second = submit(task);
  await gateway.logged("transmission.repeat");
  upstream.release();
  expect(await first).toBe("250 2.0.0 1 relayed");
  expect(await second).toMatch(/^250 2\.0\.0 repeat of/);
  expect(upstream.taken).toHaveLength(1);
});

test("an answer that is lost, resend: 451, the retry carries the same Message-ID and the first Date", async () => {
  await start((number) => (number === 0 ? "drop-before-reply" : "accept"));
  const task = randomUUID();
  const client = await connectSmtp(gateway.port);
  const dated = (date: string) => taskMail(task).replace(/^Date: .*$/m, `Date: ${date}`);
  const first = "Tue, 10 Dec 2013 12:13:06 +0200";
  const submitted = (content: string) => client.submit({ to: ["user@example.com"], content });
  expect(await submitted(dated(first))).toMatch(/^451 4\.4\.2 /);
  expect(await submitted(dated("Wed, 11 Dec 2013 01:00:00 +0100"))).toBe("250 2.0.0 1 relayed");
  await client.quit();
  const contents = upstream.taken.map(({ octets }) => Buffer.from(octets).toString("latin1"));
  expect(contents).toHaveLength(2);
  for (const content of contents) expect(content).toContain(`\r\nDate: ${first}\r\n`);
  expect(upstream.repeated()).toHaveLength(1);
  const doubtful = gateway.lines.filter((line) => line.event === "transmission.doubtful");
  expect(doubtful).toHaveLength(2);
});

test("an answer that is lost, hold: 451 to every retry until an operator decides", async () => {
  await start((number) => (number === 0 ? "drop-before-reply" : "accept"), { LEDGER_DOUBTFUL: "hold" });
  const task = randomUUID();
  expect(await submit(task)).toMatch(/^451 4\.4\.2 /);
  expect(await submit(task)).toMatch(/^451 4\.4\.2 /);
  expect(upstream.taken).toHaveLength(1);
});

test("an answer that is lost, drop: 250, never transmitted again", async () => {
  await start((number) => (number === 0 ? "drop-before-reply" : "accept"), { LEDGER_DOUBTFUL: "drop" });
  const task = randomUUID();
  expect(await submit(task)).toBe("250 2.0.0 1 relayed");
  expect(await submit(task)).toMatch(/^250 2\.0\.0 repeat of/);
  expect(upstream.taken).toHaveLength(1);
});

test("killed while the client waits: the retry gets the verdict, nothing twice", async () => {
  await start("held-reply");
  const task = randomUUID();
  const struck = upstream.struck();
  const lost = submit(task).catch((error: Error) => error.message);
  await struck;
  await gateway.kill();
  expect(await lost).toBe("connection closed");
  upstream.play("accept");
  await restart({ LEDGER_DOUBTFUL: "drop" });
  expect(await submit(task)).toMatch(/^250 2\.0\.0 /);
});
