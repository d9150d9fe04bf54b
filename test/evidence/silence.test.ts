// A queue of events that can't be read, and then can: what came meanwhile is read before policy acts about a doubt.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { createEventsPlace, type EventsPlace, REGION } from "../support/events-place.ts";
import { openHeldGateway } from "../support/held-gateway.ts";

const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const ACCEPTED: Outcome = { kind: "accepted", upstreamId: "1" };
const RECIPIENT = "a@example.net";
const WAIT_MS = 300_000;
const READ_MS = 120_000;
/** The intake pauses for no longer. */
const PAUSE_MS = 60_000;

let place: EventsPlace;

beforeEach(async () => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
  place = await createEventsPlace();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await place.close();
});

/** Its one mail is in doubt, and its queue can't be read. */
async function silent() {
  place.play(() => "denied");
  const settings = {
    ...{
      MAILONCE_LEDGER_DOUBTFUL: "resend",
      MAILONCE_UPSTREAM_KIND: "ses",
      MAILONCE_UPSTREAM_SES_REGION: REGION,
    },
    MAILONCE_UPSTREAM_SES_EVENTS_QUEUE_URL: place.queueUrl,
  };
  const one = await openHeldGateway(settings, undefined, undefined, WAIT_MS);
  expect((await one.submit([RECIPIENT])).code).toBe(250);
  await one.call(RECIPIENT).answer(DOUBTFUL);
  const queue = () => one.relay.eventQueues()[0];
  const look = async () => {
    await one.pass(1_000);
    expect(queue()?.silent).toBeDefined();
  };
  // Twenty seconds of the gateway at most.
  await vi.waitFor(look, { timeout: 10_000, interval: 500 });
  return { ...one, queue };
}

test("policy acts two minutes after the queue can be read again", async () => {
  const one = await silent();
  await one.pass(WAIT_MS - PAUSE_MS - 30_000);
  await place.put("no event");
  place.play(() => undefined);
  await one.pass(PAUSE_MS);
  await vi.waitFor(() => expect(one.queue()?.readingSince).toBeDefined(), 10_000);
  const readAt = one.time.now();
  await one.pass(READ_MS - 1);
  expect(one.calls).toHaveLength(1);
  await one.pass(1);
  expect(one.calls).toHaveLength(2);
  expect(one.time.now() - readAt).toBe(READ_MS);
  await one.call(RECIPIENT).answer(ACCEPTED);
  await one.stop();
});

test("while it is silent mail does not wait for it", async () => {
  const one = await silent();
  await one.pass(WAIT_MS);
  expect(one.queue()?.readingSince).toBeUndefined();
  expect(one.calls).toHaveLength(2);
  await one.call(RECIPIENT).answer(ACCEPTED);
  await one.stop();
});
