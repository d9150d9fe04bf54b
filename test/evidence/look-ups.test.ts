// What another gateway settles by evidence leaves the spool of its holder, which nobody has to ask, to attempt or to start. So
// does what it takes over from a holder that was away.
import { expect, test } from "vitest";
import { createDecisions } from "../../src/dispatch/decisions.ts";
import { createLookUps } from "../../src/evidence/look-ups.ts";
import type { Looked } from "../../src/ledger/ledger.ts";
import { silentLog } from "../../src/runtime/log.ts";
import type { SpooledTransmission } from "../../src/spool/record.ts";
import { StorageError } from "../../src/storage/storage.ts";
import { gatewayAmongOthers, settled } from "../dispatch/among-others.ts";
import { idOf } from "../support/ids.ts";
import { createManualClock } from "../support/manual-clock.ts";

const LOOK_UP_MS = 30_000;

test.each(["hold", "resend"] as const)(
  "in doubt under %s: it is looked up, and taken out",
  async (doubtful) => {
    const one = await gatewayAmongOthers({
      ...{
        MAILONCE_LEDGER_DOUBTFUL: doubtful,
        MAILONCE_SPOOL_RETRY_MIN: "1h",
        MAILONCE_SPOOL_RETRY_MAX: "2h",
      },
    });
    one.first.answer({ kind: "doubtful", cause: "the connection was lost" });
    await settled();
    const other = await one.openOther();
    expect(await other.prove(one.id, one.time.now())).toBe("relayed");
    expect(one.relay.isEmpty()).toBe(false);
    one.clock.advance(LOOK_UP_MS);
    await settled();
    expect(one.relay.isEmpty()).toBe(true);
    expect(one.events.filter((event) => event === "evidence.settled")).toHaveLength(1);
    expect(one.events).not.toContain("transmission.stale");
    expect(one.relay.readings.ledger()).toEqual({ claims: 0, open: 0, doubtful: 0 });
    const { items } = await one.relay.history.ofId(one.id, { limit: 10 });
    expect(items).toContainEqual(expect.objectContaining({ kind: "evidence", source: "another gateway" }));
    expect(one.calls).toHaveLength(1);
    await one.relay.drain();
    await one.relay.close();
  },
);

test.each(["hold", "resend"] as const)(
  "under %s the holder's own settlement without an answer is found, though nobody brings evidence again",
  async (doubtful) => {
    const one = await gatewayAmongOthers({
      ...{ MAILONCE_LEDGER_DOUBTFUL: doubtful },
      ...{ MAILONCE_SPOOL_RETRY_MIN: "1h", MAILONCE_SPOOL_RETRY_MAX: "2h" },
    });
    one.first.answer({ kind: "doubtful", cause: "the connection was lost" });
    await settled();
    one.after.change = async () => {
      throw new StorageError("unavailable", "the answer is lost");
    };
    const proof = { from: "tag", source: "ses", at: one.time.now() } as const;
    expect(await one.relay.evidence.take(one.id, proof)).toBe("away");
    one.after.change = async () => {};
    // The evidence comes again to another gateway, which finds nothing to settle and has it removed.
    const other = await one.openOther();
    expect(await other.prove(one.id, one.time.now())).toBe("nothing");
    expect(one.relay.isEmpty()).toBe(false);
    one.clock.advance(LOOK_UP_MS);
    await settled();
    expect(one.relay.isEmpty()).toBe(true);
    expect(await one.relay.doubtful.list()).toEqual([]);
    expect(await other.look(one.id)).toMatchObject({ state: "relayed" });
    expect(one.relay.readings.ledger()).toEqual({ claims: 0, open: 0, doubtful: 0 });
    const explained = await one.relay.explain.explain(one.id);
    expect(explained?.answer).toContain("and evidence or an operator settled it, found at");
    expect(one.calls).toHaveLength(1);
    await one.relay.drain();
    await one.relay.close();
  },
);

test("so is one that never arrived, where another gateway has settled it", async () => {
  const one = await gatewayAmongOthers({ MAILONCE_LEDGER_DOUBTFUL: "hold" });
  one.first.answer({ kind: "doubtful", cause: "the connection was lost" });
  await settled();
  one.before.change = async () => {
    throw new StorageError("unavailable", "it never arrives");
  };
  const proof = { from: "tag", source: "ses", at: one.time.now() } as const;
  expect(await one.relay.evidence.take(one.id, proof)).toBe("away");
  one.before.change = async () => {};
  const other = await one.openOther();
  expect(await other.prove(one.id, one.time.now())).toBe("relayed");
  one.clock.advance(2 * LOOK_UP_MS);
  await settled();
  one.clock.advance(2 * LOOK_UP_MS);
  await settled();
  expect(one.relay.isEmpty()).toBe(true);
  expect(one.relay.readings.ledger()).toEqual({ claims: 0, open: 0, doubtful: 0 });
  expect(one.calls).toHaveLength(1);
  await one.relay.drain();
  await one.relay.close();
});

test("an attempt before the look-up finds it too, and nothing is wrong with that", async () => {
  const one = await gatewayAmongOthers({
    ...{ MAILONCE_SPOOL_RETRY_MIN: "1s", MAILONCE_SPOOL_RETRY_MAX: "2s" },
  });
  one.first.answer({ kind: "doubtful", cause: "the connection was lost" });
  await settled();
  const other = await one.openOther();
  expect(await other.prove(one.id, one.time.now())).toBe("relayed");
  one.clock.advance(4_000);
  await settled();
  expect(one.relay.isEmpty()).toBe(true);
  expect(one.calls).toHaveLength(1);
  expect(one.events).not.toContain("transmission.stale");
  expect(one.events.filter((event) => event === "evidence.settled")).toHaveLength(1);
  const { items } = await one.relay.history.ofId(one.id, { limit: 10 });
  expect(items).toContainEqual(expect.objectContaining({ kind: "evidence", source: "another gateway" }));
  const explained = await one.relay.explain.explain(one.id);
  expect(explained?.answer).toMatch(
    /^Relayed: .* another gateway relayed it, or evidence or an operator settled it there/,
  );
  await one.relay.drain();
  await one.relay.close();
});

test("an id that can't be looked up keeps no other from that", async () => {
  const ids = Array.from({ length: 150 }, (_, number) => idOf(`mail ${number}`));
  const clock = createManualClock();
  const out: string[] = [];
  const transmission: Omit<SpooledTransmission, "id"> = {
    ...{ messageId: "<a@b.example>", recipient: "r@example.net", size: 10, sender: {} },
    ...{ digest: "00".repeat(16), acceptedAt: 0, attempts: 1, dueAt: 0 },
  };
  const lookUps = createLookUps({
    inDoubt: new Map(
      ids.map((id) => [id, { queued: { claim: { id, fence: 1 } }, transmission: { ...transmission, id } }]),
    ),
    ledger: {
      async look(id): Promise<Looked> {
        if (id === ids[0]) throw new StorageError("unavailable", "not this one");
        return { state: "relayed", at: clock.now(), digest: new Uint8Array(16) };
      },
      release: async () => {},
      settle: async () => "stale",
    },
    decisions: {
      ...createDecisions(),
      decidedRelayed: async (id) => void out.push(id),
      decidedElsewhere() {},
    },
    ...{ history: { settled() {} }, clock, log: silentLog, addresses: false },
  });
  lookUps.start();
  clock.advance(LOOK_UP_MS);
  await settled();
  expect(out).toEqual(ids.slice(1));
  await lookUps.stop();
});

test("what is not settled stays, and goes on", async () => {
  const one = await gatewayAmongOthers({ MAILONCE_LEDGER_DOUBTFUL: "hold" });
  one.first.answer({ kind: "doubtful", cause: "the connection was lost" });
  await settled();
  one.clock.advance(LOOK_UP_MS);
  await settled();
  expect(one.relay.isEmpty()).toBe(false);
  expect(await one.relay.doubtful.resolve(one.id, "not-relayed")).toMatchObject({ ok: true, next: "queued" });
  await settled();
  expect(one.calls).toHaveLength(2);
  one.calls[1]?.answer({ kind: "accepted", upstreamId: "2" });
  await settled();
  expect(one.relay.isEmpty()).toBe(true);
  await one.relay.drain();
  await one.relay.close();
});

test("one that another gateway took over and relayed is no evidence: the attempt says that the claim was lost", async () => {
  const one = await gatewayAmongOthers({
    ...{ MAILONCE_SPOOL_RETRY_MIN: "1s", MAILONCE_SPOOL_RETRY_MAX: "2s" },
  });
  one.first.answer({ kind: "doubtful", cause: "the connection was lost" });
  await settled();
  const { other, claim } = await one.lapse("doubtful");
  other.accepted([claim]);
  await other.attempt(claim, "Thu, 01 Jan 2026 00:00:00 +0000");
  await other.settle(claim, "relayed");
  one.clock.advance(4_000);
  await settled();
  expect(one.relay.isEmpty()).toBe(true);
  expect(one.calls).toHaveLength(1);
  expect(one.events).toContain("transmission.stale");
  expect(one.events).not.toContain("evidence.settled");
  const explained = await one.relay.explain.explain(one.id);
  expect(explained?.answer).toContain(
    "another gateway relayed it, or evidence or an operator settled it there",
  );
  await one.relay.drain();
  await one.relay.close();
});

test.each([
  ["is decided there as not relayed", 2],
  ["is the other's, which answers for it", 1],
  ["is given up there in doubt", 1],
] as const)("held here and taken over by another gateway, it %s", async (ends, calls) => {
  const one = await gatewayAmongOthers({ MAILONCE_LEDGER_DOUBTFUL: "hold" });
  one.first.answer({ kind: "doubtful", cause: "the connection was lost" });
  await settled();
  const { other, claim } = await one.lapse("doubtful");
  if (ends === "is decided there as not relayed") await other.settle(claim, "cleared");
  if (ends === "is the other's, which answers for it") {
    other.accepted([claim]);
    await other.attempt(claim, "Thu, 01 Jan 2026 00:00:00 +0000");
    await other.settle(claim, "doubtful");
  } else await other.release([claim]);
  await settled();
  one.clock.advance(LOOK_UP_MS);
  await settled();
  expect(one.calls).toHaveLength(calls);
  expect(one.relay.isEmpty()).toBe(ends === "is the other's, which answers for it");
  const listed = await one.relay.doubtful.list();
  expect(listed.map(({ standing }) => standing)).toEqual(
    {
      "is decided there as not relayed": [],
      "is the other's, which answers for it": ["elsewhere"],
      "is given up there in doubt": ["held"],
    }[ends],
  );
  for (const call of one.calls.slice(1)) call.answer({ kind: "accepted", upstreamId: "2" });
  await settled();
  await one.relay.drain();
  await one.relay.close();
});
