// When a transmission is given up: never without an attempt, on time once it was attempted, whatever its upstream and
// the clock do.
import { expect, test } from "vitest";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { openHeldGateway, settled } from "../support/held-gateway.ts";

const ACCEPTED: Outcome = { kind: "accepted", upstreamId: "1" };
const LATER: Outcome = { kind: "later", reply: "450 4.2.1 not now" };
const DOWN: Outcome = { kind: "down", reply: "450 4.2.1 not now" };

const HOUR = 3_600_000;
const LIFETIME = {
  MAILONCE_SPOOL_LIFETIME: "2h",
  MAILONCE_SPOOL_RETRY_MIN: "1h",
  MAILONCE_SPOOL_RETRY_MAX: "1h",
};

/** Lets time pass in steps, as timers that are set meanwhile count from then. */
async function pass({ time }: { time: { advance(ms: number): void } }, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 30_000) {
    time.advance(Math.min(30_000, left));
    await settled();
  }
}

test("attempted, and its upstream is down: reported on time, while the upstream stays paused", async () => {
  const one = await openHeldGateway({ ...LIFETIME, MAILONCE_UPSTREAM_CONCURRENCY: "1" });
  await one.submit(["a@example.net"]);
  await one.call("a@example.net").answer({ ...DOWN, retryAfterMs: 48 * HOUR });
  expect(one.events("dispatch.paused")).toHaveLength(1);
  await pass(one, 1.9 * HOUR);
  expect(one.events("transmission.reported")).toEqual([]);
  await pass(one, 0.25 * HOUR);
  expect(one.events("transmission.expired", "transmission.reported")).toHaveLength(2);
  expect(one.calls).toHaveLength(1);
  await one.stop();
});

test("never attempted, as its upstream is paused: kept, and attempted when that is over", async () => {
  const one = await openHeldGateway({ ...LIFETIME, MAILONCE_UPSTREAM_CONCURRENCY: "1" });
  await one.submit(["a@example.net", "b@example.net"]);
  await one.call("a@example.net").answer({ ...DOWN, retryAfterMs: 3 * HOUR });
  await pass(one, 2.9 * HOUR);
  // The one that was attempted has expired, and its report waits as well.
  expect(one.events("transmission.expired")).toHaveLength(1);
  await pass(one, 0.2 * HOUR);
  await one.call("b@example.net").answer(ACCEPTED);
  expect(one.events("transmission.relayed")).toHaveLength(1);
  await one.call("sender@example.org").answer(ACCEPTED);
  await one.stop();
});

test.each(["never attempted", "attempted before"])(
  "past its lifetime when the gateway starts, %s: attempted first, then reported",
  async (state) => {
    const before = await openHeldGateway(LIFETIME);
    await before.submit(["a@example.net", "b@example.net"]);
    if (state === "attempted before") {
      for (const name of ["a@example.net", "b@example.net"]) {
        await before.call(name).answer(LATER);
      }
    }
    const { storage } = before;
    storage.crash((unsynced) => unsynced);

    const after = await openHeldGateway(
      { ...LIFETIME, MAILONCE_LEDGER_DOUBTFUL: "resend" },
      storage,
      before.time.now() + 72 * HOUR,
    );
    await settled();
    await after.call("a@example.net").answer(ACCEPTED);
    await after.call("b@example.net").answer(LATER);
    expect(after.events("transmission.expired")).toEqual([]);
    await pass(after, HOUR / 4);
    expect(after.events("transmission.relayed", "transmission.expired", "transmission.reported")).toEqual([
      "transmission.relayed",
      "transmission.expired",
      "transmission.reported",
    ]);
    expect(after.calls.filter(({ transmission }) => transmission.recipient.startsWith("b@"))).toHaveLength(1);
    await after.call("sender@example.org").answer(ACCEPTED);
    await after.stop();
  },
);

test.each([-24 * HOUR, 24 * HOUR])(
  "the clock is set by %d ms while it waits: reported on time",
  async (by) => {
    const one = await openHeldGateway({ ...LIFETIME, MAILONCE_UPSTREAM_CONCURRENCY: "1" });
    await one.submit(["a@example.net"]);
    await one.call("a@example.net").answer({ ...DOWN, retryAfterMs: 48 * HOUR });
    one.setClock(by);
    await pass(one, 1.9 * HOUR);
    expect(one.events("transmission.expired")).toEqual([]);
    await pass(one, 0.25 * HOUR);
    expect(one.events("transmission.expired")).toHaveLength(1);
    await one.stop();
  },
);
