// A gateway that was away for longer than the lease, in the middle of an attempt: what another gateway has
// taken over is its own; what that one has given up again is this one's still.
import { expect, test } from "vitest";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { orderOne } from "../support/held-gateway.ts";
import { gatewayAmongOthers, openAmongOthers, settled } from "./among-others.ts";

const REFUSED: Outcome = {
  kind: "refused",
  reply: "550 5.1.1 no such user",
};
const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const NOT_NOW: Outcome = {
  kind: "later",
  reply: "450 4.2.1 not now",
};
const ACCEPTED: Outcome = { kind: "accepted", upstreamId: "1" };

const DATE = "Thu, 01 Jan 2026 00:00:00 +0000";

/** Another gateway takes the id over, attempts it with a Date of its own, and gives it up. */
async function attemptedElsewhere(lapse: Awaited<ReturnType<typeof gatewayAmongOthers>>["lapse"]) {
  const { other, claim } = await lapse("claimed");
  other.accepted([claim]);
  await other.attempt(claim, DATE);
  await other.release([claim]);
}

test("a refusal of what another gateway has taken over is not reported", async () => {
  const { calls, events, first, lapse } = await gatewayAmongOthers();
  const { other, claim } = await lapse("doubtful");
  other.accepted([claim]);
  await other.attempt(claim, "a date");
  first.answer(REFUSED);
  await settled();
  expect(events).toContain("transmission.stale");
  expect(events).not.toContain("transmission.reported");
  expect(calls).toHaveLength(1);
});

test.each([
  ["refused", REFUSED],
  ["doubtful", DOUBTFUL],
])("what another has taken over and given up again is attempted again, %s", async (_, outcome) => {
  const { calls, events, first, lapse } = await gatewayAmongOthers();
  const { other, claim } = await lapse("doubtful");
  await other.release([claim]);
  first.answer(outcome);
  await settled();
  expect(events).toContain("transmission.doubtful");
  expect(calls).toHaveLength(2);
  calls[1]?.answer(ACCEPTED);
  await settled();
  expect(events).toContain("transmission.relayed");
});

test("what is held after another has given it up is listed, and can be decided", async () => {
  const { relay, calls, events, first, lapse } = await gatewayAmongOthers({
    MAILONCE_LEDGER_DOUBTFUL: "hold",
  });
  const { other, claim } = await lapse("doubtful");
  // An operator has said there that it was not relayed.
  await other.settle(claim, "cleared");
  await other.release([claim]);
  first.answer(DOUBTFUL);
  await settled();
  expect(events).toContain("transmission.doubtful");
  const { id } = first.transmission;
  expect(await relay.doubtful.list()).toMatchObject([{ id, standing: "held" }]);
  expect(await relay.doubtful.resolve(id, "not-relayed")).toEqual({ ok: true, id, next: "queued" });
  await settled();
  expect(calls).toHaveLength(2);
});

test.each([
  ["is relayed there", "relayed"],
  ["is in doubt there too", "doubtful"],
] as const)(
  "what is held in doubt, while another gateway relays it for a client that waits, is kept here until it %s",
  async (_, ends) => {
    const settings = { MAILONCE_LEDGER_DOUBTFUL: "hold" };
    const opened = await gatewayAmongOthers(settings);
    opened.first.answer(DOUBTFUL);
    await settled();
    const { other, claim } = await opened.lapse("doubtful");
    other.accepted([claim], true);
    await other.attempt(claim, DATE);
    opened.storage.crash((unsynced) => unsynced);
    const { relay, storage, events, clock, calls, id, retryMs } = await openAmongOthers(settings, opened);
    clock.advance(retryMs);
    await settled();
    expect(events).toContain("transmission.waiting");
    await other.settle(claim, ends);
    if (ends === "doubtful") await other.release([claim]);
    clock.advance(retryMs);
    await settled();
    expect(calls).toHaveLength(0);
    const isThere = ends === "doubtful";
    expect([...(storage.view("spool/queue")?.visible.keys() ?? [])].some((key) => key.startsWith("t"))).toBe(
      isThere,
    );
    expect(relay.laneFacts()).toMatchObject([{ held: { count: isThere ? 1 : 0, byOperator: 0 } }]);
    expect(await relay.doubtful.list()).toMatchObject(isThere ? [{ id, standing: "held" }] : []);
  },
);

test.each([undefined, "hold"] as const)(
  "a decision that finds the claim lost leaves no mail behind when the task is submitted again, order %s",
  async (kind) => {
    const { relay, storage, calls, first, id, submit, lapse } = await gatewayAmongOthers({
      MAILONCE_LEDGER_DOUBTFUL: "hold",
    });
    first.answer(DOUBTFUL);
    await settled();
    if (kind !== undefined) expect(await orderOne({ relay }, id, { kind })).toMatchObject({ ok: true });
    const { other, claim } = await lapse("doubtful");
    await other.release([claim]);
    const decided = relay.doubtful.resolve(id, "not-relayed");
    const submitted = submit();
    expect(await decided).toMatchObject({ ok: false });
    expect((await submitted).code).toBe(250);
    expect((await submit()).code).toBe(250);
    await settled();
    const keys = [...(storage.view("spool/queue")?.visible.keys() ?? [])].filter((key) =>
      key.startsWith("t"),
    );
    expect([keys.length, ...relay.laneFacts().map((lane) => lane.held.count)]).toEqual([1, 1]);
    expect(await relay.doubtful.list()).toMatchObject([{ id, standing: "held" }]);
    expect(calls).toHaveLength(1);
  },
);

test("what an operator holds, and another gateway has decided about and given up, is still held", async () => {
  const { relay, calls, first, id, lapse } = await gatewayAmongOthers({ MAILONCE_LEDGER_DOUBTFUL: "hold" });
  first.answer(DOUBTFUL);
  await settled();
  await orderOne({ relay }, id, { kind: "hold" });
  const { other, claim } = await lapse("doubtful");
  await other.settle(claim, "cleared");
  await other.release([claim]);
  expect(await relay.doubtful.resolve(id, "not-relayed")).toMatchObject({ ok: false });
  await settled();
  expect(relay.laneFacts()).toMatchObject([{ held: { count: 1, byOperator: 1 }, due: { count: 0 } }]);
  expect(calls).toHaveLength(1);
  expect(await orderOne({ relay }, id, { kind: "release" })).toEqual({ ok: true, next: "due" });
  expect(calls).toHaveLength(2);
});

test("what another has attempted first, and given up, goes again with the Date of that attempt (P6)", async () => {
  const { calls, first, clock, retryMs, lapse } = await gatewayAmongOthers();
  // Certainly not there, so that the next attempt is the first one.
  first.answer(NOT_NOW);
  await settled();
  await attemptedElsewhere(lapse);
  clock.advance(retryMs);
  await settled();
  expect(calls).toHaveLength(2);
  expect(Buffer.from(calls[1]?.transmission.octets ?? []).toString()).toContain(`\r\nDate: ${DATE}\r\n`);
});

test("a disk that fails while a lapsed claim is claimed once more loses nothing (P5)", async () => {
  const { calls, events, storage, before, first, clock, retryMs, lapse } = await gatewayAmongOthers();
  // From now on the mail is read from the disk.
  storage.fail({ call: "write", name: "spool/queue" });
  first.answer(NOT_NOW);
  await settled();
  await attemptedElsewhere(lapse);
  before.take = async () => {
    before.take = async () => {};
    storage.fail({ call: "get", name: "spool/queue" });
  };
  clock.advance(retryMs);
  await settled();
  expect(events).toContain("dispatch.failed");
  clock.advance(retryMs);
  await settled();
  expect(calls).toHaveLength(2);
  expect(Buffer.from(calls[1]?.transmission.octets ?? []).toString()).toContain(`\r\nDate: ${DATE}\r\n`);
});

test.each([
  ["is relayed there", "relayed"],
  ["is refused there, which the other's client alone is told", "released"],
] as const)("what another relays for a client that waits is kept here until it %s (P5)", async (_, ends) => {
  const { calls, events, first, clock, retryMs, lapse } = await gatewayAmongOthers();
  first.answer(NOT_NOW);
  await settled();
  const { other, claim } = await lapse("claimed");
  other.accepted([claim], true);
  await other.attempt(claim, "Thu, 01 Jan 2026 00:00:00 +0000");
  const looks = async (times: number) => {
    for (let look = 0; look < times; look++) {
      clock.advance(retryMs);
      await settled();
    }
  };
  await looks(3);
  expect(events.filter((event) => event === "transmission.waiting")).toHaveLength(1);
  expect(events).not.toContain("transmission.stale");
  await other.settle(claim, ends === "relayed" ? "relayed" : "refused");
  if (ends === "released") await other.release([claim]);
  await looks(2);
  expect(events).toContain("transmission.stale");
  expect(calls).toHaveLength(ends === "relayed" ? 1 : 2);
});

test("a try of a paused upstream that finds its claim at another gateway says nothing of the upstream", async () => {
  const { calls, events, first, clock, retryMs, lapse } = await gatewayAmongOthers();
  first.answer({ kind: "down", reply: "ECONNREFUSED" });
  await settled();
  const { other, claim } = await lapse("claimed");
  other.accepted([claim], true);
  await other.attempt(claim, "Thu, 01 Jan 2026 00:00:00 +0000");
  clock.advance(retryMs);
  await settled();
  expect(events).toContain("transmission.waiting");
  expect(events).not.toContain("dispatch.resumed");
  await other.settle(claim, "refused");
  await other.release([claim]);
  clock.advance(retryMs);
  await settled();
  expect(calls).toHaveLength(2);
  calls[1]?.answer(ACCEPTED);
  await settled();
  expect(events).toContain("dispatch.resumed");
});

test.each([
  ["has it", 451],
  ["has given it up again", 250],
] as const)(
  "what policy counts as relayed is so only if it is recorded: another gateway %s",
  async (gives, code) => {
    const { calls, events, before, submit, lapse, openOther, id } = await openAmongOthers({
      MAILONCE_LEDGER_DOUBTFUL: "drop",
      MAILONCE_SMTP_REPLY: "relayed",
    });
    const reply = submit();
    await settled();
    before.change = async (batch) => {
      if (batch.every(({ to }) => to !== "relayed")) return;
      before.change = async () => {};
      const { other, claim } = await lapse("doubtful");
      if (gives === "has it") {
        other.accepted([claim]);
        await other.attempt(claim, "a date");
      } else await other.release([claim]);
    };
    calls[0]?.answer(DOUBTFUL);
    await settled();
    expect(events).toContain("transmission.doubtful");
    expect((await reply).code).toBe(code);
    if (code === 451) return;
    const [found] = await (await openOther()).claim([{ id, digest: new Uint8Array(16) }]);
    expect(found).toMatchObject({ kind: "repeat", standing: "relayed" });
  },
);

test.each(["queued", "relayed"])(
  "250 is not said of a doubt that another gateway has taken over before policy was recorded (P4), %s",
  async (reply) => {
    const { events, before, submit, lapse, openOther, id } = await openAmongOthers({
      MAILONCE_LEDGER_DOUBTFUL: "drop",
      MAILONCE_SMTP_REPLY: reply,
      // The other gateway's mail is no mail at all.
      MAILONCE_IDENTITY_CONFLICT: "drop",
    });
    const first = await openOther();
    const [claimed] = await first.claim([{ id, digest: new Uint8Array(16) }]);
    if (claimed?.kind !== "claimed") throw new Error("the id is known");
    first.accepted([claimed.claim]);
    await first.attempt(claimed.claim, "a date");
    await first.settle(claimed.claim, "doubtful");
    await first.release([claimed.claim]);
    before.change = async (batch) => {
      if (batch.every(({ to }) => to !== "relayed")) return;
      before.change = async () => {};
      const { other, claim } = await lapse("doubtful");
      await other.release([claim]);
    };
    expect((await submit()).code).toBe(451);
    expect(events).toContain("transmission.doubtful");
    // Recorded this time.
    expect((await submit()).code).toBe(250);
    const [found] = await (await openOther()).claim([{ id, digest: new Uint8Array(16) }]);
    expect(found).toMatchObject({ kind: "repeat", standing: "relayed" });
  },
);
