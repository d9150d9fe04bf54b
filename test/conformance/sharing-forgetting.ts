// The checks of the rule S20, see sharing.ts: what several gateways make of an id that is forgotten.
import { expect } from "vitest";
import type { Claim, ClaimResult } from "../../src/ledger/ledger.ts";
import { idOf } from "../support/ids.ts";
import { digestOf, plain, request } from "./ledger-steps.ts";
import type { SharingCheck, SharingHarness, TestGateway } from "./sharing.ts";
import { accepted, claim, claimed, RELAYED, three, two } from "./sharing-checks.ts";

/** By one that claims it for a new mail. */
async function relayedBy(harness: SharingHarness, gateway: TestGateway): Promise<void> {
  const own = await accepted(harness, gateway, request("x"));
  await harness.during(gateway.ledger.attempt(own, "5"));
  await harness.during(gateway.ledger.settle(own, "relayed"));
}

export const SHARED_FORGET_CHECKS: readonly SharingCheck[] = [
  {
    rule: "S20",
    title: "an id is forgotten at all gateways, and relayed again once",
    async run(harness) {
      const [a, b, c] = (await three(harness)) as [TestGateway, TestGateway, TestGateway];
      await relayedBy(harness, a);
      const [one, other] = await harness.during(
        Promise.all([b.ledger.forget(idOf("x")), c.ledger.forget(idOf("x"))]),
      );
      expect([one, other]).toEqual(["forgotten", "forgotten"]);
      for (const { ledger } of [a, b, c]) {
        expect(await harness.during(ledger.look(idOf("x")))).toMatchObject({ state: "forgotten" });
        expect(await claim(harness, ledger, request("x", { again: true }))).toMatchObject(RELAYED);
      }
      const own = await accepted(harness, c, request("x", { digest: digestOf(8) }));
      expect(await harness.during(a.ledger.forget(idOf("x")))).toBe("elsewhere");
      const held = { state: "queued", holder: "elsewhere", gateway: "c" };
      expect(await harness.during(a.ledger.look(idOf("x")))).toEqual(held);
      await harness.during(c.ledger.attempt(own, "6"));
      expect(await harness.during(b.ledger.forget(idOf("x")))).toBe("elsewhere");
      await harness.during(c.ledger.settle(own, "relayed"));
      for (const { ledger } of [a, b, c]) {
        const digest = [...digestOf(8)];
        expect(plain(await claim(harness, ledger, request("x")))).toMatchObject({ ...RELAYED, digest });
      }
    },
  },
  {
    rule: "S20",
    title: "a gateway that was away, and had the mail before, finds it relayed although it is forgotten",
    async run(harness) {
      const [a, b] = await two(harness);
      const stale = await accepted(harness, a, request("x"));
      a.stop();
      await harness.pass(harness.leaseMs * 1.2);
      await relayedBy(harness, b);
      expect(await harness.during(b.ledger.forget(idOf("x")))).toBe("forgotten");
      a.goOn();
      await harness.pass(harness.leaseMs);
      expect(await harness.during(a.ledger.attempt(stale, "7"))).toBe("stale");
      const restarted = await harness.start("a");
      const again = await claim(harness, restarted.ledger, request("x", { again: true }));
      expect(again).toMatchObject(RELAYED);
      await claimed(harness, b, request("x"));
    },
  },
  {
    rule: "S20",
    title:
      "so it does when a gateway that has died had it for a new mail; that gateway gets it by its `since`",
    async run(harness) {
      const [a, b] = await two(harness);
      await relayedBy(harness, a);
      await harness.during(a.ledger.forget(idOf("x")));
      const result = await claim(harness, b.ledger, request("x"));
      const { since, claim: own } = result as ClaimResult & { since: number; claim: Claim };
      b.ledger.accepted([own]);
      await harness.pass(100);
      await b.kill();
      await harness.pass(harness.leaseMs * 1.5);
      expect(await claim(harness, a.ledger, request("x", { again: true }))).toMatchObject(RELAYED);
      const restarted = await harness.start("b");
      await claimed(harness, restarted, request("x", { again: true, since }));
    },
  },
  {
    rule: "S20",
    title: "a new mail whose gateway was away goes on when who took it over gave it up, and only then",
    async run(harness) {
      const [a, b] = await two(harness);
      await relayedBy(harness, b);
      for (const isRelayed of [false, true]) {
        expect(await harness.during(b.ledger.forget(idOf("x")))).toBe("forgotten");
        const own = await accepted(harness, a, request("x", { digest: digestOf(8) }));
        a.stop();
        await harness.pass(harness.leaseMs * 1.2);
        const taken = await claimed(harness, b, request("x"));
        if (isRelayed) await harness.during(b.ledger.settle(taken, "relayed"));
        else await harness.during(b.ledger.release([taken]));
        if (isRelayed) await harness.during(b.ledger.forget(idOf("x")));
        a.goOn();
        await harness.pass(harness.leaseMs);
        const said = await harness.during(a.ledger.attempt(own, "7"));
        expect(said).toBe(isRelayed ? "stale" : "attempted");
        if (!isRelayed) await harness.during(a.ledger.settle(own, "relayed"));
      }
    },
  },
  {
    rule: "S20",
    title: "a relaying whose answer is late does not undo that it is forgotten",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      await harness.during(a.ledger.attempt(own, "5"));
      a.engine.loseAnswer("change");
      await expect(harness.during(a.ledger.settle(own, "relayed"))).rejects.toMatchObject({
        name: "StorageError",
      });
      expect(await harness.during(b.ledger.forget(idOf("x")))).toBe("forgotten");
      expect(await harness.during(a.ledger.settle(own, "relayed"))).toBe("stale");
      expect(await harness.during(b.ledger.look(idOf("x")))).toMatchObject({ state: "forgotten" });
    },
  },
];
