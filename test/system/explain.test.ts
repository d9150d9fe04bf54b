// What became of a mail, by the built command: with a gateway that runs and with one that doesn't.
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { Explained, Match } from "../../src/operator/explain/words.ts";
import { askAt } from "../support/http-place.ts";
import { type Place, smtpAt, test } from "../support/place.ts";
import { type GatewayProcess, type Run, run, type Settings } from "../support/process.ts";
import type { ScriptedSmtp, ScriptedSmtpOptions } from "../support/scripted-smtp.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

interface Site {
  readonly gateway: GatewayProcess;
  readonly upstream: ScriptedSmtp;
  readonly settings: Settings;
  readonly task: string;
}

const TO = "user@example.com";

async function openSite(place: Place, options: ScriptedSmtpOptions = {}, more: Settings = {}): Promise<Site> {
  const upstream = await place.smtp(options);
  const settings = {
    ...{ DATA_DIR: place.data, LOG_FORMAT: "json", LOG_ADDRESSES: "true", SPOOL_RETRY_MIN: "10m" },
    ...{ SPOOL_RETRY_MAX: "10m", ...smtpAt(upstream.port), ...more },
  };
  return { gateway: await place.start(settings), upstream, settings, task: randomUUID() };
}

const submit = ({ gateway, task }: Site, to = TO, part?: string): Promise<string> => {
  const content = taskMail(task);
  return submitMail(gateway.port, {
    to: [to],
    content: part === undefined ? content : `X-Task-Part: ${part}\r\n${content}`,
  });
};

const explain = ({ settings }: Site, ...args: string[]): Promise<Run> => run(["explain", ...args], settings);

async function explained(site: Site, ...args: string[]): Promise<Explained> {
  const { code, stdout, stderr } = await explain(site, ...args);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Explained;
}

const relayedIds = ({ gateway }: Site): { messageId: string; upstreamId: string }[] =>
  gateway.said("transmission.relayed").map(({ messageId, upstreamId }) => ({
    messageId: String(messageId),
    upstreamId: String(upstreamId),
  }));

test("a relayed mail and its repeats, by all its names, with and without the gateway running", async ({
  place,
}) => {
  const site = await openSite(place);
  await submit(site);
  await site.gateway.logged("transmission.relayed");
  for (let n = 0; n < 4; n++) expect(await submit(site)).toContain("repeat of");
  const [{ messageId, upstreamId } = { messageId: "", upstreamId: "" }] = relayedIds(site);
  const says = /^Relayed once, at 20\S+Z by smtp 127\.0\.0\.1:\d+; 4 repeats dropped\.$/;

  const byName = await explained(site, messageId);
  expect(byName.answer).toMatch(says);
  expect(byName.ledger).toMatchObject({ state: "relayed", relayedAt: expect.stringMatching(/^20/) });
  expect(byName.timeline.map(({ kind }) => kind)).toEqual(["accepted", "attempt", "repeats"]);
  expect(byName.timeline[0]).toMatchObject({ task: site.task, recipient: TO, client: "127.0.0.1" });
  for (const args of [
    [byName.id],
    [messageId.slice(1, -1)],
    [upstreamId],
    ["--task", site.task.toUpperCase(), "--to", TO],
  ]) {
    expect(await explained(site, ...args)).toEqual(byName);
  }

  await site.gateway.stop();
  const stopped = await explained(site, messageId);
  expect(stopped).toEqual(byName);
  expect(await explained(site, upstreamId)).toEqual(byName);
  expect(await explained(site, "--task", site.task, "--to", TO)).toEqual(byName);
});

test("what waits has its last reply; what is held says that the upstream may have it", async ({ place }) => {
  const refuse = (to: string) => (to.startsWith("later") ? "450 4.2.1 greylisted" : undefined);
  const site = await openSite(place, { refuse }, { LEDGER_DOUBTFUL: "hold" });
  await submit(site, "later@example.com");
  await site.gateway.logged("transmission.refused");
  const waiting = await explained(site, "--task", site.task, "--to", "later@example.com");
  expect(waiting.answer).toMatch(/^Waiting: next attempt at 20\S+Z; last reply of smtp 127\S+: .*greylisted/);
  expect(waiting.mail).toMatchObject({ state: "waiting", attempts: 1, task: site.task });
  expect(waiting.ledger).toEqual({ state: "queued", holder: "here" });

  site.upstream.play("drop-before-reply");
  await submit(site);
  await site.gateway.logged("transmission.doubtful");
  const held = await explained(site, "--task", site.task, "--to", TO);
  expect(held.answer).toMatch(/^Held: smtp 127\S+ gave no answer at 20\S+Z\. It may have this mail\.$/);
  await site.gateway.stop();
  const stopped = await explained(site, "--task", site.task, "--to", TO);
  expect(stopped.answer).toBe(held.answer);
  expect(stopped.ledger.state).toBe("remembered");
});

test("several mails of a task to one recipient are a line each", async ({ place }) => {
  const site = await openSite(place);
  await submit(site);
  await submit(site, TO, "invoice");
  await submit(site, "other@example.com");
  await site.gateway.logged("transmission.relayed", 3);
  const { code, stdout } = await explain(site, "--task", site.task, "--to", TO);
  expect(code).toBe(0);
  const matches = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Match);
  expect(matches).toHaveLength(2);
  for (const match of matches) {
    expect(match).toMatchObject({ recipient: TO, answer: expect.stringContaining("Relayed once") });
  }
  const [one] = matches;
  expect((await explained(site, one?.id ?? "")).id).toBe(one?.id);
  const invoice = await explained(site, "--task", site.task, "--to", TO, "--part", "invoice");
  expect(matches.map(({ id }) => id)).toContain(invoice.id);
});

test("all mails of a task are a line each, page by page; one alone is explained", async ({ place }) => {
  const site = await openSite(place);
  const recipients = Array.from({ length: 250 }, (_, at) => `r${at}@example.com`);
  const submitAll = (task: string, to: readonly string[]) =>
    submitMail(site.gateway.port, { to, content: taskMail(task) });
  await submitAll(site.task, recipients);
  const other = randomUUID();
  await submitAll(other, [TO]);
  await site.gateway.logged("transmission.relayed", recipients.length + 1);
  const listed = async () => {
    const { code, stdout } = await explain(site, "--task", site.task.toUpperCase());
    expect(code).toBe(0);
    const lines = stdout.trim().split("\n");
    return lines.map((line) => String((JSON.parse(line) as Match).recipient)).sort();
  };
  expect(await listed()).toEqual([...recipients].sort());
  expect((await explained(site, "--task", other)).answer).toContain("Relayed once");
  await site.gateway.stop();
  expect(await listed()).toEqual([...recipients].sort());
});

test("what is not known, and what is no question", async ({ place }) => {
  const site = await openSite(place);
  const unknown = "a".repeat(32);
  for (const args of [[unknown], ["no-such-id"], ["--task", site.task, "--to", TO], ["--task", site.task]]) {
    const { code, stdout } = await explain(site, ...args);
    expect([code, JSON.parse(stdout).answer]).toEqual([3, expect.stringContaining("Nothing is known")]);
  }
  for (const args of [
    ...[[], [unknown, "--task", site.task, "--to", TO], [unknown, "--task", site.task], ["--to", TO]],
    ["--task", site.task, "--part", "x"],
  ]) {
    expect((await explain(site, ...args)).code).toBe(2);
  }
  const noAddress = await explain(site, "--task", site.task, "--to", "nobody");
  expect([noAddress.code, noAddress.stderr]).toEqual([2, expect.stringMatching(/^mailonce: to /)]);
  await site.gateway.stop();
  expect((await explain(site, unknown)).code).toBe(3);
});

test("visitors see what became of it, and nothing of people, tasks and replies", async ({ place }) => {
  const refuse = () => "550 5.1.1 secret reply";
  const site = await openSite(place, { refuse }, { HTTP_PORT: 0 });
  expect(await submit(site)).toContain("queued as");
  await site.gateway.logged("transmission.refused");
  const { stdout } = await run(["id", "--task", site.task, "--to", TO], site.settings);
  const id = stdout.slice(1, 33);
  const address = String(site.gateway.said("gateway.listening")[0]?.http);
  const port = Number(address.split(":").at(-1));

  const seen = await askAt(port, `/api/v1/mails/${id}`);
  expect(seen.status).toBe(200);
  expect(JSON.parse(seen.body).answer).toMatch(/^Refused for good by the upstream at 20\S+Z\./);
  expect(seen.body).not.toMatch(new RegExp(`secret|${TO}|${site.task}|127\\.0\\.0\\.1`));
  expect((await askAt(port, `/api/v1/mails?task=${site.task}&to=${TO}`)).status).toBe(401);
  expect((await askAt(port, "/api/v1/mails/nothing")).status).toBe(400);
  expect((await askAt(port, `/api/v1/mails/${"a".repeat(32)}`)).status).toBe(404);
  expect((await askAt(port, `/api/v1/mails/${id}`, { method: "POST" })).status).toBe(405);
  expect((await askAt(port, "/api/v1/forget", { method: "POST", body: "{}" })).status).toBe(401);
  expect((await explained(site, id)).answer).toContain("secret reply");
});
