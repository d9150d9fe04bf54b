// The built gateway with SES's events: what became of each mail after SES had taken it, by the command, the API and the page;
// each once, though events come in another order, twice, and around a kill. And second copies that their names prove.
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { digestOf, newToken } from "../../src/access/tokens-lines.ts";
import type { Explained } from "../../src/operator/explain/words.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import type { EventsPlace } from "../support/events-place.ts";
import { openEventsSite } from "../support/events-site.ts";
import { askAt, bearer, httpPortOf } from "../support/http-place.ts";
import { type Place, test } from "../support/place.ts";
import { run, type Settings } from "../support/process.ts";
import { scrapedWhen } from "../support/scrape.ts";
import type { TakenBySes } from "../support/scripted-ses.ts";
import { mailOf } from "../support/ses-publisher.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const token = newToken(systemRandom);

/** An event and the time that SES gives it, seconds after the mail was taken. */
type Happened = readonly [eventType: string, seconds: number, fields?: object];

const DIAGNOSTIC = "smtp; 550 5.1.1 <bounced@example.com> user unknown";
const BOUNCE: Happened = [
  ...(["Bounce", 2] as const),
  {
    ...{ bounceType: "Permanent", bounceSubType: "General" },
    bouncedRecipients: [
      { emailAddress: "bounced@example.com", action: "failed", status: "5.1.1", diagnosticCode: DIAGNOSTIC },
    ],
  },
];
const DELIVERY: Happened = ["Delivery", 3, { smtpResponse: "250 2.0.0 OK for you@example.com" }];
const COMPLAINT: Happened = ["Complaint", 60, { complaintFeedbackType: "abuse" }];
const DELAY: Happened = [
  ...(["DeliveryDelay", 1] as const),
  { delayType: "MailboxFull", delayedRecipients: [{ diagnosticCode: "smtp; 452 4.2.2 full" }] },
];
const REJECT: Happened = ["Reject", 0, { reason: "Bad content" }];

const FIELDS: Readonly<Record<string, string>> = { DeliveryDelay: "deliveryDelay" };

function eventOf(mail: ReturnType<typeof mailOf>, [eventType, seconds, fields = {}]: Happened): object {
  const timestamp = new Date(Date.parse(mail.timestamp) + seconds * 1_000).toISOString();
  return { eventType, mail, [FIELDS[eventType] ?? eventType.toLowerCase()]: { timestamp, ...fields } };
}

/** Nothing is left to be read, but for so many. */
async function emptied({ answered, messages }: EventsPlace, left = 0): Promise<void> {
  for (;;) {
    const removed = answered("DeleteMessageBatch");
    const { ready, hidden } = messages();
    if (ready + hidden <= left) return;
    await removed;
  }
}

/** A gateway whose mails SES takes, and of which the test publishes what became. */
async function openSite(place: Place) {
  const taken: TakenBySes[] = [];
  const site = await openEventsSite(place, "never", { onTaken: (mail) => void taken.push(mail) });
  const file = join(place.folder, "tokens");
  writeFileSync(file, `ann:read:${digestOf(token)}\n`, { mode: 0o600 });
  const more: Settings = { HTTP_PORT: 0, HTTP_TOKENS_FILE: file, LOG_ADDRESSES: "true" };
  const start = () => site.start(more);
  const gateway = await start();
  const mails = new Map<string, { about: ReturnType<typeof mailOf>; upstreamId: string }>();
  return {
    ...{ site, gateway, start },
    async submit(to: string): Promise<void> {
      expect(await submitMail(gateway.port, { to: [to], content: taskMail(randomUUID()) })).toMatch(/^250 /);
      await gateway.logged("transmission.relayed", mails.size + 1);
      const mail = taken.at(-1) as TakenBySes;
      mails.set(to, { about: mailOf(mail), upstreamId: mail.upstreamId });
    },
    /** Each in the envelope of SNS, and bare. */
    async happened(to: string, events: readonly Happened[], left = 0): Promise<void> {
      const { about } = mails.get(to) as { about: ReturnType<typeof mailOf> };
      for (const event of events) {
        await site.events.publish(eventOf(about, event));
        await site.events.put(eventOf(about, event));
      }
      await emptied(site.events, left);
    },
    /** By what SES calls it. */
    async explain(to: string): Promise<Explained> {
      const name = mails.get(to)?.upstreamId ?? "";
      const { code, stdout } = await run(["explain", name], {
        ...site.settings,
        DATA_DIR: place.data,
      });
      expect(code).toBe(0);
      return JSON.parse(stdout) as Explained;
    },
  };
}

const kindsOf = ({ timeline }: Explained): string[] => timeline.map(({ kind }) => kind);

test("bounced, delivered and complained about, delayed and delivered, rejected", async ({ place }) => {
  const one = await openSite(place);
  const story: Readonly<Record<string, readonly Happened[]>> = {
    "bounced@example.com": [BOUNCE],
    "complained@example.com": [COMPLAINT, DELIVERY],
    "delayed@example.com": [DELIVERY, DELAY],
    "rejected@example.com": [REJECT],
  };
  for (const to of Object.keys(story)) await one.submit(to);
  for (const [to, events] of Object.entries(story)) {
    await one.happened(to, [...events, ["Send", 0]]);
    await one.happened(to, events);
  }
  const bounced = await one.explain("bounced@example.com");
  expect(bounced.answer).toMatch(
    /^Relayed once, at 20\S+Z by ses \S+; bounced permanently at 20\S+Z; no repeats so far\. The reason: 550 5\.1\.1 <bounced@example\.com> user unknown$/,
  );
  expect(kindsOf(bounced)).toEqual(["accepted", "attempt", "bounced"]);
  expect(bounced.timeline.at(-1)).toMatchObject({
    ...{ bounceType: "Permanent", bounceSubType: "General", status: "5.1.1", diagnostic: DIAGNOSTIC },
    ...{ source: "ses", at: expect.stringMatching(/^20/), learnedAt: expect.stringMatching(/^20/) },
  });

  const complained = await one.explain("complained@example.com");
  expect(complained.answer).toMatch(
    /; delivered at \S+; complained about \(abuse\) at \S+; no repeats so far\.$/,
  );
  expect(kindsOf(complained)).toEqual(["accepted", "attempt", "delivered", "complained"]);

  const delayed = await one.explain("delayed@example.com");
  expect(delayed.answer).toMatch(/ by ses \S+; delivered at 20\S+Z; no repeats so far\.$/);
  expect(kindsOf(delayed)).toEqual(["accepted", "attempt", "delayed", "delivered"]);

  const rejected = await one.explain("rejected@example.com");
  expect(rejected.answer).toMatch(
    /; rejected by the upstream at \S+; no repeats so far\. The reason: Bad content$/,
  );
  expect(kindsOf(rejected).toSorted()).toEqual(["accepted", "attempt", "rejected"]);

  // The API and the page say the same as the command.
  const port = httpPortOf(one.gateway);
  const asked = (path: string) => askAt(port, `${path}${bounced.id}`, { headers: bearer(token) });
  expect(JSON.parse((await asked("/api/v1/mails/")).body)).toEqual(bounced);
  const page = (await asked("/mails/")).body;
  expect(page).toContain("<strong>bounced permanently</strong>");
  expect(page).toContain("550 5.1.1 &lt;bounced@example.com&gt; user unknown");
  expect(page).toMatch(/●<\/span> bounced/);
  const overview = (await askAt(port, "/", { headers: bearer(token) })).body;
  for (const word of ["bounced", "complained about", "delivered", "rejected by the upstream"]) {
    expect(overview).toContain(`>${word}</td>`);
  }

  // A visitor sees what happened, and no text of others. Where there are tokens nobody is one.
  expect(await one.gateway.stop()).toBe(0);
  const open = httpPortOf(await one.site.start({ HTTP_PORT: 0, LOG_ADDRESSES: "true" }));
  for (const path of ["/api/v1/mails/", "/mails/"]) {
    const { status, body } = await askAt(open, `${path}${bounced.id}`);
    expect(status).toBe(200);
    expect(body).toContain("bounced permanently");
    expect(body).not.toMatch(/550 5\.1\.1|bounced@example|user unknown|smtp;/);
  }
});

test("what was removed from the queue is there after a kill, once, though it comes again", async ({
  place,
}) => {
  const one = await openSite(place);
  await one.submit("bounced@example.com");
  await one.happened("bounced@example.com", [BOUNCE]);
  await one.gateway.kill();
  // The queue may have its last poll still, which gets what comes next, and nobody sees that for a minute.
  await one.site.events.put("no event");
  const { hidden } = one.site.events.messages();
  const again = await one.start();
  await one.happened("bounced@example.com", [BOUNCE, DELIVERY], hidden);
  const explained = await one.explain("bounced@example.com");
  expect(kindsOf(explained).filter((kind) => kind !== "accepted" && kind !== "attempt")).toEqual([
    "bounced",
    "delivered",
  ]);
  expect(await again.stop()).toBe(0);
});

test("two ids of SES for one mail are a second copy, said and counted once", async ({ place }) => {
  const site = await openEventsSite(place, "late", {
    script: (number) => (number === 0 ? "drop-before-reply" : "accept"),
  });
  const gateway = await site.start({
    LEDGER_DOUBTFUL: "resend",
    UPSTREAM_SES_EVENTS_WAIT: "1s",
    HTTP_PORT: 0,
  });
  await submitMail(gateway.port, { to: ["user@example.com"], content: taskMail(randomUUID()) });
  await gateway.logged("transmission.relayed");
  await site.publisher.late();
  await gateway.logged("transmission.second_copy");
  await emptied(site.events);
  const { values } = await scrapedWhen(gateway, ({ values }) => values.has("mailonce_second_copies_total"));
  expect(values.get("mailonce_second_copies_total")).toBe(1);
  const said = gateway.said("transmission.second_copy");
  expect(said).toMatchObject([{ upstreamId: expect.any(String), cause: expect.stringContaining("too") }]);
  const { stdout } = await run(["explain", String(said[0]?.id)], { ...site.settings, DATA_DIR: place.data });
  expect((JSON.parse(stdout) as Explained).answer).toMatch(
    /; delivered at \S+; no repeats so far\. A second copy is proven\.$/,
  );
});
