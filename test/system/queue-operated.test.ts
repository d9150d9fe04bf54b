// An operator looks at the queue and acts on it, while the gateway runs and when it does not.
import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { describe, expect } from "vitest";
import { gatewayQueue } from "../../src/operator/http/queue-client.ts";
import { type FilterInput, filterSchema } from "../../src/operator/queue/filter.ts";
import type { OrderResult, QueueEntry } from "../../src/operator/queue/words.ts";
import { askAt, httpPortOf } from "../support/http-place.ts";
import { type Place, test as testWithPlace } from "../support/place.ts";
import { environmentOf, type LogLine, MAIN, type Run, run, type Settings } from "../support/process.ts";
import { openSite, type Site } from "../support/site.ts";
import { connectSmtp, submitMail, taskMail } from "../support/smtp-client.ts";

/** A gateway whose upstream refuses for now, until it is told to accept. */
const openThis = (place: Place, more: Settings = {}): Promise<Site> =>
  openSite(
    place,
    { script: "refuse-rcpt-4", keepContents: true },
    { SPOOL_RETRY_MIN: "1h", SPOOL_RETRY_MAX: "1h", ...more },
  );

const test = testWithPlace.extend("site", ({ place }) => openThis(place));

const command = ({ settings }: Pick<Site, "settings">, ...args: string[]): Promise<Run> =>
  run(["queue", ...args], settings);

const linesOf = <T>({ stdout }: Run): T[] =>
  stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);

const list = async (site: Site, ...args: string[]): Promise<QueueEntry[]> =>
  linesOf<QueueEntry>(await command(site, "list", ...args));

/** Submits so many mails, each of a task of its own, and waits until all were refused for now. */
async function fill({ gateway }: Site, recipients: readonly string[]): Promise<string[]> {
  const before = gateway.said("transmission.refused").length;
  const tasks: string[] = [];
  for (const recipient of recipients) {
    const task = randomUUID();
    tasks.push(task);
    expect(await submitMail(gateway.port, { to: [recipient], content: taskMail(task) })).toContain(
      "queued as",
    );
  }
  await gateway.logged("transmission.refused", before + recipients.length);
  return tasks;
}

describe.each(["running", "stopped"])("gateway %s", (state) => {
  async function open(site: Site, recipients: readonly string[]): Promise<string[]> {
    const tasks = await fill(site, recipients);
    if (state === "stopped") expect(await site.gateway.stop()).toBe(0);
    return tasks;
  }

  /** What the command says in the log of the gateway, or on standard error when none runs. */
  const said = ({ gateway }: Site, { stderr }: Run, event: string): LogLine[] => {
    if (state === "running") return gateway.said(event);
    const lines = stderr.split("\n").filter((line) => line.startsWith("{"));
    return lines.map((line) => JSON.parse(line) as LogLine).filter((line) => line.event === event);
  };

  const goOn = async (site: Site): Promise<void> => {
    site.upstream.play("accept");
    if (state === "stopped") await site.restart();
  };

  test("a list has what is known of each mail, and filters choose", async ({ site }) => {
    const [task] = await open(site, ["a@one.example", "b@two.example", "c@one.example"]);
    const all = await list(site);
    expect(all.map(({ recipient }) => recipient).sort()).toEqual([
      "a@one.example",
      "b@two.example",
      "c@one.example",
    ]);
    expect(all.find((one) => one.task === task)).toMatchObject({
      ...{ id: expect.stringMatching(/^[a-z2-7]{32}$/), state: "waiting", attempts: 1, upstream: "upstream" },
      ...{ task, reversePath: "app@sender.example", lastReply: expect.stringMatching(/^450 /) },
      ...{ acceptedAt: expect.stringMatching(/Z$/), dueAt: expect.stringMatching(/Z$/) },
    });
    expect(await list(site, "--domain", "TWO.example")).toMatchObject([{ recipient: "b@two.example" }]);
    expect(await command(site, "list", "--older", "1h")).toMatchObject({ code: 3, stdout: "" });
    const wrong = await command(site, "list", "--state", "lost", "--older", "soon", "--limit", "0");
    expect(wrong).toMatchObject({ code: 2, stdout: "" });
    expect(wrong.stderr).toMatch(/--state: .*\n.*--older: .*\n.*--limit: /);
  });

  test("one mail is shown with its content, by each of its names", async ({ site }) => {
    const [task] = await open(site, ["a@one.example"]);
    const [{ id, messageId, submission }] = (await list(site)) as [QueueEntry];
    for (const name of [id, messageId, submission]) {
      const [mail, ...others] = linesOf<QueueEntry>(await command(site, "show", name));
      expect(mail).toMatchObject({ id, task, recipient: "a@one.example", client: "127.0.0.1" });
      expect(others).toEqual([]);
    }
    const header = await command(site, "show", id, "--header");
    expect(header.stdout).toContain(`Message-ID: ${messageId}\r\n`);
    const body = await command(site, "show", id, "--body");
    expect(`${header.stdout}${body.stdout}`).toContain("\r\n\r\n");
    expect(body.stdout).not.toBe("");
    expect(await command(site, "show", "a".repeat(32))).toMatchObject({ code: 3, stdout: "" });
    expect((await command(site, "show", id, "--body", "--header")).code).toBe(2);
  });

  test("hold keeps it, release lets it go, and each says what is so already", async ({ site }) => {
    await open(site, ["a@one.example"]);
    const [{ id }] = (await list(site)) as [QueueEntry];
    const held = await command(site, "hold", id, "--reason", "a look at it");
    expect(held).toMatchObject({ code: 0, stdout: `${id} to a@one.example is held\n` });
    expect(said(site, held, "operator.held")).toMatchObject([
      { level: "warn", id, recipient: "a@one.example", task: expect.any(String), reason: "a look at it" },
    ]);
    expect(await command(site, "hold", id)).toMatchObject({
      code: 0,
      stdout: `${id} to a@one.example is held already\n`,
    });
    expect(await list(site, "--state", "held")).toMatchObject([{ id, hold: "operator" }]);
    const retried = await command(site, "retry", id);
    expect(retried).toMatchObject({
      code: 1,
      stderr: `mailonce: ${id} is held by an operator: release it first\n`,
    });
    await goOn(site);
    await site.gateway.kill();
    await site.restart();
    expect(await list(site)).toMatchObject([{ id, state: "held" }]);
    if (state === "stopped") await site.gateway.stop();
    expect(await command(site, "release", id)).toMatchObject({
      code: 0,
      stdout: `${id} to a@one.example is due now\n`,
    });
    if (state === "stopped") await site.restart();
    await site.upstream.waitFor(1);
    await site.gateway.logged("transmission.relayed");
    expect(await command(site, "release", id)).toMatchObject({
      code: 3,
      stderr: `mailonce: ${id} is not in the queue\n`,
    });
  });

  test("retry has it attempted now", async ({ site }) => {
    await open(site, ["a@one.example"]);
    site.upstream.play("accept");
    const [{ messageId }] = (await list(site)) as [QueueEntry];
    const retried = await command(site, "retry", messageId, "--json");
    expect(linesOf<OrderResult>(retried)).toMatchObject([{ ok: true, next: "due", messageId }]);
    expect(said(site, retried, "operator.retried")).toHaveLength(1);
    await goOn(site);
    await site.gateway.logged("transmission.relayed");
  });

  test("bounce has it reported, and needs a reason of one line", async ({ site }) => {
    await open(site, ["a@one.example"]);
    const [{ id }] = (await list(site)) as [QueueEntry];
    expect(await command(site, "bounce", id)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--reason"),
    });
    for (const reason of ["two\nlines", "", "  ", "x".repeat(501)]) {
      expect((await command(site, "bounce", id, "--reason", reason)).code).toBe(2);
    }
    site.upstream.play("accept");
    const bounced = await command(site, "bounce", id, "--reason", "a test address");
    expect(bounced).toMatchObject({
      code: 0,
      stdout: `${id} to a@one.example is refused, and will be reported\n`,
    });
    expect(said(site, bounced, "operator.bounced")).toMatchObject([{ id, reason: "a test address" }]);
    if (state === "stopped") {
      expect(await command(site, "bounce", id, "--reason", "x")).toMatchObject({
        ...{ code: 1, stderr: `mailonce: ${id} has ended, and waits for its report\n` },
      });
      expect(await list(site)).toEqual([]);
      expect(await list(site, "--state", "ended")).toMatchObject([{ id }]);
    }
    await goOn(site);
    await site.gateway.logged("transmission.reported");
    await site.upstream.waitFor(1);
    expect(site.upstream.taken[0]?.recipients).toEqual(["app@sender.example"]);
    expect(site.upstream.taken[0]?.octets.toString()).toContain("refused by an operator: a test address");
  });

  test("remove takes it out, if that is said, and its task may submit it again", async ({ site }) => {
    const [task] = await open(site, ["a@one.example"]);
    const [{ id }] = (await list(site)) as [QueueEntry];
    const stderr = "mailonce: 1 mail matches, and what is removed is gone without a report: add --yes\n";
    expect(await command(site, "remove", id)).toMatchObject({ code: 2, stderr });
    const removed = await command(site, "remove", id, "--yes");
    expect(removed).toMatchObject({ code: 0, stdout: `${id} to a@one.example is removed\n` });
    expect(said(site, removed, "operator.removed")).toMatchObject([{ id }]);
    expect(await command(site, "remove", id, "--yes")).toMatchObject({
      code: 3,
      stderr: `mailonce: ${id} is not in the queue\n`,
    });
    await goOn(site);
    expect(await list(site)).toEqual([]);
    const mail = { to: ["a@one.example"], content: taskMail(task as string) };
    expect(await submitMail(site.gateway.port, mail)).toContain("queued as");
    await site.gateway.logged("transmission.relayed");
    expect(site.gateway.said("transmission.reported")).toEqual([]);
  });

  test("more than one mail needs --all, and nothing is done without", async ({ site }) => {
    await open(site, ["a@one.example", "b@one.example", "c@two.example"]);
    expect(await command(site, "hold", "--domain", "one.example")).toMatchObject({
      ...{ code: 2, stdout: "", stderr: "mailonce: 2 mails match: add --all, or name one\n" },
    });
    expect((await command(site, "hold")).code).toBe(2);
    expect(await list(site, "--state", "held")).toEqual([]);
    expect(await command(site, "hold", "--domain", "none.example", "--all")).toMatchObject({
      ...{ code: 3, stderr: "mailonce: nothing matches\n" },
    });
    expect((await command(site, "hold", "--domain", "two.example")).code).toBe(0);
    const held = await command(site, "hold", "--all", "--json");
    expect(
      linesOf<OrderResult>(held)
        .map(({ recipient }) => recipient)
        .sort(),
    ).toEqual([...["a@one.example", "b@one.example", "c@two.example"]]);
    expect(await command(site, "release", "--all", "--limit", "2")).toMatchObject({ code: 0 });
    expect(await list(site, "--state", "held")).toHaveLength(1);
    expect((await command(site, "remove", "--all", "--yes")).code).toBe(0);
    expect(await list(site)).toEqual([]);
  });

  test("what is in doubt needs a word about it", async ({ site }) => {
    site.upstream.play("drop-before-reply");
    const mail = { to: ["a@one.example"], content: taskMail(randomUUID()) };
    await submitMail(site.gateway.port, mail);
    await site.gateway.logged("transmission.doubtful");
    await gatewayQueue(site.data).list({}, { limit: 1 });
    if (state === "stopped") await site.gateway.stop();
    const [{ id, ...rest }] = (await list(site)) as [QueueEntry];
    expect(rest).toMatchObject({ state: "held", hold: "doubt", doubtful: true });
    expect(await command(site, "retry", id)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("--resend"),
    });
    expect((await command(site, "release", id)).code).toBe(1);
    const bounced = await command(site, "bounce", id, "--reason", "x");
    const stderr = `mailonce: ${id} is in doubt: decide with mailonce doubtful resolve first, or remove it\n`;
    expect(bounced).toMatchObject({ code: 1, stderr });
    site.upstream.play("accept");
    const again = await command(site, "retry", id, "--resend");
    expect(again.stdout).toBe(`${id} to a@one.example is due now, and may be a second copy\n`);
    expect(said(site, again, "operator.retried")).toMatchObject([{ id, note: "may be a second copy" }]);
    await goOn(site);
    await site.gateway.logged("transmission.relayed");
    expect(site.upstream.taken).toHaveLength(2);
  });
});

test("each filter chooses", async ({ site }) => {
  const [task] = await fill(site, ["a@one.example", "b@two.example", "c@one.example"]);
  const desk = gatewayQueue(site.data);
  const recipientsOf = async (filter: FilterInput) => {
    const { items } = await desk.list(filterSchema.parse(filter), { limit: 10 });
    return items
      .map(({ recipient }) => recipient[0])
      .sort()
      .join("");
  };
  expect(await recipientsOf({})).toBe("abc");
  expect(await recipientsOf({ domain: "one.example" })).toBe("ac");
  expect(await recipientsOf({ to: "b@TWO.example" })).toBe("b");
  expect(await recipientsOf({ task: task as string })).toBe("a");
  expect(await recipientsOf({ from: "app@sender.example", state: "waiting", upstream: "upstream" })).toBe(
    "abc",
  );
  for (const none of [
    { from: "<>" },
    { user: "nobody" },
    { older: "1h" },
    { state: "held" },
    { upstream: "x" },
  ] as const) {
    expect(await recipientsOf(none)).toBe("");
  }
});

test("a list into a pipe whose reader is slow is whole; one that is closed is an error", async ({
  place,
}) => {
  const { gateway, settings } = await openThis(place);
  const count = 2_400;
  const client = await connectSmtp(gateway.port);
  const names = Array.from({ length: count }, (_, at) => `${"r".repeat(50)}${at}@example.com`);
  for (let at = 0; at < count; at += 100) {
    await client.submit({ to: names.slice(at, at + 100), content: taskMail(randomUUID()) });
  }
  await client.quit();
  const list = `${process.execPath} ${MAIN} queue list`;
  const env = environmentOf(settings);
  const shell = (line: string) =>
    spawnSync("bash", ["-c", line], { env, encoding: "utf8", maxBuffer: 2 ** 25 });
  const slow = shell(`set -o pipefail; ${list} | (read -r first; sleep 0.3; echo "$first"; cat)`);
  expect([slow.status, slow.stderr]).toEqual([0, ""]);
  const listed = slow.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as QueueEntry);
  expect(listed.map(({ recipient }) => recipient).sort()).toEqual([...names].sort());
  const closed = shell(`${list} | head -1; exit ${"$"}{PIPESTATUS[0]}`);
  expect([closed.status, closed.stderr]).toEqual([1, "mailonce: standard output: write EPIPE\n"]);
  expect(closed.stdout.split("\n")).toHaveLength(2);
});

test("a command that is killed in the middle has done a part, and the next run says so and does the rest", async ({
  place,
}) => {
  const { gateway, settings } = await openThis(place);
  const count = 1_000;
  const client = await connectSmtp(gateway.port);
  for (let at = 0; at < count; at += 100) {
    const to = Array.from({ length: 100 }, (_, index) => `r${at + index}@example.com`);
    await client.submit({ to, content: taskMail(randomUUID()) });
  }
  await client.quit();
  await gateway.logged("transmission.refused", count);
  const child = spawn(process.execPath, [MAIN, "queue", "hold", "--all", "--json"], {
    env: environmentOf(settings),
  });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "close");
  const again = await run(["queue", "hold", "--all", "--json"], settings);
  const results = linesOf<OrderResult>(again);
  expect(results).toHaveLength(count);
  expect(results.every((result) => result.ok && result.next === "held")).toBe(true);
  const already = results.filter((result) => result.ok && result.already === true).length;
  expect(already).toBeGreaterThan(0);
  expect(gateway.said("operator.held")).toHaveLength(count);
});

describe("over HTTP", () => {
  test("a visitor sees states and masked addresses, and may not look for one", async ({ site }) => {
    await fill(site, ["person@one.example"]);
    const ask = (path: string, method = "GET") => askAt(httpPortOf(site.gateway), path, { method });
    const { status, body } = await ask("/api/v1/queue");
    expect(status).toBe(200);
    const { queue } = JSON.parse(body) as { queue: Record<string, unknown>[] };
    expect(queue).toMatchObject([{ recipient: "p…@one.example", state: "waiting" }]);
    for (const secret of ["person", "task", "reversePath", "lastReply", "messageId"])
      expect(body).not.toContain(secret);
    for (const filter of [
      "to=person@one.example",
      "task=x",
      "user=x",
      "from=a@b.example",
      "domain=one.example",
    ]) {
      expect((await ask(`/api/v1/queue?${filter}`)).status).toBe(403);
      expect((await ask(`/api/v1/queue/counts?${filter}`)).status).toBe(403);
    }
    expect(JSON.parse((await ask("/api/v1/queue/counts?state=waiting")).body)).toEqual({
      total: 1,
      groups: [{ upstream: "upstream", state: "waiting", count: 1 }],
    });
    for (const path of ["mail?name=x", "content?name=x&part=body"]) {
      expect((await ask(`/api/v1/queue/${path}`)).status).toBe(401);
    }
    for (const kind of ["retry", "hold", "release", "bounce", "remove"]) {
      expect((await ask(`/api/v1/queue/${kind}`, "POST")).status).toBe(401);
    }
  });

  test("pages follow each other, and a cursor or a filter that is none is refused", async ({ site }) => {
    const recipients = Array.from({ length: 5 }, (_, at) => `r${at}@one.example`);
    await fill(site, recipients);
    const desk = gatewayQueue(site.data);
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await desk.list({}, { limit: 2, cursor });
      expect(page.items.length).toBeLessThanOrEqual(2);
      found.push(...page.items.map(({ recipient }) => recipient));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(found.sort()).toEqual(recipients);
    for (const query of ["cursor=x", "limit=0", "limit=1001", "limit=x", "state=lost", "size=1"]) {
      expect((await askAt(httpPortOf(site.gateway), `/api/v1/queue?${query}`)).status).toBe(400);
    }
  });
});
