// An operator's decision about a doubt, and an order about the same mail while the decision is being made.
import { expect, test } from "vitest";
import { ORDER_KINDS } from "../../src/dispatch/order.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { openHeldGateway, orderOne, settled } from "../support/held-gateway.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";

const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const ACCEPTED: Outcome = { kind: "accepted", upstreamId: "1" };
const A = "a@example.net";

const DECISIONS = ["relayed", "not-relayed"] as const;

test.each(ORDER_KINDS.flatMap((kind) => DECISIONS.map((decision) => [kind, decision] as const)))(
  "%s while it is decided that it was %s: the decision holds, and it is attempted once at the most",
  async (kind, decision) => {
    /** What the next commit of the spool waits for. */
    let gate: Promise<unknown> | undefined;
    const storage = createMemoryStorage({
      async pause(call, name, place) {
        if (call !== "commit" || name !== "spool/queue" || place !== "end") return;
        const before = gate;
        gate = undefined;
        await before;
      },
    });
    const gateway = await openHeldGateway({ MAILONCE_LEDGER_DOUBTFUL: "hold" }, storage);
    await gateway.submit([A]);
    const { transmission, answer } = gateway.call(A);
    await answer(DOUBTFUL);
    const { id } = transmission;
    const resolved = gateway.relay.doubtful.resolve(id, decision);
    // The order's, were it carried out.
    gate = settled();
    const ordered = orderOne(gateway, id, { kind, resend: true, reason: "x" });
    expect(await ordered).toEqual({ ok: false, why: "busy" });
    expect(await resolved).toMatchObject({ ok: true });
    await settled();
    expect(gateway.calls).toHaveLength(decision === "relayed" ? 1 : 2);
    if (decision === "not-relayed") await gateway.call(A).answer(ACCEPTED);
    expect(gateway.relay.laneFacts()).toMatchObject([{ held: { count: 0 } }]);
    expect(gateway.lines.filter(({ event }) => event === "transmission.second_copy")).toEqual([]);
    await gateway.stop();
  },
);

test("decided as relayed while it waits for its next attempt, it is counted nowhere", async () => {
  const gateway = await openHeldGateway({ MAILONCE_LEDGER_DOUBTFUL: "resend" });
  await gateway.submit([A]);
  const { transmission, answer } = gateway.call(A);
  await answer(DOUBTFUL);
  expect(gateway.relay.laneFacts()).toMatchObject([{ waiting: { count: 1 } }]);
  gateway.time.advance(1_000);
  expect(await gateway.relay.doubtful.resolve(transmission.id, "relayed")).toMatchObject({ ok: true });
  expect(gateway.relay.laneFacts()).toMatchObject([{ waiting: { count: 0 }, due: { count: 0 } }]);
  await gateway.pass();
  expect(gateway.calls).toHaveLength(1);
  await gateway.stop();
});
