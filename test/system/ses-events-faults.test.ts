// The built gateway while its queue of SES's events can't be used, or is full: mail goes on, the first screen says what is
// wrong, and when that is over, what was in doubt is settled.
import { randomUUID } from "node:crypto";
import { describe, expect, vi } from "vitest";
import type { SqsFault } from "../support/events-place.ts";
import { type EventsSite, openEventsSite } from "../support/events-site.ts";
import { createFloodedQueue } from "../support/flooded-queue.ts";
import { residentMemory } from "../support/large-mail.ts";
import { type Place, sesAt, test } from "../support/place.ts";
import { type GatewayProcess, run } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const MAILS = 5;

const submit = ({ port }: GatewayProcess): Promise<string> =>
  submitMail(port, { to: ["user@example.com"], content: taskMail(randomUUID()) });

/** Mails that nothing keeps. */
async function relaysMails(gateway: GatewayProcess, count = MAILS): Promise<void> {
  const before = gateway.said("transmission.relayed").length;
  for (let mail = 0; mail < count; mail++) expect(await submit(gateway)).toMatch(/^250 /);
  await gateway.logged("transmission.relayed", before + count);
}

/** The first screen, without a token. */
async function status(site: EventsSite, place: Place): Promise<string> {
  const { stdout, code } = await run(["status"], { ...site.settings, DATA_DIR: place.data });
  expect(code).toBe(0);
  return stdout;
}

/** SES loses its first answer. */
const openLosing = (place: Place): Promise<EventsSite> =>
  openEventsSite(place, "once", { script: (number) => (number === 0 ? "drop-before-reply" : "accept") });

describe("a queue that can't be read", () => {
  test.for<[SqsFault, string]>([
    ["drop", "ECONNRESET|hang up"],
    ["throttled", "RequestThrottled"],
    ["credentials", "security token"],
    ["denied", "AccessDenied"],
    ["down", "ServiceUnavailable"],
  ])("%s", async ([fault, said], { place }) => {
    const site = await openLosing(place);
    site.events.play(() => fault);
    const gateway = await site.start();
    await submit(gateway);
    await gateway.logged("events.silent");
    await relaysMails(gateway);
    expect(await status(site, place)).toMatch(
      new RegExp(`the events of SES can't be read, so doubt is not settled.*${said}`, "s"),
    );
    expect(gateway.said("evidence.settled")).toEqual([]);

    site.events.play(() => undefined);
    await gateway.logged("evidence.settled");
    expect(gateway.said("events.read_again")).toHaveLength(1);
    expect(gateway.said("events.silent")).toHaveLength(1);
    expect(await status(site, place)).not.toContain("events of SES");
    expect(site.peer.taken).toHaveLength(MAILS + 1);
    expect(await gateway.stop()).toBe(0);
  });

  test("and gives no answer at all: mail goes on, and a stop waits for nothing", async ({ place }) => {
    const site = await openLosing(place);
    site.events.play(() => "hang");
    const gateway = await site.start();
    await submit(gateway);
    await relaysMails(gateway);
    expect(site.events.underWay("ReceiveMessage")).toBe(1);
    expect(await gateway.stop()).toBe(0);
  });
});

test("a queue that is slow settles doubt later, and mail does not wait for it", async ({ place }) => {
  const site = await openLosing(place);
  site.events.play(() => "slow");
  const gateway = await site.start();
  await submit(gateway);
  await relaysMails(gateway);
  await gateway.logged("evidence.settled");
  expect(gateway.said("events.silent")).toEqual([]);
});

test("without the right to remove: doubt is settled, mail goes on, and the first screen says so", async ({
  place,
}) => {
  const site = await openLosing(place);
  let isAllowed = false;
  site.events.play(({ action }) => (action === "DeleteMessageBatch" && !isAllowed ? "denied" : undefined));
  const gateway = await site.start();
  await submit(gateway);
  await gateway.logged("evidence.settled");
  while (gateway.said("events.silent").length === 0) await relaysMails(gateway, 1);
  expect(await status(site, place)).toMatch(
    /the events of SES are read, but not removed from their queue.*AccessDenied.*names the rights/s,
  );
  isAllowed = true;
  while (gateway.said("events.read_again").length === 0) await relaysMails(gateway, 1);
  expect(gateway.said("events.silent")).toHaveLength(1);
  expect(gateway.said("evidence.settled")).toHaveLength(1);
});

test("poisoned messages are removed, and what comes with them is settled", async ({ place }) => {
  const site = await openEventsSite(place, "late", { script: "drop-before-reply" });
  const gateway = await site.start();
  await submit(gateway);
  await gateway.logged("transmission.doubtful");
  const event = (mail: unknown): string => JSON.stringify({ eventType: "Send", mail, send: 1 });
  const poison = [
    ...["{", "null", "[[[[", "[".repeat(200_000), '"'.repeat(200_000), `{"Message":${"{".repeat(1_000)}`],
    ...[event(7), event({ tags: [] }), event({ tags: { "mailonce-id": [{}, 1] } }), event({ headers: {} })],
    event({ tags: { "mailonce-id": ["a".repeat(100_000)] }, timestamp: "9".repeat(1_000) }),
    JSON.stringify({ Type: "Notification", Message: JSON.stringify({ Message: event(null) }) }),
    event({ tags: Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`tag-${at}`, ["x"]])) }),
  ];
  for (const body of poison.slice(0, 7)) await site.events.put(body);
  await site.publisher.late();
  for (const body of poison.slice(7)) await site.events.put(body);
  await gateway.logged("evidence.settled");
  const left = (): number => site.events.messages().ready + site.events.messages().hidden;
  await vi.waitUntil(() => left() === 0, { timeout: 60_000 });
  expect(site.events.dead()).toBe(0);
  expect(gateway.said("events.not_taken")).toEqual([]);
  expect(await gateway.stop()).toBe(0);
});

test("a queue of old events that has no end: mail goes on, memory stays, and the first screen says how late they are", async ({
  place,
}) => {
  const HOUR_MS = 3_600_000;
  const queue = await createFloodedQueue(3 * HOUR_MS);
  place.atEnd(() => queue.close());
  // What SES allows is far below what a gateway can do: mail goes at this rate with events and without.
  const quota = { MaxSendRate: 14, Max24HourSend: 50_000, SentLast24Hours: 0 };
  const peer = await place.ses({ quota });
  // A history keeps what the events say; what is held without one is the intake's.
  const settings = { UPSTREAM_SES_EVENTS_QUEUE_URL: queue.queueUrl, HISTORY_RETENTION: "0", ...sesAt(peer) };
  const gateway = await place.start(settings);
  await gateway.logged("events.behind");
  await queue.untilRemoved(2_000);
  const before = residentMemory(gateway.pid).now;
  await relaysMails(gateway, 30);
  const { stdout } = await run(["status"], { ...settings, DATA_DIR: place.data });
  expect(stdout).toMatch(/the events of SES are 3 h( \d+ (s|min))? behind, and doubt waits 5 min for them/);
  await queue.untilRemoved(12_000);
  expect(residentMemory(gateway.pid).now - before).toBeLessThan(60 * 2 ** 20);

  queue.left(10);
  await gateway.logged("events.caught_up");
  expect(gateway.said("events.behind")).toHaveLength(1);
  const after = await run(["status"], { ...settings, DATA_DIR: place.data });
  expect(after.stdout).not.toContain("behind");
  expect(queue.removed()).toBe(queue.handedOut());
  expect(await gateway.stop()).toBe(0);
});
