// Mode "observe" from the outside: every mail that is submitted is relayed, as its mailer wrote it; what "enforce" would have
// done is counted, logged and shown; and what was observed counts once the mode is "enforce".
import { randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import { messageId } from "../../src/index.ts";
import { gatewayDesk } from "../../src/operator/http/client.ts";
import { ask, mailsAt, openSite as openApi, rawCall, SEND } from "../ses-api/place.ts";
import { readMaildir, valuesOf } from "../support/maildir.ts";
import { sesAt, smtpAt, test } from "../support/place.ts";
import { type GatewayProcess, run, type Settings } from "../support/process.ts";
import { scrape } from "../support/scrape.ts";
import { openSite } from "../support/site.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const OBSERVE: Settings = { IDENTITY_MODE: "observe", LOG_ADDRESSES: "true", SPOOL_RETRY_MIN: "50ms" };
const ENFORCE: Settings = { ...OBSERVE, IDENTITY_MODE: "enforce" };
const TWENTY = Array.from({ length: 20 }, (_, n) => `user${n}@reader.example`);
const READER = "reader@example.net";
const FROM = "app@sender.example";

const submit = (gateway: GatewayProcess, content: string, to = READER): Promise<string> =>
  submitMail(gateway.port, { to: [to], content });

/** As a job that mails every subscriber: one mail transaction each, rendered anew in each run. */
async function runTask(gateway: GatewayProcess, task: string): Promise<string[]> {
  const replies: string[] = [];
  for (const to of TWENTY) replies.push(await submit(gateway, taskMail(task), to));
  return replies;
}

const isQueued = (reply: string): boolean => /^250 2\.0\.0 queued as [a-z2-7]{16}$/.test(reply);

const idOf = (task: string, to = READER): string =>
  messageId({ task, to, from: FROM }).slice(1).split("@")[0] as string;

const observedIn = async (gateway: GatewayProcess, verdict: string, identity: string): Promise<number> =>
  (await scrape(gateway)).values.get(
    `mailonce_observed_recipients_total{verdict="${verdict}",identity="${identity}"}`,
  ) ?? -1;

const statusOf = async (settings: Settings): Promise<Record<string, unknown>> =>
  JSON.parse((await run(["status", "--json"], settings)).stdout) as Record<string, unknown>;

/** The answers. */
const explainOf = async (settings: Settings, ...args: string[]): Promise<string[]> =>
  (await run(["explain", ...args], settings)).stdout
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { answer: string }).answer);

describe("the accident: one task to 20 people, delivered twice", () => {
  test("observed: 40 relayed, 20 counted as repeats; enforced after that: none of it, and 20 of the next", async ({
    place,
  }) => {
    const task = randomUUID();
    const observing = await place.start(OBSERVE);
    const settings = { DATA_DIR: place.data, ...OBSERVE };
    for (const _run of [1, 2]) expect((await runTask(observing, task)).every(isQueued)).toBe(true);
    await observing.logged("transmission.relayed", 40);

    const observed = readMaildir(place.outbox);
    expect(observed).toHaveLength(40);
    expect(valuesOf(observed, "Delivered-To").sort()).toEqual([...TWENTY, ...TWENTY].sort());
    const ids = valuesOf(observed, "Message-ID");
    expect(new Set(ids).size).toBe(40);
    expect(ids.every((id) => id?.endsWith("@mailer.example>"))).toBe(true);
    for (const name of ["X-Mailonce-ID", "X-Original-Message-ID", "X-Task-Id"]) {
      expect(valuesOf(observed, name)).toEqual(observed.map(() => undefined));
    }

    expect(await observedIn(observing, "repeat_relayed", "task")).toBe(20);
    const [line] = observing.said("observe.repeat");
    expect(observing.said("observe.repeat")).toHaveLength(20);
    expect(line).toMatchObject({
      task,
      recipient: TWENTY[0],
      first: idOf(task, TWENTY[0]),
      standing: "relayed",
    });
    expect(line?.firstAt).toMatch(/^20\d\d-/);
    expect(observing.said("transmission.repeat")).toEqual([]);
    expect(observing.said("config.warning")).toMatchObject([{ key: "identity.mode" }]);
    expect(await statusOf(settings)).toMatchObject({
      observed: { repeats: 20, conflicts: 0, doubtful: 0, refused: 0 },
      prevented: { sinceStart: 0 },
    });
    expect((await run(["status"], settings)).stdout).toContain(
      "mode observe: 20 repeats would have been dropped since ",
    );
    const page = await fetch(`http://${observing.said("gateway.listening")[0]?.http}/`);
    expect(await page.text()).toContain("<strong>20 repeats would have been dropped</strong>");
    const copy = String(line?.id);
    expect((await explainOf(settings, idOf(task, TWENTY[0])))[0]).toMatch(
      /^Relayed once, at \S+ by maildir \S+; 1 repeat relayed too, in mode observe\.$/,
    );
    expect((await explainOf(settings, copy))[0]).toContain(
      `Observed as a repeat (the first one is ${idOf(task, TWENTY[0])}); enforced, it would have been dropped.`,
    );
    const both = await explainOf(settings, "--task", task, "--to", TWENTY[0] as string);
    expect(both).toHaveLength(2);
    expect(await observing.stop()).toBe(0);

    const enforcing = await place.start(ENFORCE);
    const third = await runTask(enforcing, task);
    expect(third.every((reply) => /^250 2\.0\.0 repeat of <\S+>, not relayed again$/.test(reply))).toBe(true);
    const next = randomUUID();
    for (const _run of [1, 2]) await runTask(enforcing, next);
    await enforcing.logged("transmission.relayed", 20);
    expect(enforcing.said("transmission.repeat")).toHaveLength(40);
    expect(readMaildir(place.outbox)).toHaveLength(60);
    expect((await statusOf(settings)).observed).toBeUndefined();
    expect(enforcing.said("identity.changed")).toEqual([]);
    expect(await enforcing.stop()).toBe(0);

    const again = await place.start(OBSERVE);
    await runTask(again, next);
    await again.logged("transmission.relayed", 20);
    // All that was ever observed.
    expect(await statusOf(settings)).toMatchObject({ observed: { repeats: 40 } });
  });

  test("at the same instant from 8 connections: all 160 relayed, 140 counted", async ({ place }) => {
    const gateway = await place.start(OBSERVE);
    const task = randomUUID();
    const replies = await Promise.all(Array.from({ length: 8 }, () => runTask(gateway, task)));
    expect(replies.flat().every(isQueued)).toBe(true);
    await gateway.logged("transmission.relayed", 160);
    expect(readMaildir(place.outbox)).toHaveLength(160);
    expect(gateway.said("observe.repeat")).toHaveLength(140);
  });
});

describe("what enforced would be refused", () => {
  test("another mail of the task: relayed, logged and counted as a conflict, beside those that are none", async ({
    place,
  }) => {
    const gateway = await place.start(OBSERVE);
    const task = randomUUID();
    await submit(gateway, taskMail(task, { subject: "Your invoice" }));
    await gateway.logged("transmission.relayed");
    const other = taskMail(task, { subject: "Your ticket" });
    expect(
      isQueued(await submitMail(gateway.port, { to: [READER, "new@example.net"], content: other })),
    ).toBe(true);
    await gateway.logged("transmission.relayed", 3);
    expect(valuesOf(readMaildir(place.outbox), "Subject").sort()).toEqual([
      "Your invoice",
      "Your ticket",
      "Your ticket",
    ]);
    expect(gateway.said("observe.conflict")).toMatchObject([{ task, recipient: READER, first: idOf(task) }]);
    expect(await observedIn(gateway, "conflict", "task")).toBe(1);
    await gateway.stop();
    // The first copies of both recipients count.
    const enforcing = await place.start(ENFORCE);
    expect(await submit(enforcing, other, "new@example.net")).toContain("repeat of");
    expect(await submit(enforcing, other)).toMatch(/^554 5\.6\.0 another mail of this task/);
  });

  test("another body: a repeat, with a warning", async ({ place }) => {
    const gateway = await place.start(OBSERVE);
    const task = randomUUID();
    await submit(gateway, taskMail(task));
    await submit(gateway, taskMail(task, { body: "Hello again.\r\n" }));
    await gateway.logged("transmission.relayed", 2);
    expect(gateway.said("observe.repeat")).toMatchObject([{ bodyDiffers: true, level: "warn" }]);
  });

  test.for([
    ["a placeholder as task", {}, taskMail("undefined"), /X-Task-Id/],
    ["no task", { IDENTITY_UNKEYED: "reject" }, taskMail("").replace(/^X-Task-Id: \r\n/m, ""), /no task id/],
  ] as const)("%s: relayed, logged and counted", async ([, more, content, reply], { place }) => {
    const gateway = await place.start({ ...OBSERVE, ...more });
    for (const _time of [1, 2]) expect(isQueued(await submit(gateway, content))).toBe(true);
    await gateway.logged("transmission.relayed", 2);
    const mails = readMaildir(place.outbox);
    expect(valuesOf(mails, "X-Task-Id")).toEqual([undefined, undefined]);
    expect(valuesOf(mails, "Message-ID")).toEqual(mails.map(() => valuesOf([content], "Message-ID")[0]));
    expect(gateway.said("observe.refused")).toMatchObject([{ reply: expect.stringMatching(reply) }, {}]);
    expect(await observedIn(gateway, "refused", "none")).toBe(2);
  });

  test("who may not send, and what is too large, is refused as ever", async ({ place }) => {
    const gateway = await place.start({
      ...OBSERVE,
      SMTP_SIZE_MAX_BYTES: 1_000,
      POLICY_FROM_DOMAINS: "other.example",
    });
    expect(await submit(gateway, taskMail(randomUUID()))).toMatch(/^550 /);
    expect(await submit(gateway, taskMail(randomUUID(), { body: "x".repeat(2_000) }))).toMatch(/^552 /);
    expect(readMaildir(place.outbox)).toEqual([]);
  });
});

test("fingerprints: the same content is relayed each time, and counted", async ({ place }) => {
  const gateway = await place.start({ ...OBSERVE, IDENTITY_UNKEYED: "fingerprint" });
  const content = taskMail("").replace(/^X-Task-Id: \r\n/m, "");
  for (const _time of [1, 2, 3]) await submit(gateway, content);
  await gateway.logged("transmission.relayed", 3);
  expect(readMaildir(place.outbox)).toHaveLength(3);
  const counted = await Promise.all(
    ["repeat_relayed", "repeat_underway"].map((verdict) => observedIn(gateway, verdict, "fingerprint")),
  );
  expect(counted.reduce((sum, count) => sum + count)).toBe(2);
});

test("a mail without Message-ID gets one, and no other field", async ({ place }) => {
  const gateway = await place.start({ ...OBSERVE, IDENTITY_REFERENCES: "derived" });
  const task = randomUUID();
  const content = taskMail(task).replace(/^Message-ID: .*\r\n/m, "");
  for (const _time of [1, 2]) await submit(gateway, content);
  await gateway.logged("transmission.relayed", 2);
  const mails = readMaildir(place.outbox);
  const ids = valuesOf(mails, "Message-ID");
  expect(new Set(ids).size).toBe(2);
  expect(ids).toContain(messageId({ task, to: READER, from: FROM }));
  expect(valuesOf(mails, "References")).toEqual([undefined, undefined]);
  expect(valuesOf(mails, "Date")).toEqual(mails.map(() => "Tue, 10 Dec 2013 10:13:06 +0000"));
});

describe("an answer that is lost", () => {
  test("a repeat of a mail that is held in doubt is relayed; the doubt stays, and counts when enforced", async ({
    place,
  }) => {
    const site = await openSite(
      place,
      { script: (number) => (number === 0 ? "drop-before-reply" : "accept"), keepContents: true },
      OBSERVE,
    );
    const task = randomUUID();
    await submit(site.gateway, taskMail(task));
    await site.gateway.logged("transmission.doubtful");
    expect(isQueued(await submit(site.gateway, taskMail(task)))).toBe(true);
    await site.gateway.logged("transmission.relayed");
    expect(site.gateway.said("observe.repeat")).toMatchObject([{ first: idOf(task), standing: "underway" }]);
    expect(await gatewayDesk(site.data).list()).toMatchObject([{ id: idOf(task), standing: "held" }]);
    expect(await site.gateway.stop()).toBe(0);
    const enforcing = await place.start({ ...site.settings, ...ENFORCE });
    expect(await submit(enforcing, taskMail(task))).toContain("repeat of");
    expect(await gatewayDesk(site.data).list()).toHaveLength(1);
  });

  test("submitted again by a client that waits: relayed under its own id, and so it is a repeat when enforced", async ({
    place,
  }) => {
    const more = { ...OBSERVE, LEDGER_DOUBTFUL: "resend", SMTP_REPLY: "relayed" };
    const site = await openSite(
      place,
      { script: (number) => (number === 0 ? "drop-before-reply" : "accept"), keepContents: true },
      more,
    );
    const task = randomUUID();
    const [first, second] = [taskMail(task), taskMail(task)];
    expect(await submit(site.gateway, first)).toMatch(/^451 4\.4\.2 /);
    expect(await submit(site.gateway, second)).toBe("250 2.0.0 1 relayed");
    expect(site.gateway.lines.filter(({ event }) => event.startsWith("observe."))).toEqual([]);
    expect(site.upstream.taken.map((taken) => taken.messageId)).toEqual(
      valuesOf([first, second], "Message-ID"),
    );
    expect(await gatewayDesk(site.data).list()).toEqual([]);
    await site.gateway.stop();
    const enforcing = await place.start({ ...site.settings, IDENTITY_MODE: "enforce" });
    expect(await submit(enforcing, taskMail(task))).toContain("repeat of");
  });

  test("submitted again where enforced it would be withheld: relayed beside, and the doubt stays", async ({
    place,
  }) => {
    const site = await openSite(
      place,
      { script: (number) => (number === 0 ? "drop-before-reply" : "accept") },
      { ...OBSERVE, SMTP_REPLY: "relayed" },
    );
    const task = randomUUID();
    expect(await submit(site.gateway, taskMail(task))).toMatch(/^451 4\.4\.2 /);
    expect(await submit(site.gateway, taskMail(task))).toBe("250 2.0.0 1 relayed");
    expect(site.gateway.said("observe.doubtful")).toMatchObject([{ task, first: idOf(task) }]);
    expect(await observedIn(site.gateway, "doubtful", "task")).toBe(1);
    expect(await gatewayDesk(site.data).list()).toMatchObject([{ id: idOf(task) }]);
  });

  test("dropping doubtful mail and observing contradict each other", async ({ place }) => {
    const settings = { DATA_DIR: place.data, IDENTITY_MODE: "observe", LEDGER_DOUBTFUL: "drop" };
    const { code, stderr } = await run(["check-config"], settings);
    expect(code).toBe(2);
    expect(stderr).toContain('"drop" may lose mail, and identity.mode = "observe" drops none');
  });
});

test("killed between the two runs of a task, and before its mail is relayed: all 40, and no more", async ({
  place,
}) => {
  const upstream = await place.smtp({ script: "refuse-rcpt-4", keepContents: true });
  const settings = {
    ...OBSERVE,
    ...smtpAt(upstream.port),
    SPOOL_RETRY_MIN: "100ms",
    SPOOL_RETRY_MAX: "100ms",
  };
  const task = randomUUID();
  const killed = await place.start(settings);
  for (const _run of [1, 2]) await runTask(killed, task);
  await killed.kill();
  upstream.play("accept");
  const enforcing = await place.start({ ...settings, ...ENFORCE });
  await enforcing.logged("transmission.relayed", 40);
  expect(upstream.taken).toHaveLength(40);
  for (const reply of await runTask(enforcing, task)) expect(reply).toContain("repeat of");
});

test("a copy that the upstream refuses leaves the first one's id alone", async ({ place }) => {
  const upstream = await place.smtp({ script: (number) => (number === 0 ? "accept" : "refuse-rcpt-5") });
  const settings = { ...OBSERVE, ...smtpAt(upstream.port), SMTP_REPLY: "relayed" };
  const gateway = await place.start(settings);
  const task = randomUUID();
  expect(await submit(gateway, taskMail(task))).toBe("250 2.0.0 1 relayed");
  expect(await submit(gateway, taskMail(task))).toMatch(/^554 5\.0\.0 refused by the upstream/);
  await gateway.stop();
  const enforcing = await place.start({ ...settings, ...ENFORCE });
  expect(await submit(enforcing, taskMail(task))).toContain("repeat of");
});

test("SES gets the mail as it is, and the id of each copy as a tag of the call, by which its events end a doubt", async ({
  place,
}) => {
  const tags: (string | undefined)[] = [];
  const ses = await place.ses({
    onTaken: ({ call }) => tags.push(call.EmailTags?.find(({ Name }) => Name === "mailonce-id")?.Value),
  });
  const gateway = await place.start({ ...OBSERVE, ...sesAt(ses) });
  const task = randomUUID();
  for (const _time of [1, 2]) await submit(gateway, taskMail(task));
  await gateway.logged("transmission.relayed", 2);
  const [copy] = gateway.said("observe.repeat");
  expect(tags.sort()).toEqual([idOf(task), copy?.id].sort());
  const mails = ses.taken.map(({ octets }) => Buffer.from(octets).toString("latin1"));
  expect(valuesOf(mails, "X-Mailonce-ID")).toEqual([undefined, undefined]);
});

test("SES's API: each call is relayed, and answered with the Message-ID that goes out", async ({ place }) => {
  const site = await openApi(place, { ...OBSERVE });
  const task = randomUUID();
  const calls = [taskMail(task), taskMail(task)];
  const own = valuesOf(calls, "Message-ID").map((id) => id?.slice(1, -1));
  for (const [index, mail] of calls.entries()) {
    const body = rawCall(mail, { Destination: { ToAddresses: [READER] } });
    const told = await ask(site.port, { path: SEND, body });
    expect([told.status, JSON.parse(told.body).MessageId]).toEqual([200, own[index]]);
  }
  const simple = JSON.stringify({
    ...{ FromEmailAddress: FROM, Destination: { ToAddresses: [READER] } },
    Content: { Simple: { Subject: { Data: "News" }, Body: { Text: { Data: "Hello." } } } },
    EmailTags: [{ Name: "task-id", Value: randomUUID() }],
  });
  const ids: unknown[] = [];
  for (const _time of [1, 2]) {
    const told = await ask(site.port, { path: SEND, body: simple });
    expect(told.status).toBe(200);
    ids.push(JSON.parse(told.body).MessageId);
  }
  expect(new Set(ids).size).toBe(2);
  await site.gateway.logged("transmission.relayed", 4);
  const sent = valuesOf(
    mailsAt(site).map(({ content }) => content),
    "Message-ID",
  ).map((id) => id?.slice(1, -1));
  expect(sent.sort()).toEqual([...own, ...ids].sort());
  expect(site.gateway.said("observe.repeat")).toHaveLength(2);
});
