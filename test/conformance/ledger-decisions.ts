// The ledger's checks of what operators decide.
import { expect } from "vitest";
import type { Claim, Ledger } from "../../src/ledger/ledger.ts";
import type { LedgerCheck, LedgerHarness } from "./ledger.ts";
import { claimed, expectDoubtful, expectRelayed, one, request, soon } from "./ledger-steps.ts";

const { id } = request("a");

/** Accepted, attempted, and without an answer. */
async function doubtful(harness: LedgerHarness, ledger: Ledger): Promise<Claim> {
  const claim = await claimed(harness, ledger, request("a"));
  ledger.accepted([claim]);
  await soon(harness, ledger.attempt(claim, "first"));
  await soon(harness, ledger.settle(claim, "doubtful"));
  return claim;
}

/** As doubtful, and no claim is live. */
async function remembered(harness: LedgerHarness, ledger: Ledger): Promise<void> {
  const claim = await claimed(harness, ledger, request("a"));
  await soon(harness, ledger.attempt(claim, "first"));
  await soon(harness, ledger.settle(claim, "doubtful"));
  await soon(harness, ledger.release([claim]));
}

export const DECISION_CHECKS: readonly LedgerCheck[] = [
  {
    rule: "cell: decided",
    title: "a doubtful id whose claim is live is relayed by decision, durably, and the claim is stale",
    async run(harness) {
      let ledger = await harness.open();
      const claim = await doubtful(harness, ledger);
      expect(await soon(harness, ledger.decide(id, "relayed"))).toBe("relayed");
      expect(await ledger.doubts()).toEqual([]);
      expect(await soon(harness, ledger.attempt(claim, "second"))).toBe("stale");
      await expectRelayed(harness, ledger, request("a"));
      await harness.crash();
      ledger = await harness.open();
      await expectRelayed(harness, ledger, request("a"));
      expect(ledger.counts().open).toBe(0);
    },
  },
  ...(["relayed", "refused", "doubtful"] as const).map(
    (settlement): LedgerCheck => ({
      rule: "cell: decided",
      title: `it is decided as relayed while it is attempted again, and the settlement as ${settlement} is stale`,
      async run(harness) {
        const ledger = await harness.open();
        const claim = await doubtful(harness, ledger);
        await soon(harness, ledger.attempt(claim, "second"));
        expect(await soon(harness, ledger.decide(id, "relayed"))).toBe("relayed");
        expect(await soon(harness, ledger.settle(claim, settlement))).toBe("stale");
        expect(await ledger.doubts()).toEqual([]);
        await expectRelayed(harness, ledger, request("a"));
        await harness.crash();
        await expectRelayed(harness, await harness.open(), request("a"));
      },
    }),
  ),
  ...(["refused", "doubtful", "cleared"] as const).flatMap((settlement) =>
    [true, false].map(
      (isFirst): LedgerCheck => ({
        rule: "cell: decided",
        title: `a decision ${isFirst ? "before" : "after"} a settlement as ${settlement} at the same time leaves one state`,
        async run(harness) {
          const ledger = await harness.open();
          const claim = await doubtful(harness, ledger);
          await soon(harness, ledger.attempt(claim, "second"));
          const calls: (() => Promise<unknown>)[] = [
            () => ledger.decide(id, "relayed"),
            () => ledger.settle(claim, settlement),
          ];
          const said = await soon(
            harness,
            Promise.all((isFirst ? calls : calls.toReversed()).map((call) => call())),
          );
          const [decided] = isFirst ? said : said.toReversed();
          expect(["relayed", "nothing"]).toContain(decided);
          // Nothing is left to decide where it was cleared first.
          if (decided === "nothing") expect(settlement).toBe("cleared");
          expect(await ledger.doubts()).toEqual([]);
          await harness.crash();
          const after = await one(harness, await harness.open(), request("a"));
          expect(after.kind).toBe(decided === "relayed" ? "repeat" : "claimed");
        },
      }),
    ),
  ),
  {
    rule: "cell: decided",
    title:
      "a doubtful id whose claim is live and that was not relayed by decision goes on as if never attempted",
    async run(harness) {
      let ledger = await harness.open();
      const claim = await doubtful(harness, ledger);
      expect(await soon(harness, ledger.decide(id, "not-relayed"))).toBe("queued");
      expect(await ledger.doubts()).toEqual([]);
      await harness.crash();
      ledger = await harness.open();
      const again = await claimed(harness, ledger, request("a"));
      ledger.accepted([again]);
      expect(await soon(harness, ledger.attempt(again, "third"))).toBe("attempted");
      expect(await soon(harness, ledger.settle(again, "relayed"))).toBe("settled");
      expect(await soon(harness, ledger.attempt(claim, "fourth"))).toBe("stale");
      await expectRelayed(harness, ledger, request("a"));
    },
  },
  {
    rule: "cell: decided",
    title: "a remembered id is relayed by decision",
    async run(harness) {
      let ledger = await harness.open();
      await remembered(harness, ledger);
      expect(await soon(harness, ledger.decide(id, "relayed"))).toBe("relayed");
      await expectRelayed(harness, ledger, request("a"));
      await harness.crash();
      ledger = await harness.open();
      await expectRelayed(harness, ledger, request("a"));
      expect(ledger.counts()).toMatchObject({ claims: 0, open: 0 });
    },
  },
  {
    rule: "cell: decided",
    title: "a remembered id that was not relayed by decision is absent",
    async run(harness) {
      let ledger = await harness.open();
      await remembered(harness, ledger);
      expect(await soon(harness, ledger.decide(id, "not-relayed"))).toBe("absent");
      expect(await ledger.doubts()).toEqual([]);
      await harness.crash();
      ledger = await harness.open();
      const again = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.release([again]));
      await claimed(harness, ledger, request("a"));
    },
  },
  {
    rule: "cell: decided",
    title: "a claim that meets the decision about a remembered id waits for it",
    async run(harness) {
      const ledger = await harness.open();
      await remembered(harness, ledger);
      const [decided, [result]] = await soon(
        harness,
        Promise.all([ledger.decide(id, "relayed"), ledger.claim([request("a")])]),
      );
      if (decided === "busy") expect(result?.kind).toBe("doubtful");
      else expect([decided, result]).toMatchObject(["relayed", { kind: "repeat", standing: "relayed" }]);
    },
  },
  {
    rule: "cell: not decided",
    title: "there is nothing to decide of an id that is absent, claimed, queued or relayed",
    async run(harness) {
      const ledger = await harness.open();
      const nothing = async () => {
        for (const decision of ["relayed", "not-relayed"] as const) {
          expect(await soon(harness, ledger.decide(id, decision))).toBe("nothing");
        }
      };
      await nothing();
      const claim = await claimed(harness, ledger, request("a"));
      await nothing();
      ledger.accepted([claim]);
      await nothing();
      expect(await soon(harness, ledger.attempt(claim, "first"))).toBe("attempted");
      expect(await soon(harness, ledger.settle(claim, "relayed"))).toBe("settled");
      await nothing();
      await expectRelayed(harness, ledger, request("a"));
    },
  },
  ...(["relayed", "not-relayed"] as const).flatMap((decision) =>
    [true, false].map(
      (isClaimed): LedgerCheck => ({
        rule: "cell: not decided",
        title: `of decisions as ${decision} at the same time, ${isClaimed ? "a" : "no"} claim being live, one is made`,
        async run(harness) {
          const ledger = await harness.open();
          if (isClaimed) await doubtful(harness, ledger);
          else await remembered(harness, ledger);
          const said = await soon(harness, Promise.all([1, 2, 3].map(() => ledger.decide(id, decision))));
          const made = decision === "relayed" ? "relayed" : isClaimed ? "queued" : "absent";
          expect(said.filter((one) => one === made)).toHaveLength(1);
          for (const one of said) expect([made, "nothing", "busy"]).toContain(one);
          expect(await soon(harness, ledger.decide(id, decision))).toBe("nothing");
        },
      }),
    ),
  ),
  {
    rule: "cell: not decided",
    title: "what is being attempted is not decided, but a doubtful id as relayed",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      ledger.accepted([claim]);
      await soon(harness, ledger.attempt(claim, "first"));
      expect(await soon(harness, ledger.decide(id, "not-relayed"))).toBe("busy");
      expect(await soon(harness, ledger.decide(id, "relayed"))).toBe("busy");
      await soon(harness, ledger.settle(claim, "doubtful"));
      await soon(harness, ledger.attempt(claim, "second"));
      expect(await soon(harness, ledger.decide(id, "not-relayed"))).toBe("busy");
      expect(await soon(harness, ledger.settle(claim, "doubtful"))).toBe("settled");
      expect(await ledger.doubts()).toMatchObject([{ id, claimed: true, firstDate: "first" }]);
    },
  },
  {
    rule: "cell: not decided",
    title: "what is being submitted again is not decided",
    async run(harness) {
      const ledger = await harness.open();
      await remembered(harness, ledger);
      const again = await expectDoubtful(harness, ledger, request("a"), "first");
      for (const decision of ["relayed", "not-relayed"] as const) {
        expect(await soon(harness, ledger.decide(id, decision))).toBe("busy");
      }
      await soon(harness, ledger.release([again]));
      await expectDoubtful(harness, ledger, request("a"), "first");
    },
  },
];
