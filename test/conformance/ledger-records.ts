// The ledger's checks of what is kept, and for how long, whatever fails meanwhile.
import { expect } from "vitest";
import type { Claim } from "../../src/ledger/ledger.ts";
import type { LedgerCheck } from "./ledger.ts";
import {
  claimed,
  digestOf,
  doubtOf,
  expectDoubtful,
  expectRelayed,
  inOrder,
  one,
  plain,
  relay,
  request,
  soon,
} from "./ledger-steps.ts";

export const RECORD_CHECKS: readonly LedgerCheck[] = [
  {
    rule: "durable: attempt",
    title: "an id attempted before a crash is doubtful, with the date of its first attempt and its digest",
    async run(harness) {
      let ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a", { digest: digestOf(7) }));
      ledger.accepted([claim]);
      await soon(harness, ledger.attempt(claim, "12345"));
      await harness.crash();
      ledger = await harness.open();
      const again = await one(harness, ledger, request("a"));
      expect(plain(again)).toMatchObject({ kind: "doubtful", firstDate: "12345", digest: [...digestOf(7)] });
      // A second process changes nothing by looking, and a second attempt nothing of the first date.
      await harness.crash();
      ledger = await harness.open();
      const third = await expectDoubtful(harness, ledger, request("a"), "12345");
      await soon(harness, ledger.attempt(third, "99999"));
      await harness.crash();
      await expectDoubtful(harness, await harness.open(), request("a"), "12345");
    },
  },
  {
    rule: "durable: attempt",
    title: "an id settled as doubtful before a crash is so after it",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.attempt(claim, "12345"));
      expect(await soon(harness, ledger.settle(claim, "doubtful"))).toBe("settled");
      await harness.crash();
      await expectDoubtful(harness, await harness.open(), request("a"), "12345");
    },
  },
  {
    rule: "durable: relayed",
    title: "an id relayed before a crash is a repeat, with the digest of its claim",
    async run(harness) {
      let ledger = await harness.open();
      const asked = Array.from({ length: 50 }, (_, i) => request(`relayed ${i}`, { digest: digestOf(i) }));
      await Promise.all(asked.map((each) => relay(harness, ledger, each)));
      for (const each of asked) await expectRelayed(harness, ledger, each);
      await harness.crash();
      ledger = await harness.open();
      for (const each of asked) {
        await expectRelayed(harness, ledger, { ...each, digest: digestOf(99) }, each.digest);
      }
      expect(ledger.counts().open).toBe(0);
    },
  },
  {
    rule: "durable: relayed",
    title: "a doubtful id that is settled as relayed without another attempt is a repeat after a crash",
    async run(harness) {
      let ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.attempt(claim, "5"));
      await soon(harness, ledger.settle(claim, "doubtful"));
      await soon(harness, ledger.release([claim]));
      const second = await expectDoubtful(harness, ledger, request("a"), "5");
      expect(await soon(harness, ledger.settle(second, "relayed"))).toBe("settled");
      await expectRelayed(harness, ledger, request("a"));
      await harness.crash();
      ledger = await harness.open();
      await expectRelayed(harness, ledger, request("a"));
    },
  },
  {
    rule: "durable: refused",
    title: "an id refused before a crash is claimed after it as if never attempted",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      ledger.accepted([claim]);
      await soon(harness, ledger.attempt(claim, "12345"));
      expect(await soon(harness, ledger.settle(claim, "refused"))).toBe("settled");
      expect(ledger.counts()).toMatchObject({ claims: 1, open: 0 });
      await harness.crash();
      await claimed(harness, await harness.open(), request("a"));
    },
  },
  {
    rule: "durable: refused",
    title: "the claim goes on after a refusal",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.attempt(claim, "5"));
      await soon(harness, ledger.settle(claim, "refused"));
      expect(await soon(harness, ledger.attempt(claim, "6"))).toBe("attempted");
      expect(await soon(harness, ledger.settle(claim, "relayed"))).toBe("settled");
      await expectRelayed(harness, ledger, request("a"));
    },
  },
  {
    rule: "durable: refused",
    title: "a refusal after a doubtful attempt leaves the id doubtful, and clearing ends the doubt",
    async run(harness) {
      let ledger = await harness.open();
      let claim = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.attempt(claim, "first"));
      await soon(harness, ledger.settle(claim, "doubtful"));
      await soon(harness, ledger.attempt(claim, "second"));
      await soon(harness, ledger.settle(claim, "refused"));
      expect(await ledger.doubts()).toMatchObject([{ id: claim.id, firstDate: "first", claimed: true }]);
      await harness.crash();
      ledger = await harness.open();
      claim = await expectDoubtful(harness, ledger, request("a"), "first");
      expect(await soon(harness, ledger.settle(claim, "cleared"))).toBe("settled");
      expect(await ledger.doubts()).toEqual([]);
      await harness.crash();
      await claimed(harness, await harness.open(), request("a"));
    },
  },
  {
    rule: "retention",
    title: "relayed ids stay for the retention while others come, and are absent once all that is over",
    async run(harness) {
      const ledger = await harness.open();
      const steps = 16;
      await relay(harness, ledger, request("first"));
      for (let step = 0; step < steps; step++) {
        for (let i = 0; i < 10; i++) await relay(harness, ledger, request(`other ${step} ${i}`));
        await expectRelayed(harness, ledger, request("first"));
        await harness.pass(Math.floor(harness.retentionMs / steps) - 1);
      }
      await expectRelayed(harness, ledger, request("first"));
      await expectRelayed(harness, ledger, request("other 0 0"));
      // Expired, with room for an implementation that expires coarsely or late.
      await harness.pass(harness.retentionMs / 2);
      await harness.pass(harness.retentionMs / 2);
      await claimed(harness, ledger, request("first"));
    },
  },
  {
    rule: "durable: refused",
    title: "a refusal after a doubtful attempt leaves the id doubtful, and clearing ends the doubt",
    async run(harness) {
      let ledger = await harness.open();
      let claim = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.attempt(claim, "first"));
      await soon(harness, ledger.settle(claim, "doubtful"));
      await soon(harness, ledger.attempt(claim, "second"));
      await soon(harness, ledger.settle(claim, "refused"));
      expect(await ledger.doubts()).toMatchObject([{ id: claim.id, firstDate: "first", claimed: true }]);
      await harness.crash();
      ledger = await harness.open();
      claim = await expectDoubtful(harness, ledger, request("a"), "first");
      expect(await soon(harness, ledger.settle(claim, "cleared"))).toBe("settled");
      expect(await ledger.doubts()).toEqual([]);
      await harness.crash();
      await claimed(harness, await harness.open(), request("a"));
    },
  },
  {
    rule: "retention",
    title: "relayed ids stay for the retention across restarts",
    async run(harness) {
      let ledger = await harness.open();
      await relay(harness, ledger, request("a"));
      for (let restart = 0; restart < 4; restart++) {
        await harness.pass(Math.floor(harness.retentionMs / 5));
        if (restart % 2 === 0) await ledger.close();
        else await harness.crash();
        ledger = await harness.open();
        await relay(harness, ledger, request(`other ${restart}`));
        await expectRelayed(harness, ledger, request("a"));
      }
    },
  },
  ...(["removed", "damaged", "cut"] as const).map(
    (how): LedgerCheck => ({
      rule: "filter",
      title: `a filter whose file was ${how} changes no result`,
      needs: ["spoilFilters"],
      async run(harness) {
        let ledger = await harness.open();
        const relayed = Array.from({ length: 20 }, (_, i) => request(`relayed ${i}`));
        for (const each of relayed) await relay(harness, ledger, each);
        await ledger.close();
        await harness.spoilFilters?.(how);
        ledger = await harness.open();
        for (const each of relayed) await expectRelayed(harness, ledger, each);
        await relay(harness, ledger, request("new"));
        await harness.crash();
        ledger = await harness.open();
        for (const each of [...relayed, request("new")]) await expectRelayed(harness, ledger, each);
        await claimed(harness, ledger, request("absent"));
      },
    }),
  ),
  {
    rule: "storage error",
    title: "while the store fails claims reject and claim nothing, and then succeed",
    needs: ["breakStore"],
    async run(harness) {
      const ledger = await harness.open();
      await relay(harness, ledger, request("relayed"));
      const batch = ["absent", "relayed", "absent too"].map((label) => request(label));
      harness.breakStore?.();
      await expect(soon(harness, ledger.claim(batch))).rejects.toMatchObject({ name: "StorageError" });
      expect(ledger.counts()).toMatchObject({ claims: 0, open: 0 });
      harness.mendStore?.();
      const results = await soon(harness, ledger.claim(batch));
      expect(results.map((result) => result.kind)).toEqual(["claimed", "repeat", "claimed"]);
    },
  },
  {
    rule: "storage error",
    title: "while the store fails attempts and settlements reject, and then succeed under the same claim",
    needs: ["breakStore"],
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      const failing = async (call: () => Promise<unknown>) => {
        harness.breakStore?.();
        await expect(soon(harness, call())).rejects.toMatchObject({ name: "StorageError" });
        harness.mendStore?.();
        return await soon(harness, call());
      };
      expect(await failing(() => ledger.attempt(claim, "5"))).toBe("attempted");
      expect(await failing(() => ledger.settle(claim, "doubtful"))).toBe("settled");
      expect(await failing(() => ledger.settle(claim, "refused"))).toBe("settled");
      expect(await failing(() => ledger.settle(claim, "relayed"))).toBe("settled");
      await expectRelayed(harness, ledger, request("a"));
    },
  },
  {
    rule: "since",
    title: "a relayed id is absent to a claim that counts from a later time",
    async run(harness) {
      const ledger = await harness.open();
      const before = harness.now();
      await relay(harness, ledger, request("a"));
      await expectRelayed(harness, ledger, request("a", { since: before }));
      await harness.pass(1000);
      const later = harness.now();
      await expectRelayed(harness, ledger, request("a"));
      const claim = await claimed(harness, ledger, request("a", { since: later, digest: digestOf(2) }));
      await soon(harness, ledger.attempt(claim, String(later)));
      await soon(harness, ledger.settle(claim, "relayed"));
      await expectRelayed(harness, ledger, request("a", { since: later }), digestOf(2));
    },
  },
  {
    rule: "since",
    title: "the doubt about a later mail of an id is not hidden by the relaying of an earlier one",
    async run(harness) {
      let ledger = await harness.open();
      await relay(harness, ledger, request("a"));
      await harness.pass(1);
      const claim = await claimed(harness, ledger, request("a", { since: harness.now() }));
      await soon(harness, ledger.attempt(claim, "777"));
      await soon(harness, ledger.release([claim]));
      await expectDoubtful(harness, ledger, request("a"), "777");
      await harness.crash();
      ledger = await harness.open();
      await expectDoubtful(harness, ledger, request("a"), "777");
    },
  },
  {
    rule: "doubts",
    title:
      "what is in doubt is named with its first date and digest, in the list and alone, and nothing else is",
    async run(harness) {
      const ledger = await harness.open();
      const held = await claimed(harness, ledger, request("held", { digest: digestOf(1) }));
      const left = await claimed(harness, ledger, request("left", { digest: digestOf(2) }));
      const tried = await claimed(harness, ledger, request("tried", { digest: digestOf(3) }));
      ledger.accepted([held, tried]);
      for (const [i, claim] of [held, left, tried].entries()) {
        await soon(harness, ledger.attempt(claim, `date ${i}`));
        await harness.pass(1);
      }
      await soon(harness, ledger.settle(held, "doubtful"));
      await soon(harness, ledger.release([left]));
      ledger.accepted([await claimed(harness, ledger, request("queued"))]);
      await relay(harness, ledger, request("relayed"));

      const doubt = (claim: Claim, octet: number, firstDate: string, isClaimed: boolean) => {
        return { id: claim.id, digest: [...digestOf(octet)], firstDate, claimed: isClaimed };
      };
      const seen = async (): Promise<unknown[]> => {
        const doubts = await soon(harness, ledger.doubts());
        const named = new Map(doubts.map((one) => [one.id, one]));
        for (const label of ["held", "left", "tried", "queued", "relayed", "absent"]) {
          const { id } = request(label);
          expect(doubtOf(id, await soon(harness, ledger.look(id)))).toEqual(named.get(id));
        }
        return doubts
          .map(({ changedAt: _, ...one }) => ({ ...one, digest: [...one.digest] }))
          .sort((a, b) => a.firstDate.localeCompare(b.firstDate));
      };
      expect(await seen()).toEqual([doubt(held, 1, "date 0", true), doubt(left, 2, "date 1", false)]);
    },
  },
  {
    rule: "doubts",
    title: "so too while a batch that claims it waits for another id",
    async run(harness) {
      const ledger = await harness.open();
      const [first, second] = inOrder(request("a"), request("b"));
      const left = await claimed(harness, ledger, first);
      await soon(harness, ledger.attempt(left, "5"));
      await soon(harness, ledger.release([left]));
      const held = await claimed(harness, ledger, second);
      const waiting = ledger.claim([first, second]);
      const doubt = { id: left.id, firstDate: "5" };
      expect(await soon(harness, ledger.doubts())).toMatchObject([doubt]);
      expect(doubtOf(left.id, await soon(harness, ledger.look(left.id)))).toMatchObject(doubt);
      await soon(harness, ledger.release([held]));
      expect((await soon(harness, waiting)).map(({ kind }) => kind)).toEqual(["doubtful", "claimed"]);
    },
  },
];
