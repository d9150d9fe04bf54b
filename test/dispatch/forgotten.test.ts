// An id that an operator has forgotten is relayed again for a new mail, and never for a mail that a spool had before.
import { expect, test } from "vitest";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { gatewayAmongOthers, settled } from "./among-others.ts";

const NOT_NOW: Outcome = { kind: "later", reply: "450 4.2.1 not now" };
const ACCEPTED: Outcome = { kind: "accepted", upstreamId: "1" };

test("what another gateway has relayed, and an operator there has forgotten, is not relayed by one that was away", async () => {
  const { relay, calls, events, first, clock, id, retryMs, lapse, submit } = await gatewayAmongOthers();
  first.answer(NOT_NOW);
  await settled();
  const { other, claim } = await lapse("claimed");
  other.accepted([claim]);
  await other.attempt(claim, "a date");
  await other.settle(claim, "relayed");
  expect(await other.forget(id)).toBe("forgotten");
  clock.advance(retryMs);
  await settled();
  expect(events).toContain("transmission.stale");
  expect(calls).toHaveLength(1);
  // Its task sends again, at this gateway, and that is relayed.
  expect((await submit()).code).toBe(250);
  await settled();
  expect(calls).toHaveLength(2);
  calls[1]?.answer(ACCEPTED);
  await settled();
  expect(await other.look(id)).toMatchObject({ state: "relayed" });
  expect((await submit()).text).toContain("repeat");
  await relay.drain();
  await relay.close();
});

test("an answer that comes after another has relayed it, and that was forgotten, is a second copy and says so", async () => {
  const { events, first, id, lapse } = await gatewayAmongOthers();
  const { other, claim } = await lapse("doubtful");
  await other.settle(claim, "relayed");
  expect(await other.forget(id)).toBe("forgotten");
  first.answer(ACCEPTED);
  await settled();
  expect(events).toContain("transmission.second_copy");
  expect(await other.look(id)).toMatchObject({ state: "forgotten" });
});
