// What operators order about mail of the queue: what comes of it, that it survives a crash, and that it meets no attempt.
import { expect, test } from "vitest";
import type { Order, Ordered } from "../../src/dispatch/order.ts";
import type { Id } from "../../src/identity/message-id.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { openHeldGateway, orderOne, settled } from "../support/held-gateway.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";

const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const ACCEPTED: Outcome = { kind: "accepted", upstreamId: "1" };
const LATER: Outcome = { kind: "later", reply: "450 not now" };
const DOWN: Outcome = { kind: "down", reply: "421 closed", retryAfterMs: 3_600_000 };

const A = "a@example.net";
const REPORT = "sender@example.org";
const due: Ordered = { ok: true, next: "due" };
const held: Ordered = { ok: true, next: "held" };
const refusedFor = (why: string) => ({ ok: false, why });

type Gateway = Awaited<ReturnType<typeof openHeldGateway>>;

const give = (gateway: Gateway, id: Id, kind: Order["kind"], more: Partial<Order> = {}): Promise<Ordered> =>
  orderOne(gateway, id, { kind, ...more });

/** One mail that was answered so, and waits for what comes next. */
async function waiting(
  outcome: Outcome = LATER,
  settings: Readonly<Record<string, string>> = {},
  storage = createMemoryStorage(),
) {
  const gateway = await openHeldGateway(settings, storage);
  expect((await gateway.submit([A])).code).toBe(250);
  await gateway.call(A).answer(outcome);
  return { gateway, storage, id: gateway.call(A).transmission.id };
}

/** Another start on what is durable; the gateway before it never ends in order. */
async function restarted(
  { storage }: { storage: ReturnType<typeof createMemoryStorage> },
  settings: Readonly<Record<string, string>> = {},
) {
  storage.crash((unsynced) => unsynced);
  const gateway = await openHeldGateway(settings, storage);
  await settled();
  return gateway;
}

const line = ({ lines }: Gateway, event: string) => lines.filter((one) => one.event === event);
const spooled = ({ storage }: Gateway): string[] =>
  [...(storage.view("spool/queue")?.visible ?? [])]
    .filter(([key]) => key.startsWith("t"))
    .map(([, value]) => Buffer.from(value).toString());

test("a retry is due at once, and durably", async () => {
  const { gateway, id } = await waiting();
  expect(gateway.calls).toHaveLength(1);
  expect(await give(gateway, id, "retry", { reason: "it is up", by: "ops" })).toEqual(due);
  expect(gateway.calls).toHaveLength(2);
  expect(line(gateway, "operator.retried")).toMatchObject([{ id, reason: "it is up", by: "ops" }]);
  const again = await restarted(gateway);
  // Its attempt had no answer yet.
  expect(line(again, "transmission.doubtful")).toHaveLength(1);
});

test("a retry ends the wait of a pause, also where the upstream named the time", async () => {
  const { gateway, id } = await waiting(DOWN);
  expect(gateway.calls).toHaveLength(1);
  expect(await give(gateway, id, "retry")).toEqual(due);
  expect(gateway.calls).toHaveLength(2);
  await gateway.call(A).answer(ACCEPTED);
  expect(gateway.events("dispatch.resumed", "transmission.relayed")).toHaveLength(2);
  await gateway.stop();
});

test("what is held is not attempted, and not after a crash either, until it is released", async () => {
  const settings = { MAILONCE_SPOOL_LIFETIME: "1h" };
  const { gateway, storage, id } = await waiting(LATER, settings);
  expect(await give(gateway, id, "hold")).toEqual(held);
  expect(await give(gateway, id, "hold")).toEqual({ ...held, already: true });
  expect(await give(gateway, id, "retry")).toEqual(refusedFor("held"));
  for (let round = 0; round < 100; round++) await gateway.pass();
  expect(gateway.calls).toHaveLength(1);
  expect(gateway.relay.laneFacts()).toMatchObject([{ held: { count: 1, byOperator: 1 }, due: { count: 0 } }]);

  const next = await restarted({ storage }, settings);
  for (let round = 0; round < 100; round++) await next.pass();
  expect(next.calls).toHaveLength(0);
  expect(await next.submit([A])).toMatchObject({ code: 250, text: expect.stringContaining("repeat") });
  expect(await give(next, id, "release")).toEqual(due);
  expect(await give(next, id, "release")).toEqual(refusedFor("busy"));
  await next.call(A).answer(LATER);
  expect(await give(next, id, "release")).toEqual(refusedFor("unheld"));
  expect(next.events("transmission.expired")).toEqual([]);
  await next.pass();
  await next.call(A).answer(ACCEPTED);
  expect(await give(next, id, "hold")).toEqual(refusedFor("absent"));
  await next.stop();
});

test.each(["retry", "hold", "release", "bounce", "remove"] as const)(
  "%s of what is being attempted changes nothing",
  async (kind) => {
    const gateway = await openHeldGateway({});
    await gateway.submit([A]);
    const { id } = gateway.call(A).transmission;
    const before = spooled(gateway);
    expect(await give(gateway, id, kind, { reason: "x" })).toEqual(refusedFor("busy"));
    expect(spooled(gateway)).toEqual(before);
    expect(gateway.lines.filter(({ event }) => event.startsWith("operator."))).toEqual([]);
    await gateway.call(A).answer(ACCEPTED);
    expect(gateway.events("transmission.relayed")).toHaveLength(1);
    await gateway.stop();
  },
);

test.each(["hold", "bounce", "remove"] as const)("%s is refused where a client waits", async (kind) => {
  const gateway = await openHeldGateway({
    MAILONCE_SMTP_REPLY: "relayed",
    MAILONCE_UPSTREAM_CONCURRENCY: "1",
  });
  const first = gateway.submit([A]);
  await settled();
  const second = gateway.submit(["b@example.net"]);
  await settled();
  const [text = ""] = spooled(gateway).filter((one) => one.includes("b@example.net"));
  const { id } = JSON.parse(text);
  expect(await give(gateway, id, kind, { reason: "x" })).toEqual(refusedFor("awaited"));
  await gateway.call(A).answer(ACCEPTED);
  await gateway.call("b@example.net").answer(ACCEPTED);
  expect((await first).code).toBe(250);
  expect((await second).code).toBe(250);
  await gateway.stop();
});

test("a bounce is reported, durably, and its task may submit it again", async () => {
  const { gateway, id } = await waiting();
  expect(await give(gateway, id, "bounce", { reason: "a test address" })).toEqual({
    ok: true,
    next: "ended",
  });
  expect(line(gateway, "operator.bounced")).toMatchObject([{ id, reason: "a test address" }]);
  const report = gateway.call(REPORT).transmission;
  const text = Buffer.from(report.octets ?? []).toString();
  expect(text).toContain("refused by an operator: a test address");
  await gateway.call(REPORT).answer(ACCEPTED);
  expect(await give(gateway, id, "bounce", { reason: "x" })).toEqual(refusedFor("absent"));
  expect(await gateway.submit([A])).toMatchObject({ code: 250, text: expect.stringContaining("queued as") });
  await gateway.call(A).answer(ACCEPTED);
  await gateway.stop();
});

test("what an operator holds can be bounced", async () => {
  const { gateway, id } = await waiting();
  await give(gateway, id, "hold");
  expect(await give(gateway, id, "bounce", { reason: "no" })).toEqual({ ok: true, next: "ended" });
  await gateway.call(REPORT).answer(ACCEPTED);
  expect(spooled(gateway)).toEqual([]);
  expect(gateway.relay.laneFacts()).toMatchObject([{ held: { count: 0 } }]);
  await gateway.stop();
});

test("what is removed is gone without a report, and its task may submit it again", async () => {
  const { gateway, id } = await waiting();
  expect(await give(gateway, id, "remove")).toEqual({ ok: true, next: "removed" });
  expect(await give(gateway, id, "remove")).toEqual(refusedFor("absent"));
  expect(spooled(gateway)).toEqual([]);
  await gateway.pass();
  expect(gateway.calls).toHaveLength(1);
  expect(await gateway.submit([A])).toMatchObject({ code: 250, text: expect.stringContaining("queued as") });
  expect(gateway.calls).toHaveLength(2);
  const next = await restarted(gateway);
  expect(line(next, "spool.recovered")).toMatchObject([{ transmissions: 1 }]);
});

test("what is in doubt stays remembered when it is removed", async () => {
  const { gateway, id } = await waiting(DOUBTFUL, { MAILONCE_LEDGER_DOUBTFUL: "hold" });
  expect(await give(gateway, id, "remove")).toEqual({ ok: true, next: "removed" });
  expect(spooled(gateway)).toEqual([]);
  expect(await gateway.relay.doubtful.list()).toMatchObject([{ id, standing: "remembered" }]);
  await gateway.submit([A]);
  expect(gateway.calls).toHaveLength(1);
  expect(await gateway.relay.doubtful.list()).toMatchObject([{ id, standing: "held" }]);
  await gateway.stop();
});

test("what is in doubt is neither bounced, nor released, nor tried again without a word about it", async () => {
  const { gateway, id } = await waiting(DOUBTFUL, { MAILONCE_LEDGER_DOUBTFUL: "hold" });
  expect(await give(gateway, id, "bounce", { reason: "x" })).toEqual(refusedFor("undecided"));
  expect(await give(gateway, id, "release")).toEqual(refusedFor("doubt"));
  expect(await give(gateway, id, "retry")).toEqual(refusedFor("resend"));
  await gateway.pass();
  expect(gateway.calls).toHaveLength(1);
  await gateway.stop();
});

test("with resend it is tried again, after a crash too, and the doubt stays", async () => {
  const settings = { MAILONCE_LEDGER_DOUBTFUL: "hold" };
  const { gateway, storage, id } = await waiting(DOUBTFUL, settings);
  // Its attempt can't be noted before the crash.
  storage.fail({ call: "commit", name: "ledger/state", times: Number.POSITIVE_INFINITY });
  expect(await give(gateway, id, "retry", { resend: true })).toEqual(due);
  expect(line(gateway, "operator.retried")).toMatchObject([{ id, note: "may be a second copy" }]);
  expect(gateway.calls).toHaveLength(1);
  storage.crash((unsynced) => unsynced);
  storage.mend();

  const next = await openHeldGateway(settings, storage);
  await settled();
  const first = gateway.call(A).transmission;
  const { transmission, answer } = next.call(A);
  expect(transmission.octets).toEqual(first.octets);
  expect(await next.relay.doubtful.list()).toMatchObject([{ id, standing: "retrying" }]);
  // In doubt once more: that was not decided about.
  await answer(DOUBTFUL);
  expect(await next.relay.doubtful.list()).toMatchObject([{ id, standing: "held" }]);
  const last = await restarted({ storage }, settings);
  expect(last.calls).toHaveLength(0);
  await last.stop();
});

test.each(["resend", "drop", "hold"] as const)(
  "an operator's hold of what is in doubt outlives a start with the policy %s, which decides when it is released",
  async (policy) => {
    const { gateway, storage, id } = await waiting(DOUBTFUL, { MAILONCE_LEDGER_DOUBTFUL: "hold" });
    expect(await give(gateway, id, "hold")).toEqual(held);
    const next = await restarted({ storage }, { MAILONCE_LEDGER_DOUBTFUL: policy });
    await next.pass();
    expect(next.calls).toHaveLength(0);
    expect(next.relay.laneFacts()).toMatchObject([{ held: { count: 1, byOperator: 1 } }]);
    expect(await give(next, id, "release")).toEqual({ ok: true, next: "policy" });
    await settled();
    expect(next.calls).toHaveLength(policy === "resend" ? 1 : 0);
    const expected = { resend: [{ standing: "retrying" }], hold: [{ standing: "held" }], drop: [] }[policy];
    expect(await next.relay.doubtful.list()).toMatchObject(expected);
    expect(spooled(next)).toHaveLength(policy === "drop" ? 0 : 1);
    if (policy === "resend") await next.call(A).answer(ACCEPTED);
    await next.stop();
  },
);

test("decided as not relayed, it is still held by the operator who holds it", async () => {
  const { gateway, storage, id } = await waiting(DOUBTFUL, { MAILONCE_LEDGER_DOUBTFUL: "hold" });
  await give(gateway, id, "hold");
  expect(await gateway.relay.doubtful.resolve(id, "not-relayed")).toMatchObject({ ok: true });
  await gateway.pass();
  expect(gateway.calls).toHaveLength(1);
  const next = await restarted({ storage });
  await next.pass();
  expect(next.calls).toHaveLength(0);
  expect(await give(next, id, "release")).toEqual(due);
  await next.call(A).answer(ACCEPTED);
  await next.stop();
});

test("decided as relayed, it leaves the queue, held or not", async () => {
  const { gateway, id } = await waiting(DOUBTFUL, { MAILONCE_LEDGER_DOUBTFUL: "hold" });
  await give(gateway, id, "hold");
  expect(await gateway.relay.doubtful.resolve(id, "relayed")).toMatchObject({ ok: true });
  expect(await give(gateway, id, "release")).toEqual(refusedFor("absent"));
  expect(gateway.relay.laneFacts()).toMatchObject([{ held: { count: 0 } }]);
  await gateway.stop();
});

const KINDS = ["retry", "hold", "release", "bounce", "remove"] as const;

test.each(KINDS.flatMap((one) => KINDS.map((other) => [one, other] as const)))(
  "%s and %s at once: one is carried out, the other meets it, and nothing is lost",
  async (one, other) => {
    const { gateway, id } = await waiting();
    if (one === "release") await give(gateway, id, "hold");
    const results = await Promise.all([
      give(gateway, id, one, { reason: "x" }),
      give(gateway, id, other, { reason: "x" }),
    ]);
    expect(results[0]).toMatchObject({ ok: true });
    expect(results[1]).toEqual(refusedFor("busy"));
    await settled();
    await gateway.pass();
    const isThere = spooled(gateway).filter((text) => text.includes(`"${A}"`)).length;
    expect(isThere).toBe(one === "remove" || one === "bounce" ? 0 : 1);
    expect(gateway.events("dispatch.failed", "transmission.stale")).toEqual([]);
  },
);

test.each(KINDS)(
  "%s while the disk takes nothing: carried out when it does, and answered then",
  async (kind) => {
    const { gateway, storage, id } = await waiting();
    if (kind === "release") await give(gateway, id, "hold");
    storage.fail({ call: "commit", name: "spool/queue", times: 3 });
    let answered: Ordered | undefined;
    const ordered = give(gateway, id, kind, { reason: "x" }).then((answer) => {
      answered = answer;
    });
    await settled();
    expect(answered).toBeUndefined();
    for (let round = 0; round < 4; round++) await gateway.pass();
    await ordered;
    expect(answered).toMatchObject({ ok: true });
  },
);

test("a stop does not wait for an order that the disk keeps waiting, and the next start has the mail", async () => {
  const { gateway, storage, id } = await waiting();
  storage.fail({ call: "commit", name: "spool/queue", times: Number.POSITIVE_INFINITY });
  const ordered = give(gateway, id, "remove");
  const rejected = expect(ordered).rejects.toThrow();
  await settled();
  const drained = gateway.relay.drain();
  for (let round = 0; round < 30; round++) await gateway.pass();
  await drained;
  await rejected;
  await expect(give(gateway, id, "remove")).rejects.toThrow("the gateway is stopping");
  storage.mend();
  await gateway.relay.close();
  const next = await openHeldGateway({}, storage);
  expect(spooled(next)).toHaveLength(1);
  await next.stop();
});

test("held in doubt until the doubt has expired, it waits for an operator", async () => {
  const settings = {
    MAILONCE_LEDGER_DOUBTFUL: "hold",
    MAILONCE_SPOOL_LIFETIME: "1h",
    MAILONCE_LEDGER_RETENTION: "1d",
  };
  const { gateway, storage, id } = await waiting(DOUBTFUL, settings);
  const startAt = gateway.time.now() + 3 * 86_400_000;
  storage.crash((unsynced) => unsynced);
  // As a command does that has the ledger open long enough, or another gateway of a shared one.
  const state = await storage.openStore("ledger/state");
  const isMark = (key: Uint8Array) => key[0] === "a".charCodeAt(0);
  const keys: Uint8Array[] = [];
  for await (const key of state.keys()) if (isMark(key)) keys.push(key);
  expect(keys).toHaveLength(1);
  await state.commit(keys.map((key) => ({ type: "del", key })));
  await state.close();
  const next = await openHeldGateway(settings, storage, startAt);
  for (let round = 0; round < 100; round++) await next.pass();
  expect(await next.relay.doubtful.list()).toEqual([]);
  expect(next.calls).toHaveLength(0);
  expect(next.events("transmission.expired")).toEqual([]);
  expect(next.relay.laneFacts()).toMatchObject([{ held: { count: 1 } }]);
  expect(await give(next, id, "release")).toEqual(due);
  await next.call(A).answer(ACCEPTED);
  await next.stop();
});

// Found by the simulation: a copy was answered 250 while nothing of the mail was left.
test("a mail whose claim can't be released is not removed either", async () => {
  const { gateway, storage, id } = await waiting();
  storage.fail({ call: "commit", name: "ledger/state", times: Number.POSITIVE_INFINITY });
  await give(gateway, id, "retry");
  expect(gateway.events("dispatch.failed")).toHaveLength(1);
  await expect(give(gateway, id, "remove")).rejects.toThrow();
  expect(spooled(gateway)).toHaveLength(1);
  expect(await gateway.submit([A])).toMatchObject({ code: 250, text: expect.stringContaining("repeat") });
  storage.mend();
  expect(await give(gateway, id, "remove")).toEqual({ ok: true, next: "removed" });
  expect(await gateway.submit([A])).toMatchObject({ code: 250, text: expect.stringContaining("queued as") });
});
