// An operator decides while the id is attempted, or while policy acts on its doubt: one recipient's decision never
// touches the other's mail, and what the attempt finds afterwards changes nothing that was decided.
import { expect, test } from "vitest";
import { createDecisions } from "../../src/dispatch/decisions.ts";
import { StorageError } from "../../src/storage/storage.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { openHeldGateway, settled } from "../support/held-gateway.ts";
import { idOf } from "../support/ids.ts";
import { gatewayAmongOthers, openAmongOthers } from "./among-others.ts";

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

test.each([
  ["not-relayed", "hold"],
  ["not-relayed", "resend"],
  ["relayed", "hold"],
  ["relayed", "resend"],
] as const)(
  "decided as %s while the engine is slow, and submitted meanwhile under %s: it goes once, or is out",
  async (decision, policy) => {
    const { relay, storage, events, calls, before, id, submit, openOther } = await openAmongOthers({
      MAILONCE_LEDGER_DOUBTFUL: policy,
      // The other gateway's mail is no mail at all.
      MAILONCE_IDENTITY_CONFLICT: "drop",
    });
    const other = await openOther();
    const [claimed] = await other.claim([{ id, digest: new Uint8Array(16) }]);
    if (claimed?.kind !== "claimed") throw new Error("the id is known");
    other.accepted([claimed.claim]);
    await other.attempt(claimed.claim, "Thu, 01 Jan 2026 00:00:00 +0000");
    await other.settle(claimed.claim, "doubtful");
    await other.release([claimed.claim]);
    const answers: (() => void)[] = [];
    const slow = (call: "read" | "write") => async () => {
      before[call] = async () => {};
      await new Promise<void>((resolve) => answers.push(resolve));
    };
    before.read = slow("read");
    const decided = relay.doubtful.resolve(id, decision);
    await settled();
    // What policy notes of it.
    before.write = slow("write");
    expect((await submit()).code).toBe(250);
    // The engine's answer comes first, then the disk's.
    for (let answered = 0; answered < answers.length; answered++) {
      await settled();
      answers[answered]?.();
      await settled();
    }
    before.write = async () => {};
    const next = decision === "relayed" ? "relayed" : "queued";
    expect(await decided).toEqual({ ok: true, id, next });
    await settled();
    expect(await relay.doubtful.list()).toEqual([]);
    expect(relay.laneFacts()).toMatchObject([{ held: { count: 0 } }]);
    expect(calls).toHaveLength(decision === "relayed" ? 0 : 1);
    calls[0]?.answer(ACCEPTED);
    await settled();
    // Policy does nothing about a doubt that is decided.
    expect(events.includes("transmission.doubtful")).toBe(decision === "relayed");
    expect(events).not.toContain("transmission.second_copy");
    expect(relay.isEmpty()).toBe(true);
    expect(storage.view("spool/queue")?.visible.size).toBe(1);
  },
);

test("decided as not relayed, and the engine's answer is lost: it is listed still, and decided once more", async () => {
  const { relay, calls, first, after, id } = await gatewayAmongOthers({ MAILONCE_LEDGER_DOUBTFUL: "hold" });
  first.answer(DOUBTFUL);
  await settled();
  after.change = async () => {
    throw new StorageError("unavailable", "the answer is lost");
  };
  await expect(relay.doubtful.resolve(id, "not-relayed")).rejects.toThrow("the answer is lost");
  after.change = async () => {};
  expect(await relay.doubtful.list()).toMatchObject([{ id, standing: "held" }]);
  expect(calls).toHaveLength(1);
  expect(await relay.doubtful.resolve(id, "not-relayed")).toEqual({ ok: true, id, next: "queued" });
  await settled();
  expect(calls).toHaveLength(2);
  expect(await relay.doubtful.list()).toEqual([]);
});

test.each(["queued", "nothing"] as const)(
  "work waits for a decision that it was not relayed, and is told what came of it: %s",
  async (made) => {
    const decisions = createDecisions();
    const id = idOf("one");
    const order: string[] = [];
    let answer: (decided: typeof made) => void = () => {};
    const first = decisions.makeApart(
      id,
      () => new Promise((resolve) => (answer = resolve)),
      async () => {
        await settled();
        order.push("carried out");
      },
    );
    const work = decisions.during(id, async (isCleared) => {
      order.push("work");
      expect(await decisions.makeApart(id, never, never)).toBe("busy");
      await decisions.during(id, async (isClearedAgain) => expect(isClearedAgain).toBe(false));
      return isCleared;
    });
    expect(decisions.isBusy(id)).toBe(true);
    answer(made);
    expect(await first).toBe(made);
    expect(await work).toBe(made === "queued");
    expect(order).toEqual(["carried out", "work"]);
    expect(decisions.isBusy(id)).toBe(false);
    expect(await decisions.during(id, async (isCleared) => isCleared)).toBe(false);
  },
);

const never = (): Promise<never> => Promise.reject(new Error("it is not asked for"));
