// How long an operator's `retry --resend` of a doubtful mail holds, under a policy that would not send it again.
import { expect, test } from "vitest";
import type { Ordered } from "../../src/dispatch/order.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { openHeldGateway, orderOne } from "../support/held-gateway.ts";

const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const ACCEPTED: Outcome = { kind: "accepted", upstreamId: "1" };
const LATER: Outcome = { kind: "later", reply: "450 not now" };
const DOWN: Outcome = { kind: "down", reply: "421 closed", retryAfterMs: 1_000 };

const A = "a@example.net";
const due: Ordered = { ok: true, next: "due" };
const held: Ordered = { ok: true, next: "held" };
const HOLD = { MAILONCE_LEDGER_DOUBTFUL: "hold" };

type Gateway = Awaited<ReturnType<typeof openHeldGateway>>;

/** A doubtful mail that is being attempted again. */
async function resent() {
  const gateway = await openHeldGateway(HOLD);
  await gateway.submit([A]);
  const { transmission, answer } = gateway.call(A);
  await answer(DOUBTFUL);
  expect(await orderOne(gateway, transmission.id, { kind: "retry", resend: true })).toEqual(due);
  expect(gateway.calls).toHaveLength(2);
  return { gateway, id: transmission.id };
}

/** Another start on what is durable, some minutes later. */
async function restarted({ storage }: Gateway, settings: Readonly<Record<string, string>>) {
  storage.crash((unsynced) => unsynced);
  const gateway = await openHeldGateway(settings, storage);
  await gateway.pass();
  return gateway;
}

test.each(["hold", "drop"] as const)(
  "resend is for one attempt: after a crash in it the policy %s decides, which sends nothing",
  async (policy) => {
    const { gateway, id } = await resent();
    const next = await restarted(gateway, { MAILONCE_LEDGER_DOUBTFUL: policy });
    expect(next.calls).toHaveLength(0);
    const expected = { hold: [{ id, standing: "held" }], drop: [] }[policy];
    expect(await next.relay.doubtful.list()).toMatchObject(expected);
    await next.stop();
  },
);

test.each([LATER, DOWN])(
  "resend goes on where the upstream did not take the mail: $kind",
  async (outcome) => {
    const { gateway } = await resent();
    await gateway.call(A).answer(outcome);
    const next = await restarted(gateway, HOLD);
    expect(next.calls).toHaveLength(1);
    await next.call(A).answer(ACCEPTED);
    await next.stop();
  },
);

test("a hold ends what was decided by resend: policy decides when it is released", async () => {
  const { gateway, id } = await resent();
  await gateway.call(A).answer(LATER);
  expect(await orderOne(gateway, id, { kind: "hold" })).toEqual(held);
  expect(await orderOne(gateway, id, { kind: "release" })).toEqual({ ok: true, next: "policy" });
  await gateway.pass();
  expect(gateway.calls).toHaveLength(2);
  expect(await gateway.relay.doubtful.list()).toMatchObject([{ id, standing: "held" }]);
  await gateway.stop();
});
