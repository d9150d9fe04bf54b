// What became of a mail that another gateway of the shared ledger has taken over, as this one says it.
import { expect, test } from "vitest";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { gatewayAmongOthers, settled } from "../dispatch/among-others.ts";

const NOT_NOW: Outcome = { kind: "later", reply: "450 4.2.1 not now" };

test("who holds it, and where its attempts are; what it was, when nobody has it any more", async () => {
  const { relay, first, id, clock, retryMs, lapse, before } = await gatewayAmongOthers();
  const answer = async () => (await relay.explain.explain(id))?.answer;
  expect(await answer()).toBe("Being attempted now, for the first time.");
  first.answer(NOT_NOW);
  await settled();
  expect(await answer()).toMatch(/^Waiting: next attempt at /);
  const { other, claim } = await lapse("claimed");
  other.accepted([claim]);
  await other.attempt(claim, "a date");
  expect(await answer()).toBe(
    "Another gateway (other) holds it; the copy here is relayed only if that one gives it up.",
  );
  clock.advance(retryMs);
  await settled();
  expect(await answer()).toBe(
    "Another gateway (other) holds it: its attempts are in that gateway's history.",
  );
  await other.settle(claim, "relayed");
  expect(await answer()).toMatch(/^Relayed, at 20\S+Z; no repeats so far here\.$/);
  before.change = () => Promise.reject(new Error("not called by a look"));
  expect(await answer()).toMatch(/^Relayed, at /);
});
