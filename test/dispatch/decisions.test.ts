// An operator decides while the id is attempted, or while policy acts on its doubt: one recipient's decision never
// touches the other's mail, and what the attempt finds afterwards changes nothing that was decided.
import { expect, test } from "vitest";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { openHeldGateway, settled } from "../support/held-gateway.ts";

const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const ACCEPTED: Outcome = { kind: "accepted", upstreamId: "1" };
const untaken = (kind: "refused" | "later" | "down"): Outcome => ({ kind, reply: "not now" });

/** Two recipients; the first is doubtful and attempted again, the second is refused for now. */
async function attemptedAgain() {
  const one = await openHeldGateway({});
  expect((await one.submit(["a@example.net", "b@example.net"])).code).toBe(250);
  await one.call("a@example.net").answer(DOUBTFUL);
  await one.call("b@example.net").answer(untaken("later"));
  await one.pass();
  const { id } = one.call("a@example.net").transmission;
  return { ...one, id };
}

test.each<[string, Outcome]>([
  ["accepted", ACCEPTED],
  ["refused for now", untaken("later")],
  ["refused for good", untaken("refused")],
  ["refused by an upstream that is down", untaken("down")],
  ["without an answer", DOUBTFUL],
])(
  "decided as relayed during an attempt that is %s: it is out, and the other one goes on",
  async (_, outcome) => {
    const { relay, id, call, calls, events, pass, stop, storage } = await attemptedAgain();
    const resolved = await relay.doubtful.resolve(id, "relayed", "the upstream says so");
    expect(resolved).toEqual({ ok: true, id, next: "relayed" });
    expect(await relay.doubtful.resolve(id, "relayed")).toMatchObject({ ok: false });
    expect(await relay.doubtful.list()).toEqual([]);
    await call("a@example.net").answer(outcome);
    expect(events("transmission.second_copy")).toHaveLength(outcome === ACCEPTED ? 1 : 0);
    expect(events("transmission.reported", "transmission.stale", "dispatch.failed")).toEqual([]);
    await pass();
    await call("b@example.net").answer(ACCEPTED);
    expect(events("transmission.relayed")).toHaveLength(1);
    await pass();
    expect(calls.filter(({ transmission }) => transmission.id === id)).toHaveLength(2);
    expect(storage.view("spool/queue")?.visible.size).toBe(1);
    await stop();

    const next = await openHeldGateway({}, storage);
    expect(next.events("spool.recovered")).toEqual([]);
    await next.stop();
  },
);

test("decided as not relayed during an attempt: refused, and nothing is changed", async () => {
  const { relay, id, call, events, stop } = await attemptedAgain();
  const fault = `${id} is being attempted, try again`;
  expect(await relay.doubtful.resolve(id, "not-relayed")).toEqual({ ok: false, fault });
  expect(await relay.doubtful.list()).toMatchObject([{ id, standing: "retrying" }]);
  await call("a@example.net").answer(DOUBTFUL);
  expect(events("transmission.doubtful")).toHaveLength(2);
  expect(await relay.doubtful.resolve(id, "not-relayed")).toMatchObject({ ok: true, next: "queued" });
  await call("b@example.net").answer(ACCEPTED);
  await stop();
});

test.each(["relayed", "not-relayed"] as const)(
  "decided as %s while the hold of the doubt is being written: carried out or refused, never stuck",
  async (decision) => {
    const { relay, calls, call, submit, pass, stop, storage } = await openHeldGateway({
      MAILONCE_LEDGER_DOUBTFUL: "hold",
    });
    await submit(["a@example.net"]);
    const { id } = call("a@example.net").transmission;
    // In each turn of the event loop while the end of the attempt is recorded.
    void call("a@example.net").answer(DOUBTFUL);
    let resolved = await relay.doubtful.resolve(id, decision);
    for (let turn = 0; turn < 200 && !resolved.ok; turn++) {
      await Promise.resolve();
      resolved = await relay.doubtful.resolve(id, decision);
    }
    expect(resolved).toMatchObject({ ok: true });
    await settled();
    await pass();
    if (decision === "not-relayed") {
      expect(calls).toHaveLength(2);
      await call("a@example.net").answer(ACCEPTED);
    } else expect(calls).toHaveLength(1);
    expect(storage.view("spool/queue")?.visible.size).toBe(1);
    expect(await relay.doubtful.list()).toEqual([]);
    await stop();
  },
);

test("decided as not relayed, and killed before the spool knows: the next start relays it", async () => {
  const { relay, call, submit, storage } = await openHeldGateway({ MAILONCE_LEDGER_DOUBTFUL: "hold" });
  await submit(["a@example.net"]);
  await call("a@example.net").answer(DOUBTFUL);
  const { id } = call("a@example.net").transmission;
  storage.fail({ call: "commit", name: "spool/queue", times: Number.POSITIVE_INFINITY });
  void relay.doubtful.resolve(id, "not-relayed");
  await settled();
  storage.crash((unsynced) => unsynced);
  storage.mend();

  const next = await openHeldGateway({ MAILONCE_LEDGER_DOUBTFUL: "hold" }, storage);
  await settled();
  const call2 = next.call("a@example.net");
  // In doubt again, it is said again: the decision was about another attempt.
  await call2.answer(DOUBTFUL);
  expect(next.events("transmission.doubtful")).toHaveLength(1);
  expect(await next.relay.doubtful.list()).toMatchObject([{ id, standing: "held" }]);
  await next.stop();
});

test("decided as not relayed while the spool can't be written: not attempted before it can", async () => {
  const { relay, calls, call, submit, pass, stop, storage } = await openHeldGateway({
    MAILONCE_LEDGER_DOUBTFUL: "hold",
  });
  await submit(["a@example.net"]);
  await call("a@example.net").answer(DOUBTFUL);
  const { id } = call("a@example.net").transmission;
  storage.fail({ call: "commit", name: "spool/queue", times: 3 });
  expect(await relay.doubtful.resolve(id, "not-relayed")).toMatchObject({ ok: true, next: "queued" });
  expect(calls).toHaveLength(1);
  for (let round = 0; round < 4; round++) await pass();
  expect(calls).toHaveLength(2);
  await call("a@example.net").answer(ACCEPTED);
  await stop();
});

test("a decision that the spool can't carry out is carried out later", async () => {
  const { relay, call, submit, pass, stop, storage } = await openHeldGateway({
    MAILONCE_LEDGER_DOUBTFUL: "hold",
  });
  await submit(["a@example.net"]);
  await call("a@example.net").answer(DOUBTFUL);
  const { id } = call("a@example.net").transmission;
  storage.fail({ call: "write", name: "spool/queue", times: 3 });
  expect(await relay.doubtful.resolve(id, "relayed")).toMatchObject({ ok: true });
  for (let round = 0; round < 5; round++) await pass();
  expect(storage.view("spool/queue")?.visible.size).toBe(1);
  await stop();
});
