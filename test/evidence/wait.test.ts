// A doubt waits for evidence before policy acts: from the time of the doubt on, over restarts, and no longer.
import { expect, test } from "vitest";
import type { Proof } from "../../src/evidence/evidence.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { openHeldGateway, orderOne, settled } from "../support/held-gateway.ts";

const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const ACCEPTED: Outcome = { kind: "accepted", upstreamId: "1" };
const RECIPIENT = "a@example.net";
const WAIT_MS = 300_000;
/** For so long a gateway that has started reads what the queue has already. */
const READ_MS = 120_000;
const SENT: Proof = { from: "tag", source: "ses" };

type Policy = "resend" | "hold" | "drop";
const POLICIES = ["resend", "hold", "drop"] as const;

const open = (doubtful: Policy, earlier?: Awaited<ReturnType<typeof openHeldGateway>>) =>
  openHeldGateway(
    { MAILONCE_LEDGER_DOUBTFUL: doubtful },
    ...([earlier?.storage, earlier?.time.now(), WAIT_MS] as const),
  );

/** Its one mail is in doubt, and waits. */
async function waiting(doubtful: Policy) {
  const one = await open(doubtful);
  expect((await one.submit([RECIPIENT])).code).toBe(250);
  await one.call(RECIPIENT).answer(DOUBTFUL);
  const { id } = one.call(RECIPIENT).transmission;
  return { ...one, id };
}

/** What policy has made of it. */
async function expectPolicy(doubtful: Policy, one: Awaited<ReturnType<typeof open>>, calls: number) {
  if (doubtful === "resend") {
    expect(one.calls).toHaveLength(calls + 1);
    await one.call(RECIPIENT).answer(ACCEPTED);
  } else expect(one.calls).toHaveLength(calls);
  expect(one.relay.isEmpty()).toBe(doubtful !== "hold");
}

test.each(POLICIES)(
  "under %s nothing is done before the wait is over, and then policy acts",
  async (doubtful) => {
    const one = await waiting(doubtful);
    await one.pass(WAIT_MS - 1);
    expect(one.calls).toHaveLength(1);
    expect(await one.relay.doubtful.list()).toMatchObject([{ id: one.id, standing: "held" }]);
    expect((await one.submit([RECIPIENT])).code).toBe(250);
    await one.pass(1);
    await expectPolicy(doubtful, one, 1);
    expect(one.lines.filter(({ event }) => event === "transmission.doubtful")).toMatchObject([
      { policy: doubtful, waitMs: WAIT_MS },
      { policy: doubtful, waitMs: undefined },
    ]);
    await one.stop();
  },
);

test.each(POLICIES)("under %s evidence within the wait ends it", async (doubtful) => {
  const one = await waiting(doubtful);
  await one.pass(WAIT_MS / 2);
  expect(await one.relay.evidence.take(one.id, SENT)).toBe("settled");
  expect(one.relay.isEmpty()).toBe(true);
  await one.pass(2 * WAIT_MS);
  expect(one.calls).toHaveLength(1);
  expect(one.events("transmission.doubtful")).toHaveLength(1);
  await one.stop();
});

test("what is held goes on listening when the wait is over", async () => {
  const one = await waiting("hold");
  await one.pass(10 * WAIT_MS);
  expect(await one.relay.evidence.take(one.id, SENT)).toBe("settled");
  expect(one.relay.isEmpty()).toBe(true);
  await one.stop();
});

test.each(POLICIES)(
  "under %s it counts from the doubt, also when the gateway starts in between",
  async (doubtful) => {
    const one = await waiting(doubtful);
    await one.pass(WAIT_MS / 2);
    await one.stop();
    const next = await open(doubtful, one);
    await next.pass(WAIT_MS / 2 - 1);
    expect(next.calls).toEqual([]);
    expect(next.relay.isEmpty()).toBe(false);
    await next.pass(1);
    await expectPolicy(doubtful, next, 0);
    expect(next.lines.filter(({ event }) => event === "transmission.doubtful")).toMatchObject([
      { policy: doubtful, waitMs: WAIT_MS / 2 },
      { policy: doubtful, waitMs: undefined },
    ]);
    await next.stop();
  },
);

test.each(POLICIES)(
  "under %s a gateway that starts late reads what the queue has already before policy acts",
  async (doubtful) => {
    const one = await waiting(doubtful);
    await one.stop();
    one.time.advance(10 * WAIT_MS);
    const next = await open(doubtful, one);
    await next.pass(READ_MS - 1);
    expect(next.calls).toEqual([]);
    expect(next.relay.isEmpty()).toBe(false);
    await next.pass(1);
    await expectPolicy(doubtful, next, 0);
    expect(next.lines.filter(({ event }) => event === "transmission.doubtful")).toMatchObject([
      { policy: doubtful, waitMs: READ_MS },
      { policy: doubtful, waitMs: undefined },
    ]);
    await next.stop();
  },
);

test("what the queue had when a gateway starts late is no second copy", async () => {
  const one = await waiting("resend");
  await one.stop();
  one.time.advance(10 * WAIT_MS);
  const next = await open("resend", one);
  await settled();
  expect(await next.relay.evidence.take(one.id, SENT)).toBe("settled");
  expect(next.relay.isEmpty()).toBe(true);
  await next.pass(2 * WAIT_MS);
  expect(next.calls).toEqual([]);
  await next.stop();
});

test("the end of the wait that the spool has does not cut that short", async () => {
  const one = await waiting("resend");
  await one.stop();
  one.time.advance(WAIT_MS - 1_000);
  const next = await open("resend", one);
  await next.pass(READ_MS - 1);
  expect(next.calls).toEqual([]);
  await next.stop();
  // So too at the next start, whose spool has that end.
  const last = await open("resend", next);
  await last.pass(READ_MS - 1);
  expect(last.calls).toEqual([]);
  await last.pass(1);
  await expectPolicy("resend", last, 0);
  await last.stop();
});

test("a shorter wait is as long after a start, and no longer", async () => {
  const waitMs = 30_000;
  const settings = { MAILONCE_LEDGER_DOUBTFUL: "resend" };
  const one = await openHeldGateway(settings, undefined, undefined, waitMs);
  expect((await one.submit([RECIPIENT])).code).toBe(250);
  await one.call(RECIPIENT).answer(DOUBTFUL);
  await one.stop();
  one.time.advance(WAIT_MS);
  const next = await openHeldGateway(settings, one.storage, one.time.now(), waitMs);
  await next.pass(waitMs - 1);
  expect(next.calls).toEqual([]);
  await next.pass(1);
  await expectPolicy("resend", next, 0);
  await next.stop();
});

test("what is in no spool waits so too when it is submitted soon after a late start", async () => {
  const settings = { MAILONCE_LEDGER_DOUBTFUL: "resend", MAILONCE_SMTP_REPLY: "relayed" };
  const one = await openHeldGateway(settings, undefined, undefined, WAIT_MS);
  const first = one.submit([RECIPIENT]);
  await settled();
  await one.call(RECIPIENT).answer(DOUBTFUL);
  expect((await first).code).toBe(451);
  await one.stop();
  one.time.advance(10 * WAIT_MS);
  // Its client waits for the verdict, and does not wait for this.
  const awaiting = await openHeldGateway(settings, one.storage, one.time.now(), WAIT_MS);
  const again = awaiting.submit([RECIPIENT]);
  await settled();
  expect(awaiting.calls).toEqual([]);
  expect((await again).code).toBe(451);
  expect(awaiting.relay.isEmpty()).toBe(true);
  await awaiting.stop();

  const next = await open("resend", awaiting);
  expect((await next.submit([RECIPIENT])).code).toBe(250);
  await next.pass(READ_MS - 1);
  expect(next.calls).toEqual([]);
  await next.pass(1);
  await expectPolicy("resend", next, 0);
  await next.stop();
});

test.each([-3_600_000, -1_000, -1, 1_000, 3_600_000])(
  "a clock that is set by %i ms ends the wait neither late nor twice",
  async (by) => {
    const one = await waiting("hold");
    await one.pass(WAIT_MS - 1);
    one.setClock(by);
    await one.pass(1);
    await one.pass(2 * WAIT_MS);
    expect(one.lines.filter(({ event }) => event === "transmission.doubtful")).toMatchObject([
      { waitMs: WAIT_MS },
      { waitMs: undefined },
    ]);
    await one.stop();
  },
);

test("an attempt that a crash ended waits from its beginning on", async () => {
  const one = await open("resend");
  expect((await one.submit([RECIPIENT])).code).toBe(250);
  await one.pass(WAIT_MS / 2);
  one.storage.crash((unsynced) => unsynced);
  const next = await open("resend", one);
  await next.pass(WAIT_MS / 2 - 1);
  expect(next.events("transmission.doubtful")).toHaveLength(1);
  expect(next.calls).toEqual([]);
  await next.pass(1);
  await expectPolicy("resend", next, 0);
  await next.stop();
});

test("the disk that is full when the wait is over delays the re-send, and no more", async () => {
  const one = await waiting("resend");
  one.storage.fail({ call: "commit", name: "spool/queue", times: 2 });
  await one.pass(WAIT_MS);
  expect(one.calls).toHaveLength(1);
  for (let second = 0; second < 3; second++) await one.pass(1_000);
  expect(one.calls).toHaveLength(2);
  await one.call(RECIPIENT).answer(ACCEPTED);
  await one.stop();
});

test("what policy has begun when the wait is over is given up in the time of grace of a stop", async () => {
  const one = await waiting("drop");
  one.storage.fail({ call: "commit", name: "ledger/generation-000001", times: Number.POSITIVE_INFINITY });
  await one.pass(WAIT_MS);
  expect(one.events("dispatch.unrecorded")).not.toEqual([]);
  const stopped = one.stop();
  await one.pass(20_000);
  await stopped;
  const count = one.lines.length;
  for (let second = 0; second < 5; second++) await one.pass(1_000);
  expect(one.lines.slice(count)).toEqual([]);

  one.storage.mend();
  const next = await open("drop", one);
  await next.pass(WAIT_MS);
  await expectPolicy("drop", next, 0);
  await next.stop();
});

test("a stop waits for what policy has begun when the wait is over", async () => {
  const one = await waiting("drop");
  one.storage.fail({ call: "commit", name: "ledger/generation-000001", times: 2 });
  await one.pass(WAIT_MS);
  let isStopped = false;
  const stopped = one.stop().then(() => {
    isStopped = true;
  });
  await settled();
  expect(isStopped).toBe(false);
  for (let second = 0; second < 3; second++) await one.pass(1_000);
  await stopped;
  expect(one.events("dispatch.failed")).toEqual([]);
  expect(one.relay.isEmpty()).toBe(true);
});

test("a doubt of the re-send waits too", async () => {
  const one = await waiting("resend");
  await one.pass(WAIT_MS);
  expect(one.calls).toHaveLength(2);
  await one.call(RECIPIENT).answer(DOUBTFUL);
  await one.pass(WAIT_MS - 1);
  expect(one.calls).toHaveLength(2);
  expect(await one.relay.evidence.take(one.id, SENT)).toBe("settled");
  expect(one.relay.isEmpty()).toBe(true);
  await one.stop();
});

test("an operator's decision during the wait acts at once", async () => {
  const decided = await waiting("hold");
  expect(await decided.relay.doubtful.resolve(decided.id, "not-relayed")).toMatchObject({ next: "queued" });
  await settled();
  expect(decided.calls).toHaveLength(2);
  await decided.call(RECIPIENT).answer(ACCEPTED);
  await decided.pass(WAIT_MS);
  expect(decided.calls).toHaveLength(2);
  await decided.stop();

  const resent = await waiting("hold");
  expect(await orderOne(resent, resent.id, { kind: "retry", resend: true })).toMatchObject({ next: "due" });
  expect(resent.calls).toHaveLength(2);
  await resent.call(RECIPIENT).answer(ACCEPTED);
  await resent.stop();

  const held = await waiting("resend");
  expect(await orderOne(held, held.id, { kind: "hold" })).toMatchObject({ next: "held" });
  await held.pass(2 * WAIT_MS);
  expect(held.calls).toHaveLength(1);
  expect(await orderOne(held, held.id, { kind: "release" })).toMatchObject({ next: "policy" });
  expect(held.calls).toHaveLength(2);
  await held.call(RECIPIENT).answer(ACCEPTED);
  await held.stop();
});

test.each(POLICIES)("under %s a client that waits for the verdict gets 451 for as long", async (doubtful) => {
  const one = await openHeldGateway(
    { MAILONCE_LEDGER_DOUBTFUL: doubtful, MAILONCE_SMTP_REPLY: "relayed" },
    undefined,
    undefined,
    WAIT_MS,
  );
  const first = one.submit([RECIPIENT]);
  await settled();
  await one.call(RECIPIENT).answer(DOUBTFUL);
  expect((await first).code).toBe(451);
  await one.pass(WAIT_MS - 1);
  expect((await one.submit([RECIPIENT])).code).toBe(451);
  expect(await one.relay.doubtful.list()).toMatchObject([{ standing: "remembered" }]);
  expect(one.calls).toHaveLength(1);
  await one.pass(1);
  const again = one.submit([RECIPIENT]);
  await settled();
  if (doubtful === "resend") await one.call(RECIPIENT).answer(ACCEPTED);
  expect((await again).code).toBe(doubtful === "hold" ? 451 : 250);
  expect(one.calls).toHaveLength(doubtful === "resend" ? 2 : 1);
  await one.stop();
});

test("a disk that takes nothing at the end of the wait: tried again ever more rarely, said and counted once", async () => {
  const one = await waiting("resend");
  const lines = () => [one.events("transmission.doubtful").length, one.events("dispatch.failed").length];
  const policyActed = () => new Map(one.counters.doubtfulResolved.entries()).get("policy");
  one.storage.fail({ call: "commit", name: /^spool/, code: "full", times: Number.POSITIVE_INFINITY });
  await one.pass(WAIT_MS);
  for (let second = 0; second < 600; second++) await one.pass(1_000);
  expect(policyActed()).toBe(0);
  expect(one.calls).toHaveLength(1);
  const [said, failed = 0] = lines();
  expect(said).toBe(1);
  // Half of the full wait at least: 0.5, 1, 2, 4, 8 and then 15 seconds.
  expect(failed).toBeLessThan(50);
  one.storage.mend();
  await one.pass(30_000);
  expect(lines()[0]).toBe(2);
  expect(policyActed()).toBe(1);
  expect(one.calls).toHaveLength(2);
  await one.call(RECIPIENT).answer(ACCEPTED);
  await one.stop();
});
