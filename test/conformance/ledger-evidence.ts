// The ledger's checks of evidence: an upstream's own word, later, that it took the mail.
import { expect } from "vitest";
import type { Claim, Ledger } from "../../src/ledger/ledger.ts";
import type { LedgerCheck, LedgerHarness } from "./ledger.ts";
import {
  claimed,
  digestOf,
  expectDoubtful,
  expectRelayed,
  one,
  relay,
  request,
  soon,
} from "./ledger-steps.ts";

const { id } = request("a");

/** Accepted and attempted. */
async function attempted(harness: LedgerHarness, ledger: Ledger): Promise<Claim> {
  const claim = await claimed(harness, ledger, request("a"));
  ledger.accepted([claim]);
  await soon(harness, ledger.attempt(claim, "first"));
  return claim;
}

/** So too, and without an answer. */
async function doubtful(harness: LedgerHarness, ledger: Ledger): Promise<Claim> {
  const claim = await attempted(harness, ledger);
  await soon(harness, ledger.settle(claim, "doubtful"));
  return claim;
}

const prove = (harness: LedgerHarness, ledger: Ledger, at?: number) => soon(harness, ledger.prove(id, at));

export const EVIDENCE_CHECKS: readonly LedgerCheck[] = [
  {
    rule: "evidence",
    title: "before the attempt and of an unknown id it settles nothing, and the mail goes its way",
    async run(harness) {
      const ledger = await harness.open();
      expect(await prove(harness, ledger)).toBe("nothing");
      const claim = await claimed(harness, ledger, request("a"));
      expect(await prove(harness, ledger)).toBe("nothing");
      ledger.accepted([claim]);
      expect(await prove(harness, ledger, harness.now())).toBe("nothing");
      expect(await soon(harness, ledger.attempt(claim, "first"))).toBe("attempted");
      expect(await soon(harness, ledger.settle(claim, "relayed"))).toBe("settled");
      expect(await prove(harness, ledger, harness.now())).toBe("nothing");
      await expectRelayed(harness, ledger, request("a"));
    },
  },
  ...(["relayed", "refused", "doubtful"] as const).map(
    (settlement): LedgerCheck => ({
      rule: "evidence",
      title: `during the first attempt it is not taken, and after a settlement as ${settlement} it counts as it should`,
      async run(harness) {
        let ledger = await harness.open();
        const claim = await attempted(harness, ledger);
        expect(await prove(harness, ledger, harness.now())).toBe("busy");
        expect(await soon(harness, ledger.settle(claim, settlement))).toBe("settled");
        const isInDoubt = settlement === "doubtful";
        expect(await prove(harness, ledger, harness.now())).toBe(isInDoubt ? "relayed" : "nothing");
        await harness.crash();
        ledger = await harness.open();
        if (settlement !== "refused") await expectRelayed(harness, ledger, request("a"));
        else await claimed(harness, ledger, request("a"));
      },
    }),
  ),
  {
    rule: "evidence",
    title: "after the attempt it settles once, durably, and the claim is stale",
    async run(harness) {
      let ledger = await harness.open();
      const claim = await doubtful(harness, ledger);
      const said = await soon(harness, Promise.all([1, 2, 3].map(() => ledger.prove(id, harness.now()))));
      expect([...said].sort()).toEqual(["nothing", "nothing", "relayed"]);
      expect(await ledger.doubts()).toEqual([]);
      expect(await soon(harness, ledger.attempt(claim, "second"))).toBe("stale");
      await harness.crash();
      ledger = await harness.open();
      expect(await prove(harness, ledger, harness.now())).toBe("nothing");
      await expectRelayed(harness, ledger, request("a"));
      expect(ledger.counts()).toMatchObject({ claims: 0, open: 0 });
    },
  },
  ...(["relayed", "refused", "doubtful"] as const).map(
    (settlement): LedgerCheck => ({
      rule: "evidence",
      title: `after a re-send it settles, and that one's end as ${settlement} is stale`,
      async run(harness) {
        let ledger = await harness.open();
        const claim = await doubtful(harness, ledger);
        await soon(harness, ledger.attempt(claim, "second"));
        expect(await prove(harness, ledger, harness.now())).toBe("relayed");
        expect(await soon(harness, ledger.settle(claim, settlement))).toBe("stale");
        expect(await ledger.doubts()).toEqual([]);
        await harness.crash();
        ledger = await harness.open();
        await expectRelayed(harness, ledger, request("a"));
      },
    }),
  ),
  {
    rule: "evidence",
    title: "it settles an id that a crash has left, and one that nobody holds any more",
    async run(harness) {
      let ledger = await harness.open();
      await attempted(harness, ledger);
      await harness.crash();
      ledger = await harness.open();
      expect(await prove(harness, ledger, harness.now())).toBe("relayed");
      await expectRelayed(harness, ledger, request("a"));
      await harness.crash();
      await expectRelayed(harness, await harness.open(), request("a"));
    },
  },
  {
    rule: "evidence",
    title: "while an id is submitted again it is not taken, and after that it is",
    async run(harness) {
      const ledger = await harness.open();
      await soon(harness, ledger.release([await doubtful(harness, ledger)]));
      const again = await expectDoubtful(harness, ledger, request("a"), "first");
      expect(await prove(harness, ledger, harness.now())).toBe("busy");
      ledger.accepted([again]);
      expect(await prove(harness, ledger, harness.now())).toBe("relayed");
    },
  },
  {
    rule: "evidence",
    title: "of an earlier mail it says nothing about the one in doubt; of that one it does",
    async run(harness) {
      const ledger = await harness.open();
      await relay(harness, ledger, request("a"));
      const earlier = harness.now();
      expect(await soon(harness, ledger.forget(id))).toBe("forgotten");
      expect(await prove(harness, ledger, earlier)).toBe("nothing");
      const again = await one(harness, ledger, request("a", { digest: digestOf(2) }));
      const { claim } = again as { claim: Claim };
      ledger.accepted([claim]);
      await soon(harness, ledger.attempt(claim, "second"));
      await soon(harness, ledger.settle(claim, "doubtful"));
      for (const isHeld of [true, false]) {
        // An upstream's clock may be some seconds fast.
        for (const at of [earlier, earlier + 5_000, undefined]) {
          expect(await prove(harness, ledger, at)).toBe("nothing");
        }
        if (isHeld) await soon(harness, ledger.release([claim]));
      }
      expect(await prove(harness, ledger, earlier + 61_000)).toBe("relayed");
      await expectRelayed(harness, ledger, request("a"), digestOf(2));
    },
  },
  {
    rule: "evidence",
    title: "what is older than the retention may be of a mail that is forgotten by now",
    async run(harness) {
      const ledger = await harness.open();
      const early = harness.now();
      await harness.pass(harness.retentionMs + 5);
      await doubtful(harness, ledger);
      expect(await prove(harness, ledger, early)).toBe("nothing");
      expect(await prove(harness, ledger, harness.now())).toBe("relayed");
    },
  },
];
