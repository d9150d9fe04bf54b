// An operator decides about doubtful mails, while the gateway runs and when it does not.
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { DoubtfulEntry } from "../../src/operator/doubtful.ts";
import { gatewayDesk } from "../../src/operator/http/client.ts";
import { type Place, test as testWithPlace } from "../support/place.ts";
import { environmentOf, type LogLine, MAIN, type Run, run, type Settings } from "../support/process.ts";
import { openSite, type Site } from "../support/site.ts";
import { connectSmtp, submitMail, taskMail } from "../support/smtp-client.ts";

/** A gateway whose upstream takes mails without an answer, until it is told to accept them. */
const openThis = (place: Place, more: Settings = {}): Promise<Site> =>
  openSite(place, { script: "drop-before-reply" }, { SPOOL_RETRY_MIN: "50ms", ...more });

const test = testWithPlace.extend("site", ({ place }) => openThis(place));
/** With one gateway for all tests that leave it running, and nothing in doubt. */
const testRunning = testWithPlace.extend("site", { scope: "file" }, ({ shared }) =>
  openThis(shared),
) as unknown as typeof test;

const submit = ({ gateway }: Site, task: string, recipient = "user@example.com"): Promise<string> =>
  submitMail(gateway.port, { to: [recipient], content: taskMail(task) });

/** By the command, whether a gateway runs or not. */
async function list({ settings }: Site): Promise<DoubtfulEntry[]> {
  const { code, stdout, stderr } = await run(["doubtful", "list"], settings);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as DoubtfulEntry);
}

/** What the command prints, asked of the gateway that runs without starting a process for it. */
const entriesOf = ({ data }: Site): Promise<DoubtfulEntry[]> => gatewayDesk(data).list();

const resolve = ({ settings }: Site, id: string, ...decision: string[]): Promise<Run> =>
  run(["doubtful", "resolve", id, ...decision], settings);

/** One held mail of the task, and no other. */
async function hold(site: Site, task: string): Promise<DoubtfulEntry> {
  site.upstream.play("drop-before-reply");
  const before = site.gateway.said("transmission.doubtful").length;
  await submit(site, task);
  await site.gateway.logged("transmission.doubtful", before + 1);
  const entries = await entriesOf(site);
  expect(entries).toMatchObject([
    {
      recipient: "user@example.com",
      standing: "held",
      attempts: 1,
      lastUpstream: expect.stringMatching(/^smtp 127/),
    },
  ]);
  return entries[0] as DoubtfulEntry;
}

describe.each(["running", "stopped"])("gateway %s", (state) => {
  const testSettled = state === "running" ? testRunning : test;

  async function settle(site: Site, name: string, decision: string): Promise<void> {
    if (state === "stopped") await site.gateway.stop();
    site.upstream.play("accept");
    const { code, stderr } = await resolve(site, name, decision, "--reason", "asked the upstream");
    // With no gateway that has a log, the line is on standard error.
    const lines = state === "stopped" ? stderr.split("\n").filter((line) => line !== "") : [];
    if (state === "running") expect(stderr).toBe("");
    const said = state === "running" ? site.gateway.lines : lines.map((line) => JSON.parse(line) as LogLine);
    const isOfIt = ({ event, id, messageId }: LogLine) =>
      event === "operator.resolved" && [id, messageId].includes(name);
    expect(said.filter(isOfIt)).toMatchObject([
      {
        ...{ level: "warn", recipient: "user@example.com", task: expect.any(String) },
        ...{ decision: decision.slice(2), reason: "asked the upstream" },
        next: decision === "--relayed" ? "relayed" : "queued",
      },
    ]);
    expect(code).toBe(0);
    expect(await list(site)).toEqual([]);
    if (state === "stopped") await site.restart();
  }

  testSettled("--relayed: never transmitted again, and a repeat stays one", async ({ site }) => {
    const { upstream } = site;
    const before = { taken: upstream.taken.length, repeated: upstream.repeated() };
    const task = randomUUID();
    const { id } = await hold(site, task);
    await settle(site, id, "--relayed");
    expect(await submit(site, task)).toContain("repeat of");
    expect(await submit(site, randomUUID(), "other@example.com")).toContain("queued as");
    await upstream.waitFor(before.taken + 2);
    expect(upstream.repeated()).toEqual(before.repeated);
  });

  testSettled("--not-relayed: transmitted, with the Message-ID given as the name", async ({ site }) => {
    const { upstream } = site;
    const before = upstream.repeated();
    const task = randomUUID();
    const { messageId } = await hold(site, task);
    await settle(site, messageId as string, "--not-relayed");
    await site.gateway.logged("transmission.relayed", 1, (line) => line.task === task);
    expect(upstream.repeated()).toEqual([...before, messageId]);
    expect(await submit(site, task)).toContain("repeat of");
  });
});

describe("what is held is held over", () => {
  test.for(["kill", "stop"] as const)("a %s, with the same count of attempts", async (end, { site }) => {
    await hold(site, randomUUID());
    // What is listed may not be written yet. What the spool writes later, for a 250, is written after it. A kill may
    // leave that mail in doubt too.
    site.upstream.play("accept");
    expect(await submit(site, randomUUID(), "other@example.com")).toContain("queued as");
    await site.gateway[end]();
    await site.restart();
    const entries = (await entriesOf(site)).filter(({ recipient }) => recipient === "user@example.com");
    expect(entries).toMatchObject([{ standing: "held", attempts: 1 }]);
  });
});

test("a doubt of which nothing is in the spool is remembered, and can be ended", async ({ place }) => {
  const site = await openThis(place, { SMTP_REPLY: "relayed" });
  const task = randomUUID();
  expect(await submit(site, task)).toMatch(/^451 4\.4\.2 /);
  const [entry] = await entriesOf(site);
  expect(entry).toMatchObject({ standing: "remembered" });
  site.upstream.play("accept");
  const { stdout } = await resolve(site, entry?.id as string, "--not-relayed");
  expect(stdout).toContain("is forgotten");
  expect(await submit(site, task)).toBe("250 2.0.0 1 relayed");
});

test("a doubt whose retry was refused for now is remembered, and can be ended, with reply relayed", async ({
  place,
}) => {
  const site = await openThis(place, { SMTP_REPLY: "relayed", LEDGER_DOUBTFUL: "resend" });
  const task = randomUUID();
  expect(await submit(site, task)).toMatch(/^451 4\.4\.2 /);
  site.upstream.play("refuse-rcpt-4");
  expect(await submit(site, task)).toMatch(/^451 4\.3\.0 /);
  const [entry] = await entriesOf(site);
  expect(entry).toMatchObject({ standing: "remembered" });
  expect((await resolve(site, entry?.id as string, "--relayed")).stdout).toContain("counts as relayed");
  expect(await entriesOf(site)).toEqual([]);
  expect(await submit(site, task)).toMatch(/^250 .*repeat of/);
});

describe("a decision about one recipient of two", () => {
  const both = ["one@example.com", "two@example.com"];

  test.for(["relayed", "not-relayed"] as const)(
    "made twice at once as %s: the other one goes on",
    async (decision, { site }) => {
      const { upstream, data } = site;
      const idOf = async (recipient: string) =>
        (await entriesOf(site)).find((one) => one.recipient === recipient)?.id as string;
      await submitMail(site.gateway.port, { to: both, content: taskMail(randomUUID()) });
      await site.gateway.logged("transmission.doubtful", 2);
      const id = await idOf("one@example.com");
      upstream.play("accept");
      // As three commands do, and at the same instant.
      const said = await Promise.all([1, 2, 3].map(() => gatewayDesk(data).resolve(id, decision)));
      expect(said.map(({ ok }) => ok).sort()).toEqual([false, false, true]);
      const faults = said.flatMap((one) => (one.ok ? [] : [one.fault]));
      for (const fault of faults) expect(fault).toMatch(/nothing to decide|being attempted/);
      expect(await resolve(site, id, `--${decision}`)).toMatchObject({
        code: 1,
        stderr: `mailonce: ${id} is not doubtful: there is nothing to decide\n`,
      });
      await site.gateway.kill();
      await site.restart();
      await resolve(site, await idOf("two@example.com"), "--not-relayed");
      const isSentOnce = decision === "relayed" ? 1 : 2;
      // The two that were lost at first were taken too.
      await upstream.waitFor(2 + isSentOnce);
      const taken = upstream.taken.slice(2).flatMap(({ recipients }) => recipients);
      expect(taken.sort()).toEqual(decision === "relayed" ? ["two@example.com"] : both);
    },
  );
});

describe("a list", () => {
  test("of a folder where no gateway has run is an error, and makes nothing", async ({ place }) => {
    const folderOf = join(place.folder, "elsewhere");
    const settings = { DATA_DIR: folderOf };
    const said = await run(["doubtful", "list"], settings);
    expect(said).toMatchObject({ code: 1, stdout: "" });
    expect(said.stderr).toBe(`mailonce: there is no ledger in ${folderOf}\n`);
    expect(existsSync(folderOf)).toBe(false);
    mkdirSync(folderOf, { mode: 0o700 });
    expect((await run(["doubtful", "list"], settings)).code).toBe(1);
    expect((await run(["doubtful", "resolve", "x", "--relayed"], settings)).code).toBe(1);
    expect(readdirSync(folderOf)).toEqual([]);
  });

  test("into a pipe whose reader is slow is whole; one that is closed is an error", async ({ site }) => {
    const { gateway, settings } = site;
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
    // After its first line the reader waits until the pipe is full: three quarters of the list are still to be written.
    const slow = shell(`set -o pipefail; ${list} | (read -r first; sleep 0.2; echo "$first"; cat)`);
    expect(slow.status).toBe(0);
    expect(slow.stdout.split("\n").filter((line) => line !== "")).toHaveLength(count);
    const closed = shell(`${list} | true; exit ${"$"}{PIPESTATUS[0]}`);
    expect([closed.status, closed.stderr]).toEqual([1, "mailonce: standard output: write EPIPE\n"]);
  });
});

test("connections of operators that ask nothing, or half of it, delay no stop", async ({ site }) => {
  const path = join(site.data, "operator.sock");
  const sockets = ["", "GET /api/v1/doubtful HTTP/1.1\r\nHost:"].map((text) => {
    const socket = connect(path);
    socket.on("error", () => {});
    socket.write(text);
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const ended = sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
  expect(await site.gateway.stop()).toBe(0);
  await Promise.all(ended);
});

test("operators who go before they are answered leave the gateway as it was", async ({ site }) => {
  await hold(site, randomUUID());
  const path = join(site.data, "operator.sock");
  for (let round = 0; round < 20; round++) {
    const socket = connect(path);
    socket.on("error", () => {});
    await once(socket, "connect");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const request = "GET /api/v1/doubtful HTTP/1.1\r\nHost: localhost\r\n\r\n";
    socket.write(`${request}${request}`);
    if (round % 2 === 0) await new Promise((resolve) => socket.once("data", resolve));
    socket.destroy();
    await closed;
  }
  expect(await entriesOf(site)).toHaveLength(1);
  expect(await site.gateway.stop()).toBe(0);
});

testRunning("what is not doubtful can't be resolved, and a decision must be one", async ({ site }) => {
  expect(await resolve(site, "nothing", "--relayed")).toMatchObject({
    code: 1,
    stderr: "mailonce: nothing is not doubtful\n",
  });
  expect((await resolve(site, "nothing")).code).toBe(2);
  expect((await resolve(site, "nothing", "--relayed", "--not-relayed")).code).toBe(2);
});

testRunning("several are decided at once with --all, and by how old they are", async ({ site }) => {
  const { gateway, settings, upstream } = site;
  const { length: doubtfulBefore } = gateway.said("transmission.doubtful");
  const { length: resolvedBefore } = gateway.said("operator.resolved");
  const { code: found } = await run(["doubtful", "resolve", "--all", "--relayed"], settings);
  expect(found).toBe(3);
  upstream.play("drop-before-reply");
  const to = ["one@example.com", "two@example.com"];
  await submitMail(gateway.port, { to, content: taskMail(randomUUID()) });
  await gateway.logged("transmission.doubtful", doubtfulBefore + 2);
  const resolveThose = (...options: string[]) =>
    run(["doubtful", "resolve", "--relayed", ...options], settings);
  expect(await resolveThose("--all", "--older", "1h")).toMatchObject({ code: 3 });
  expect((await run(["doubtful", "list", "--older", "1h"], settings)).stdout).toBe("");
  expect(await resolveThose("--older", "1ms")).toMatchObject({
    ...{ code: 2, stderr: "mailonce: 2 mails match: add --all, or name one\n" },
  });
  expect(await resolveThose()).toMatchObject({ code: 2 });
  expect(await resolveThose("--older", "soon")).toMatchObject({ code: 2 });
  expect(await list(site)).toHaveLength(2);
  const { code, stdout } = await resolveThose("--all", "--older", "1ms", "--json", "--reason", "asked them");
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ next: "relayed" }, { next: "relayed" }]);
  expect(await list(site)).toEqual([]);
  expect(gateway.said("operator.resolved")).toHaveLength(resolvedBefore + 2);
});
