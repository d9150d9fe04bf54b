// Search on the pages: by each name of a mail, with what became of it; and where it was looked when nothing is found.
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { digestOf, newToken } from "../../src/access/tokens-lines.ts";
import { gatewayQueue } from "../../src/operator/http/queue-client.ts";
import type { QueueEntry } from "../../src/operator/queue/words.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { askAt, bearer, httpPortOf, type Reply } from "../support/http-place.ts";
import { type Place, test } from "../support/place.ts";
import type { Settings } from "../support/process.ts";
import { MARKUP, textOf } from "../support/queue-pages.ts";
import { openSite, type Site } from "../support/site.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const token = newToken(systemRandom);

/** A gateway that knows a token of the role read, and whose upstream refuses for now whom the local-part says so of. */
async function open(place: Place, more: Settings = {}): Promise<Site> {
  const file = join(place.folder, "tokens");
  writeFileSync(file, `ann:read:${digestOf(token)}\n`, { mode: 0o600 });
  const refuse = (to: string) => (to.startsWith("later") ? `450 4.7.1 ${MARKUP}` : undefined);
  const settings = { SPOOL_RETRY_MIN: "1h", SPOOL_RETRY_MAX: "1h", HTTP_PORT: 0, HTTP_TOKENS_FILE: file };
  return await openSite(place, { refuse }, { ...settings, ...more });
}

const search = (site: Site, q: string, more = ""): Promise<Reply> =>
  askAt(httpPortOf(site.gateway), `/search?${new URLSearchParams({ q })}${more}`, { headers: bearer(token) });

const listedIn = ({ body }: Reply): string[] =>
  [...body.matchAll(/<li><a href="\/mails\/[a-z2-7]{32}">(?:<code>)?([^<]*)</g)]
    .map(([, to = ""]) => to)
    .sort();

const submit = (site: Site, to: readonly string[], task: string): Promise<string> =>
  submitMail(site.gateway.port, { to, content: taskMail(task) });

test("a mail is found by each of its names", async ({ place }) => {
  const site = await open(place);
  const task = randomUUID();
  const reply = await submit(site, ["later@one.example", "now@one.example"], task);
  await site.gateway.logged("transmission.refused");
  await site.gateway.logged("transmission.relayed");
  const [{ id, messageId, submission }] = (await gatewayQueue(site.data).list({}, { limit: 10 })).items as [
    QueueEntry,
  ];
  expect(reply).toContain(submission);
  for (const name of [id, messageId, ` ${messageId.slice(1, -1)} `]) {
    const { status, headers } = await search(site, name);
    expect([status, headers.location]).toEqual([303, `/mails/${id}`]);
  }
  const ofTask = await search(site, task.toUpperCase());
  expect(listedIn(ofTask)).toEqual(["later@one.example", "now@one.example"]);
  expect(textOf(ofTask)).toMatch(/2 mails for \S+, found as a task in the history/);
  expect(textOf(ofTask)).toContain("Relayed once, at ");
  expect(ofTask.body).toContain(`href="/queue?task=${task}"`);
  const toAddress = await search(site, "later@ONE.example");
  expect(listedIn(toAddress)).toEqual(["later@one.example"]);
  expect(textOf(toAddress)).toContain("Waiting: next attempt at ");
  expect(toAddress.body).toContain('href="/queue?to=later%40one.example"');
  expect(listedIn(await search(site, submission))).toEqual(["later@one.example"]);
  const upstreamId = String(site.gateway.said("transmission.relayed")[0]?.upstreamId);
  const named = await search(site, upstreamId);
  expect(listedIn(named)).toHaveLength(1);
  expect(textOf(named)).toContain("found as what an upstream calls a mail");
});

test("an address or a Message-ID that begins as an id does is searched as what it is", async ({ place }) => {
  const site = await open(place);
  const like = "later".padEnd(32, "a");
  const mailers = "other".padEnd(32, "b");
  await submitMail(site.gateway.port, {
    to: [`${like}@one.example`],
    content: `From: app@sender.example\r\nMessage-ID: <${mailers}@mailer.example>\r\n\r\nHello\r\n`,
  });
  await site.gateway.logged("transmission.refused");
  const [{ id, messageId }] = (await gatewayQueue(site.data).list({}, { limit: 10 })).items as [QueueEntry];
  expect(messageId).toBe(`<${mailers}@mailer.example>`);
  const toAddress = await search(site, `${like}@one.example`);
  expect(listedIn(toAddress)).toEqual([`${like}@one.example`]);
  expect(textOf(toAddress)).toContain("found as a recipient in the queue");
  const named = await search(site, messageId);
  expect(listedIn(named)).toEqual([`${like}@one.example`]);
  expect(named.body).toContain(`href="/mails/${id}"`);
  const none = await search(site, `${mailers}@one.example`);
  expect(textOf(none)).toContain("Nothing was found");
  expect((await search(site, like)).headers.location).toBe(`/mails/${like}`);
});

test("markup in what is searched, and in what is found, is text", async ({ place }) => {
  const site = await open(place);
  await submit(site, ["later@one.example"], MARKUP);
  await site.gateway.logged("transmission.refused");
  for (const q of [MARKUP, `${MARKUP}@one.example`, `${MARKUP} none`]) {
    const { status, body } = await search(site, q);
    expect(status).toBe(200);
    expect(body).toContain("&lt;script&gt;");
    expect(body).not.toMatch(/<script>|<img|onerror='/);
  }
  expect(textOf(await search(site, MARKUP))).toContain("1 mail for");
  const { body } = await search(site, MARKUP, `&cursor=${encodeURIComponent(MARKUP)}`);
  expect(body).not.toMatch(/<script>|<img|onerror='/);
});

test("a long task is listed page by page", async ({ place }) => {
  const site = await open(place);
  const task = randomUUID();
  const recipients = Array.from({ length: 120 }, (_, at) => `r${at}@one.example`);
  await submit(site, recipients, task);
  await site.gateway.logged("transmission.relayed", recipients.length);
  const found: string[] = [];
  let more: string | undefined = "";
  while (more !== undefined) {
    const page: Reply = await search(site, task, more);
    found.push(...listedIn(page));
    more = /rel="next" href="[^"]*(&amp;cursor=[^"]*)"/.exec(page.body)?.[1]?.replaceAll("&amp;", "&");
  }
  expect(found.sort()).toEqual([...recipients].sort());
});

test("without a history, the queue has the task", async ({ place }) => {
  const site = await open(place, { HISTORY_RETENTION: "0" });
  const task = randomUUID();
  await submit(site, ["later@one.example"], task);
  await site.gateway.logged("transmission.refused");
  const found = await search(site, task);
  expect(listedIn(found)).toEqual(["later@one.example"]);
  expect(textOf(found)).toContain("found as a task in the queue");
});

test("what is not found, and where it was looked", async ({ place }) => {
  const site = await open(place);
  expect(textOf(await search(site, ""))).toContain("Search by an id");
  const none = textOf(await search(site, "no-such-task"));
  for (const text of [
    "Nothing was found for no-such-task",
    "as a task in the history",
    "as a task in the queue",
  ]) {
    expect(none).toContain(text);
  }
  const nobody = textOf(await search(site, "nobody@one.example"));
  for (const text of ["as a recipient in the queue", "as a Message-ID in the queue"])
    expect(nobody).toContain(text);
  expect((await search(site, "x".repeat(999))).status).toBe(400);
  expect((await search(site, "x", "&cursor=x")).status).toBe(400);
});

test("a visitor finds an id, and is not told whether a task or an address is there", async ({ place }) => {
  const site = await openSite(
    place,
    { script: "refuse-rcpt-4" },
    {
      ...{ HTTP_PORT: 0, SPOOL_RETRY_MIN: "1h", SPOOL_RETRY_MAX: "1h" },
    },
  );
  const task = randomUUID();
  await submit(site, ["person@one.example"], task);
  await site.gateway.logged("transmission.refused");
  const [{ id }] = (await gatewayQueue(site.data).list({}, { limit: 10 })).items as [QueueEntry];
  const ask = (q: string) => askAt(httpPortOf(site.gateway), `/search?${new URLSearchParams({ q })}`);
  expect((await ask(id)).headers.location).toBe(`/mails/${id}`);
  const texts = [];
  for (const q of [task, randomUUID(), "person@one.example", "nobody@one.example"]) {
    const seen = await ask(q);
    expect(seen.status).toBe(200);
    expect(listedIn(seen)).toEqual([]);
    texts.push(textOf(seen));
  }
  expect(new Set(texts).size).toBe(1);
  expect(texts[0]).toContain("Without a token nothing else is looked for");
});
