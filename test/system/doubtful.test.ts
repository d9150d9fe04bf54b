// An operator decides about doubtful mails, while the gateway runs and when it does not.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DoubtfulEntry } from "../../src/operator/doubtful.ts";
import { type GatewayProcess, makeFolder, run, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

let folder: ReturnType<typeof makeFolder>;
let gateway: GatewayProcess;
let upstream: ScriptedSmtp;
let settings: Settings;

beforeEach(async () => {
  folder = makeFolder();
  upstream = await createScriptedSmtp({ script: "drop-before-reply" });
  settings = {
    DATA_DIR: join(folder.path, "data"),
    LEDGER_DOUBTFUL: "hold",
    SPOOL_RETRY_MIN: "50ms",
    UPSTREAM_KIND: "smtp",
    UPSTREAM_SMTP_HOST: "127.0.0.1",
    UPSTREAM_SMTP_PORT: upstream.port,
    UPSTREAM_SMTP_TLS: "none",
  };
  gateway = await startProcess(settings);
});
afterEach(async () => {
  await gateway.kill();
  await upstream.close();
  folder.remove();
});

async function submit(task: string, recipient = "user@example.com"): Promise<string> {
  const client = await connectSmtp(gateway.port);
  const reply = await client.submit({ to: [recipient], content: taskMail(task) });
  await client.quit();
  return reply;
}

async function list(): Promise<DoubtfulEntry[]> {
  const { code, stdout, stderr } = await run(["doubtful", "list"], settings);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as DoubtfulEntry);
}

const resolve = (id: string, ...decision: string[]) =>
  run(["doubtful", "resolve", id, ...decision], settings);

/** One held mail of the task. */
async function hold(task: string): Promise<DoubtfulEntry> {
  await submit(task);
  await gateway.logged("transmission.doubtful");
  const entries = await list();
  expect(entries).toMatchObject([{ recipient: "user@example.com", standing: "held", attempts: 1 }]);
  return entries[0] as DoubtfulEntry;
}

describe.each(["running", "stopped"])("gateway %s", (state) => {
  async function settle(id: string, decision: string): Promise<void> {
    if (state === "stopped") await gateway.stop();
    upstream.play("accept");
    const { code, stderr } = await resolve(id, decision);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(await list()).toEqual([]);
    if (state === "stopped") gateway = await startProcess(settings);
  }

  test("--relayed: never transmitted again, and a repeat stays one", async () => {
    const task = randomUUID();
    const { id } = await hold(task);
    await settle(id, "--relayed");
    expect(await submit(task)).toContain("repeat of");
    expect(await submit(randomUUID(), "other@example.com")).toContain("queued as");
    await upstream.waitFor(2);
    expect(upstream.repeated()).toEqual([]);
  });

  test("--not-relayed: transmitted, with the Message-ID given as the name", async () => {
    const task = randomUUID();
    const { messageId } = await hold(task);
    await settle(messageId as string, "--not-relayed");
    await gateway.logged("transmission.relayed");
    expect(upstream.repeated()).toEqual([messageId]);
    expect(await submit(task)).toContain("repeat of");
  });

  test("what is held is held over a restart, with the same count of attempts", async () => {
    await hold(randomUUID());
    await gateway[state === "running" ? "kill" : "stop"]();
    gateway = await startProcess(settings);
    expect(await list()).toMatchObject([{ standing: "held", attempts: 1 }]);
  });
});

test("a doubt of which nothing is in the spool is remembered, and can be ended", async () => {
  await gateway.stop();
  settings = { ...settings, SMTP_REPLY: "relayed" };
  gateway = await startProcess(settings);
  const task = randomUUID();
  expect(await submit(task)).toMatch(/^451 4\.4\.2 /);
  const [entry] = await list();
  expect(entry).toMatchObject({ standing: "remembered" });
  upstream.play("accept");
  const { stdout } = await resolve(entry?.id as string, "--not-relayed");
  expect(stdout).toContain("is forgotten");
  expect(await submit(task)).toBe("250 2.0.0 1 relayed");
});

test("what is not doubtful can't be resolved, and a decision must be one", async () => {
  expect(await resolve("nothing", "--relayed")).toMatchObject({
    code: 1,
    stderr: "mailonce: nothing is not doubtful\n",
  });
  expect((await resolve("nothing")).code).toBe(2);
  expect((await resolve("nothing", "--relayed", "--not-relayed")).code).toBe(2);
});
