// An operator decides about doubtful mails, while the gateway runs and when it does not.
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DoubtfulEntry } from "../../src/operator/doubtful.ts";
import {
  environmentOf,
  type GatewayProcess,
  type LogLine,
  MAIN,
  makeFolder,
  run,
  type Settings,
  startProcess,
} from "../support/process.ts";
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
    LOG_ADDRESSES: "true",
    LOG_FORMAT: "json",
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
    const { code, stderr } = await resolve(id, decision, "--reason", "asked the upstream");
    // With no gateway that has a log, the line is on standard error.
    const lines = state === "stopped" ? stderr.split("\n").filter((line) => line !== "") : [];
    if (state === "running") expect(stderr).toBe("");
    const said = state === "running" ? gateway.lines : lines.map((line) => JSON.parse(line) as LogLine);
    expect(said.filter(({ event }) => event === "operator.resolved")).toMatchObject([
      {
        ...{ level: "warn", recipient: "user@example.com", task: expect.any(String) },
        ...{ decision: decision.slice(2), reason: "asked the upstream" },
        next: decision === "--relayed" ? "relayed" : "queued",
      },
    ]);
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

test("a doubt whose retry was refused for now is remembered, and can be ended, with reply relayed", async () => {
  await gateway.stop();
  settings = { ...settings, SMTP_REPLY: "relayed", LEDGER_DOUBTFUL: "resend" };
  gateway = await startProcess(settings);
  const task = randomUUID();
  expect(await submit(task)).toMatch(/^451 4\.4\.2 /);
  upstream.play("refuse-rcpt-4");
  expect(await submit(task)).toMatch(/^451 4\.3\.0 /);
  const [entry] = await list();
  expect(entry).toMatchObject({ standing: "remembered" });
  expect((await resolve(entry?.id as string, "--relayed")).stdout).toContain("counts as relayed");
  expect(await list()).toEqual([]);
  expect(await submit(task)).toMatch(/^250 .*repeat of/);
});

describe("a decision about one recipient of two", () => {
  const both = ["one@example.com", "two@example.com"];
  const submitBoth = async () => {
    const client = await connectSmtp(gateway.port);
    await client.submit({ to: both, content: taskMail(randomUUID()) });
    await client.quit();
  };
  const idOf = async (recipient: string) => (await list()).find((one) => one.recipient === recipient)?.id;

  test.each(["relayed", "not-relayed"])(
    "made twice at once as %s: the other one goes on",
    async (decision) => {
      await submitBoth();
      await gateway.logged("transmission.doubtful", 2);
      const id = (await idOf("one@example.com")) as string;
      upstream.play("accept");
      const said = await Promise.all([1, 2, 3].map(() => resolve(id, `--${decision}`)));
      expect(said.map(({ code }) => code).sort()).toEqual([0, 1, 1]);
      const faults = said.map(({ stderr }) => stderr).filter((text) => text !== "");
      for (const fault of faults) expect(fault).toMatch(/nothing to decide|being attempted/);
      expect(await resolve(id, `--${decision}`)).toMatchObject({
        code: 1,
        stderr: `mailonce: ${id} is not doubtful: there is nothing to decide\n`,
      });
      await gateway.kill();
      gateway = await startProcess(settings);
      await resolve((await idOf("two@example.com")) as string, "--not-relayed");
      const isSentOnce = decision === "relayed" ? 1 : 2;
      // The two that were lost at first were taken too.
      await upstream.waitFor(2 + isSentOnce);
      const taken = upstream.taken.slice(2).flatMap(({ recipients }) => recipients);
      expect(taken.sort()).toEqual(decision === "relayed" ? ["two@example.com"] : both);
    },
  );
});

describe("a list", () => {
  test("of a folder where no gateway has run is an error, and makes nothing", async () => {
    const folderOf = join(folder.path, "elsewhere");
    const said = await run(["doubtful", "list"], { ...settings, DATA_DIR: folderOf });
    expect(said).toMatchObject({ code: 1, stdout: "" });
    expect(said.stderr).toBe(`mailonce: there is no ledger in ${folderOf}\n`);
    expect(existsSync(folderOf)).toBe(false);
    mkdirSync(folderOf, { mode: 0o700 });
    expect((await run(["doubtful", "list"], { ...settings, DATA_DIR: folderOf })).code).toBe(1);
    expect(
      (await run(["doubtful", "resolve", "x", "--relayed"], { ...settings, DATA_DIR: folderOf })).code,
    ).toBe(1);
    expect(readdirSync(folderOf)).toEqual([]);
  });

  test("into a pipe whose reader is slow is whole; one that is closed is an error", async () => {
    const count = 600;
    const client = await connectSmtp(gateway.port);
    const names = Array.from({ length: count }, (_, at) => `${"r".repeat(50)}${at}@example.com`);
    for (let at = 0; at < count; at += 100) {
      await client.submit({ to: names.slice(at, at + 100), content: taskMail(randomUUID()) });
    }
    await client.quit();
    await gateway.logged("transmission.doubtful", count);
    const list = `${process.execPath} ${MAIN} doubtful list`;
    const env = environmentOf(settings);
    const shell = (command: string) => spawnSync("bash", ["-c", command], { env, encoding: "utf8" });
    const slow = shell(`set -o pipefail; ${list} | (sleep 1; cat)`);
    expect(slow.status).toBe(0);
    expect(slow.stdout.split("\n").filter((line) => line !== "")).toHaveLength(count);
    const closed = shell(`${list} | true; exit ${"$"}{PIPESTATUS[0]}`);
    expect([closed.status, closed.stderr]).toEqual([1, "mailonce: standard output: write EPIPE\n"]);
  });
});

test("connections of operators that ask nothing, or half of it, delay no stop", async () => {
  const path = join(settings.DATA_DIR as string, "operator.sock");
  const sockets = ["", '{"request":'].map((text) => {
    const socket = connect(path);
    socket.on("error", () => {});
    socket.write(text);
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const ended = sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
  expect(await gateway.stop()).toBe(0);
  await Promise.all(ended);
});

test("operators who go before they are answered leave the gateway as it was", async () => {
  await hold(randomUUID());
  const path = join(settings.DATA_DIR as string, "operator.sock");
  for (let round = 0; round < 20; round++) {
    const socket = connect(path);
    socket.on("error", () => {});
    await once(socket, "connect");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write('{"request":"doubtful.list"}\n{"more":"that is not read"}\n');
    if (round % 2 === 0) await new Promise((resolve) => socket.once("data", resolve));
    socket.destroy();
    await closed;
  }
  expect(await list()).toHaveLength(1);
  expect(await gateway.stop()).toBe(0);
});

test("what is not doubtful can't be resolved, and a decision must be one", async () => {
  expect(await resolve("nothing", "--relayed")).toMatchObject({
    code: 1,
    stderr: "mailonce: nothing is not doubtful\n",
  });
  expect((await resolve("nothing")).code).toBe(2);
  expect((await resolve("nothing", "--relayed", "--not-relayed")).code).toBe(2);
});
