// The spool knows how the last attempt of a mail ended, from the first one on that did not relay it.
import { expect, test } from "vitest";
import { decodeTransmission, type SpooledTransmission } from "../../src/spool/record.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { openHeldGateway } from "../support/held-gateway.ts";

type Held = Awaited<ReturnType<typeof openHeldGateway>>;

const A = "a@example.net";

/** What is noted of a recipient. */
function noted({ storage }: Held, recipient: string): SpooledTransmission {
  const { visible } = storage.view("spool/queue") ?? { visible: new Map<string, Uint8Array>() };
  const found = [...visible]
    .filter(([key]) => key.startsWith("t"))
    .map(([, value]) => decodeTransmission(value))
    .find((one) => one.recipient === recipient);
  if (found === undefined) throw new Error(`${recipient} is not in the spool`);
  return found;
}

async function afterOne(outcome: Outcome, settings: Readonly<Record<string, string>> = {}) {
  const one = await openHeldGateway(settings);
  // A second recipient, so that the report of the first waits.
  await one.submit([A, "b@example.net"]);
  expect(noted(one, A)).not.toHaveProperty("lastReply");
  const at = one.time.now();
  await one.call(A).answer(outcome);
  return { one, at };
}

/** The attempts under way end too. */
async function end({ calls, stop }: Held): Promise<void> {
  for (const { answer } of calls) await answer({ kind: "accepted", upstreamId: "1" });
  await stop();
}

test.each<[string, Outcome, object]>([
  ["refused for now", { kind: "later", reply: "450 greylisted" }, { attempts: 1 }],
  ["down", { kind: "down", reply: "450 greylisted" }, { attempts: 1 }],
  [
    "refused for good",
    { kind: "refused", reply: "450 greylisted" },
    { ended: { reason: "refused", reply: "450 greylisted", at: expect.any(Number) } },
  ],
  ["doubtful", { kind: "doubtful", cause: "450 greylisted" }, { attempts: 1 }],
])("after an attempt that was %s", async (_, outcome, more) => {
  const { one, at } = await afterOne(outcome);
  expect(noted(one, A)).toMatchObject({
    ...{ lastReply: "450 greylisted", lastUpstream: "held", lastAttemptAt: at },
    ...more,
  });
  expect(noted(one, A)).not.toHaveProperty("hold");
  await end(one);
});

test("the upstream that answered is named, of several", async () => {
  const { one } = await afterOne({ kind: "later", reply: "450", upstream: "second" });
  expect(noted(one, A).lastUpstream).toBe("second");
  await end(one);
});

test("a long reply with controls and other alphabets is cut", async () => {
  const { one } = await afterOne({ kind: "later", reply: `450 später\r\n\u0000${"ß".repeat(5_000)}` });
  expect(noted(one, A).lastReply).toBe(`450 später ${"ß".repeat(94)}`);
  await end(one);
});

test("what the upstream says once it is back is the last", async () => {
  const { one, at } = await afterOne({ kind: "down", reply: "refused" });
  await one.call("b@example.net").answer({ kind: "down", reply: "refused" });
  for (let turn = 0; turn < 6; turn++) {
    await one.pass();
    for (const { answer } of one.calls) await answer({ kind: "later", reply: "450 busy" });
  }
  expect(noted(one, A)).toMatchObject({ lastReply: "450 busy" });
  expect(noted(one, A).lastAttemptAt).toBeGreaterThan(at);
  await end(one);
});

test("a doubtful mail that is held says why, and no more once it is freed", async () => {
  const lost: Outcome = { kind: "doubtful", cause: "the connection was lost" };
  const { one } = await afterOne(lost, { MAILONCE_LEDGER_DOUBTFUL: "hold" });
  expect(noted(one, A)).toMatchObject({ held: true, hold: "doubt", lastReply: lost.cause });
  const { id } = one.call(A).transmission;
  await one.relay.doubtful.resolve(id, "not-relayed");
  expect(noted(one, A)).not.toHaveProperty("hold");
  expect(noted(one, A)).toMatchObject({ lastReply: lost.cause });
  await end(one);
});

test("nothing is written of it for a mail without trouble", async () => {
  const { one } = await afterOne({ kind: "accepted", upstreamId: "1" });
  expect(() => noted(one, A)).toThrow("not in the spool");
  await end(one);
});
