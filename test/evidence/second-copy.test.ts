// A second copy is said and counted once, whichever way it is found and however often an upstream says so; one that an operator
// ordered is none.
import { expect, test } from "vitest";
import type { Proof } from "../../src/evidence/evidence.ts";
import { StorageError } from "../../src/storage/storage.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { gatewayAmongOthers, settled as settledAmongOthers } from "../dispatch/among-others.ts";
import { openHeldGateway, orderOne, settled } from "../support/held-gateway.ts";

const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const accepted = (upstreamId: string): Outcome => ({ kind: "accepted", upstreamId });
const RECIPIENT = "a@example.net";
const WAIT_MS = 120_000;

/** One mail, whose first attempt was left without an answer. */
async function open(settings: Readonly<Record<string, string>> = {}) {
  const one = await openHeldGateway(settings, undefined, undefined, WAIT_MS);
  await one.submit([RECIPIENT]);
  await one.call(RECIPIENT).answer(DOUBTFUL);
  const { id } = one.call(RECIPIENT).transmission;
  const takenAt = one.time.now();
  return {
    ...{ ...one, id, takenAt },
    /** Until policy sends it again. */
    resend: async () => {
      await one.pass(2 * WAIT_MS);
      expect(one.calls).toHaveLength(2);
    },
    take: (upstreamId: string, more: Partial<Proof> = {}) =>
      one.relay.evidence.take(id, {
        ...{ from: "tag", source: "ses", upstreamId, at: takenAt, fate: { kind: "sent" } },
        ...more,
      }),
    copies: () => one.lines.filter(({ event }) => event === "transmission.second_copy"),
  };
}

test("an event of the first copy, after the re-send was accepted: one, though it comes again", async () => {
  const one = await open();
  await one.resend();
  await one.call(RECIPIENT).answer(accepted("Y"));
  expect(one.copies()).toEqual([]);
  for (const name of ["Y", "X", "X", "Y"]) expect(await one.take(name)).toBe("known");
  await one.take("X", { fate: { kind: "delivered" }, happenedAt: one.takenAt + 5 });
  expect(one.copies()).toMatchObject([
    {
      id: one.id,
      task: "task",
      upstreamId: "X",
      cause: "the upstream has it as Y too",
    },
  ]);
  expect(one.counters.secondCopies.value).toBe(1);
  const explained = await one.relay.explain.explain(one.id);
  expect(explained?.answer).toMatch(
    /^Relayed once, at \S+ by held; delivered at \S+; no repeats so far\. A second copy is proven\.$/,
  );
  expect(explained?.timeline.filter(({ kind }) => kind === "second_copy")).toHaveLength(1);
  await one.stop();

  // Nor at the next start.
  const again = await openHeldGateway({}, one.storage, one.time.now(), WAIT_MS);
  for (const upstreamId of ["X", "Y"]) {
    await again.relay.evidence.take(one.id, { from: "tag", source: "ses", upstreamId, at: one.takenAt });
  }
  expect(again.counters.secondCopies.value).toBe(0);
  await again.stop();
});

test("decided as relayed while it is sent again, and that is accepted: one, and its event finds no other", async () => {
  const one = await open();
  await one.resend();
  expect(await one.relay.doubtful.resolve(one.id, "relayed")).toMatchObject({ ok: true });
  await one.call(RECIPIENT).answer(accepted("Y"));
  for (const name of ["X", "Y"]) await one.take(name);
  expect(one.copies()).toMatchObject([{ upstreamId: "Y", messageId: expect.any(String) }]);
  expect(one.counters.secondCopies.value).toBe(1);
  await one.take("Z");
  expect(one.copies()).toMatchObject([{ upstreamId: "Y" }, { upstreamId: "Z" }]);
  await one.stop();
});

test("an operator orders it to be sent again: none", async () => {
  const one = await open({ MAILONCE_LEDGER_DOUBTFUL: "hold" });
  expect(await orderOne(one, one.id, { kind: "retry", resend: true })).toMatchObject({ ok: true });
  await one.call(RECIPIENT).answer(accepted("Y"));
  for (const name of ["Y", "X"]) expect(await one.take(name)).toBe("known");
  expect(one.copies()).toEqual([]);
  expect(one.counters.secondCopies.value).toBe(0);
  await one.stop();
});

test("forgotten, and sent once more by its task: none", async () => {
  const one = await open();
  expect(await one.take("X")).toBe("settled");
  one.time.advance(WAIT_MS);
  expect(await one.relay.forget.forget(one.id, {})).toMatchObject({ ok: true });
  await one.submit([RECIPIENT]);
  await one.call(RECIPIENT).answer(accepted("Y"));
  for (const name of ["Y", "X"]) await one.take(name, { fate: { kind: "complained" }, happenedAt: 7 });
  expect(one.copies()).toEqual([]);
  await one.stop();
});

test("without a history two names prove nothing, and what is known otherwise is counted", async () => {
  const one = await open({ MAILONCE_HISTORY_RETENTION: "0" });
  await one.resend();
  await one.call(RECIPIENT).answer(accepted("Y"));
  for (const name of ["Y", "X"]) await one.take(name);
  expect(one.copies()).toEqual([]);
  await one.stop();

  const other = await open({ MAILONCE_HISTORY_RETENTION: "0" });
  await other.resend();
  await other.relay.doubtful.resolve(other.id, "relayed");
  await other.call(RECIPIENT).answer(accepted("Y"));
  expect(other.counters.secondCopies.value).toBe(1);
  await other.stop();
});

test("killed before the answer was recorded, and sent again by the next start: one", async () => {
  const one = await openHeldGateway({}, undefined, undefined, WAIT_MS);
  await one.submit([RECIPIENT]);
  const { id } = one.call(RECIPIENT).transmission;
  const takenAt = one.time.now();
  // What the history has in memory is lost.
  one.storage.crash((_unsynced, _store, acknowledged) => acknowledged);
  const next = await openHeldGateway({}, one.storage, one.time.now(), WAIT_MS);
  await next.pass(2 * WAIT_MS);
  await next.call(RECIPIENT).answer(accepted("Y"));
  await next.relay.evidence.take(id, { from: "tag", source: "ses", upstreamId: "X", at: takenAt });
  expect(next.counters.secondCopies.value).toBe(1);
  await next.stop();
});

test("evidence at another gateway, during the re-send of this one, may be of that: none", async () => {
  const { relay, calls, events, first, clock, id, retryMs, time, openOther } = await gatewayAmongOthers();
  first.answer(DOUBTFUL);
  await settledAmongOthers();
  clock.advance(retryMs);
  await settledAmongOthers();
  const other = await openOther();
  expect(await other.prove(id, time.now())).toBe("relayed");
  calls[1]?.answer(accepted("Y"));
  await settledAmongOthers();
  expect(events).toContain("transmission.relayed");
  expect(events).not.toContain("transmission.second_copy");
  await relay.drain();
  await relay.close();
});

test("a ledger that does not say by whom it was settled: none", async () => {
  const { relay, calls, events, first, clock, id, retryMs, time, openOther, before } =
    await gatewayAmongOthers();
  first.answer(DOUBTFUL);
  await settledAmongOthers();
  clock.advance(retryMs);
  await settledAmongOthers();
  const other = await openOther();
  expect(await other.prove(id, time.now())).toBe("relayed");
  let reads = 0;
  before.read = async () => {
    // The first finds that it is relayed, and the next one is to say by whom.
    if (++reads > 1) throw new StorageError("unavailable", "the database is away");
  };
  calls[1]?.answer(accepted("Y"));
  await settledAmongOthers();
  before.read = async () => {};
  expect(reads).toBeGreaterThan(1);
  expect(events).toContain("transmission.relayed");
  expect(events).not.toContain("transmission.second_copy");
  await relay.drain();
  await relay.close();
});

test("a doubt that the history has is not noted at each start", async () => {
  let one = await openHeldGateway({ MAILONCE_LEDGER_DOUBTFUL: "resend" }, undefined, undefined, WAIT_MS);
  await one.submit([RECIPIENT]);
  const { id } = one.call(RECIPIENT).transmission;
  await one.call(RECIPIENT).answer(DOUBTFUL);
  const kinds = async () =>
    (await one.relay.history.ofId(id, { limit: 100 })).items
      .map(({ kind }) => kind)
      .filter((kind) => kind !== "repeats");
  for (let start = 0; start < 3; start++) {
    await one.stop();
    one.time.advance(1_000);
    one = await openHeldGateway({ MAILONCE_LEDGER_DOUBTFUL: "resend" }, one.storage, one.time.now(), WAIT_MS);
    await settled();
    expect(await kinds()).toEqual(["attempt", "accepted"]);
  }
  await one.stop();
});

test("a doubt of which the history knows nothing is noted by the first start", async () => {
  const first = await openHeldGateway({}, undefined, undefined, WAIT_MS);
  await first.submit([RECIPIENT]);
  const { id } = first.call(RECIPIENT).transmission;
  first.storage.crash((_unsynced, _store, acknowledged) => acknowledged);
  let one = first;
  for (let start = 0; start < 3; start++) {
    one = await openHeldGateway({}, one.storage, one.time.now() + 1_000, WAIT_MS);
    await settled();
    const { items } = await one.relay.history.ofId(id, { limit: 100 });
    expect(items.map(({ kind }) => kind)).toEqual(["doubt"]);
    await one.stop();
  }
});
