// The checks of the rule S21, see sharing.ts: what several gateways make of evidence.
import { expect } from "vitest";
import type { Claim } from "../../src/ledger/ledger.ts";
import { idOf } from "../support/ids.ts";
import { request } from "./ledger-steps.ts";
import type { SharingCheck, SharingHarness, TestGateway } from "./sharing.ts";
import { accepted, claim, RELAYED, three, two } from "./sharing-checks.ts";

const id = idOf("x");

/** It holds the id in doubt. */
async function doubtfulAt(harness: SharingHarness, gateway: TestGateway): Promise<Claim> {
  const own = await accepted(harness, gateway, request("x"));
  await harness.during(gateway.ledger.attempt(own, "5"));
  await harness.during(gateway.ledger.settle(own, "doubtful"));
  return own;
}

const prove = (harness: SharingHarness, { ledger }: TestGateway) =>
  harness.during(ledger.prove(id, harness.now()));

export const SHARED_EVIDENCE_CHECKS: readonly SharingCheck[] = [
  {
    rule: "S21",
    title: "what a live gateway holds in doubt is settled by any other, once, and its holder can look it up",
    async run(harness) {
      const [a, b, c] = (await three(harness)) as [TestGateway, TestGateway, TestGateway];
      const own = await doubtfulAt(harness, a);
      expect(await harness.during(a.ledger.look(id))).toMatchObject({ state: "doubtful", holder: "here" });
      expect(await prove(harness, b)).toBe("relayed");
      for (const gateway of [a, b, c]) expect(await prove(harness, gateway)).toBe("nothing");
      for (const { ledger } of [a, b, c]) {
        expect(await harness.during(ledger.look(id))).toMatchObject({ state: "relayed" });
        expect(await harness.during(ledger.doubts())).toEqual([]);
      }
      await harness.during(a.ledger.release([own]));
      expect(a.ledger.counts()).toEqual({ claims: 0, open: 0, doubtful: 0 });
      for (const { ledger } of [a, b, c]) {
        expect(await claim(harness, ledger, request("x"))).toMatchObject(RELAYED);
      }
    },
  },
  ...(["relayed", "doubtful", "refused", "cleared"] as const).map(
    (settlement): SharingCheck => ({
      rule: "S21",
      title: `the holder's end of an attempt as ${settlement} is stale after that, whatever came first`,
      async run(harness) {
        const [a, b] = await two(harness);
        const own = await doubtfulAt(harness, a);
        await harness.during(a.ledger.attempt(own, "6"));
        expect(await prove(harness, b)).toBe("relayed");
        expect(await harness.during(a.ledger.settle(own, settlement))).toBe("stale");
        for (const { ledger } of [a, b]) {
          expect(await claim(harness, ledger, request("x"))).toMatchObject(RELAYED);
        }
      },
    }),
  ),
  {
    rule: "S21",
    title: "of gateways that settle it at the same time, its holder too, none finds anything in between",
    async run(harness) {
      const gateways = await three(harness);
      await doubtfulAt(harness, gateways[0] as TestGateway);
      const said = await harness.during(
        Promise.all(gateways.map(({ ledger }) => ledger.prove(id, harness.now()))),
      );
      expect(said).toContain("relayed");
      expect(said).not.toContain("busy");
      for (const { ledger } of gateways) {
        expect(await claim(harness, ledger, request("x"))).toMatchObject(RELAYED);
      }
    },
  },
  {
    rule: "S21",
    title: "the holder attempts nothing any more, though it has not looked it up",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await doubtfulAt(harness, a);
      expect(await prove(harness, b)).toBe("relayed");
      expect(await harness.during(a.ledger.attempt(own, "6"))).toBe("stale");
      expect(await claim(harness, a.ledger, request("x"))).toMatchObject(RELAYED);
    },
  },
  {
    rule: "S21",
    title: "what another gateway queues, or attempts for the first time, is not settled",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      expect(await prove(harness, b)).toBe("nothing");
      await harness.during(a.ledger.attempt(own, "5"));
      expect(await prove(harness, b)).toBe("busy");
      expect(await harness.during(a.ledger.settle(own, "refused"))).toBe("settled");
      expect(await prove(harness, b)).toBe("nothing");
      expect(await harness.during(a.ledger.attempt(own, "6"))).toBe("attempted");
    },
  },
  {
    rule: "S21",
    title: "what a dead gateway attempted is settled, and that one finds it relayed when it is back",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      await harness.during(a.ledger.attempt(own, "5"));
      a.stop();
      await harness.pass(harness.leaseMs * 1.2);
      expect(await prove(harness, b)).toBe("relayed");
      a.goOn();
      await harness.pass(harness.leaseMs);
      expect(await harness.during(a.ledger.settle(own, "doubtful"))).toBe("stale");
      expect(await claim(harness, a.ledger, request("x", { again: true }))).toMatchObject(RELAYED);
    },
  },
  {
    rule: "S21",
    title: "what nobody holds is settled for good, also when the answer to that is lost",
    async run(harness) {
      const [a, b] = await two(harness);
      await harness.during(a.ledger.release([await doubtfulAt(harness, a)]));
      b.engine.loseAnswer("change");
      await expect(prove(harness, b)).rejects.toMatchObject({ name: "StorageError" });
      expect(await prove(harness, a)).toBe("nothing");
      await harness.pass(harness.leaseMs / 2);
      for (const { ledger } of [a, b]) {
        expect(await harness.during(ledger.look(id))).toMatchObject({ state: "relayed" });
        expect(await claim(harness, ledger, request("x"))).toMatchObject(RELAYED);
      }
    },
  },
  {
    rule: "S21",
    title: "the holder can look up its own settlement whose answer is lost, and settles it for good by that",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await doubtfulAt(harness, a);
      a.engine.loseAnswer("change");
      await expect(prove(harness, a)).rejects.toMatchObject({ name: "StorageError" });
      expect(await prove(harness, b)).toBe("nothing");
      expect(await harness.during(a.ledger.look(id))).toMatchObject({ state: "doubtful", isSettled: true });
      expect(await harness.during(a.ledger.settle(own, "relayed"))).toBe("settled");
      for (const { ledger } of [a, b]) {
        expect(await harness.during(ledger.look(id))).toMatchObject({ state: "relayed" });
      }
      expect(a.ledger.counts()).toEqual({ claims: 0, open: 0, doubtful: 0 });
    },
  },
  {
    rule: "S21",
    title: "so too where that never arrives, and another gateway settles it",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await doubtfulAt(harness, a);
      const arrive = a.engine.delayCall("change");
      await expect(prove(harness, a)).rejects.toMatchObject({ name: "StorageError" });
      const looked = await harness.during(a.ledger.look(id));
      expect(looked).toMatchObject({ state: "doubtful", holder: "here" });
      expect(looked).not.toHaveProperty("isSettled");
      expect(await prove(harness, b)).toBe("relayed");
      expect(await harness.during(a.ledger.look(id))).toMatchObject({ state: "doubtful", isSettled: true });
      expect(await harness.during(a.ledger.settle(own, "relayed"))).toBe("stale");
      await arrive();
      for (const { ledger } of [a, b]) {
        expect(await harness.during(ledger.look(id))).toMatchObject({ state: "relayed" });
      }
      expect(a.ledger.counts()).toEqual({ claims: 0, open: 0, doubtful: 0 });
    },
  },
  {
    rule: "S21",
    title: "a settlement whose answer is lost is found settled, and does not undo that it is forgotten",
    async run(harness) {
      const [a, b] = await two(harness);
      await doubtfulAt(harness, a);
      b.engine.loseAnswer("change");
      await expect(prove(harness, b)).rejects.toMatchObject({ name: "StorageError" });
      expect(await prove(harness, b)).toBe("nothing");
      expect(await harness.during(b.ledger.forget(id))).toBe("forgotten");
      expect(await prove(harness, b)).toBe("nothing");
      expect(await harness.during(b.ledger.look(id))).toMatchObject({ state: "forgotten" });
    },
  },
];
