// The ledger's checks of who may hold a claim, and of what others get meanwhile.
import { expect } from "vitest";
import type { Claim } from "../../src/ledger/ledger.ts";
import { idOf } from "../support/ids.ts";
import type { LedgerCheck } from "./ledger.ts";
import {
  atMostOneHolder,
  claimed,
  digestOf,
  expectDoubtful,
  expectRelayed,
  one,
  plain,
  relay,
  request,
  settleDown,
  soon,
  watch,
} from "./ledger-steps.ts";

export const CLAIM_CHECKS: readonly LedgerCheck[] = [
  {
    rule: "exclusive",
    title: "of many concurrent claims one succeeds, and one more after each release",
    run: async (harness) => await atMostOneHolder(harness, await harness.open(), request("a")),
  },
  {
    rule: "exclusive",
    title: "so too when the id was relayed long before and the store has to be asked",
    async run(harness) {
      const ledger = await harness.open();
      await relay(harness, ledger, request("a"));
      await harness.pass(10);
      await atMostOneHolder(harness, ledger, request("a", { since: harness.now() }));
    },
  },
  {
    rule: "cell: waits",
    title: "a claim waits for the one before it, and is a repeat once that is accepted",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a", { digest: digestOf(7) }));
      const waiting = ledger.claim([request("a")]);
      const come = watch([waiting]);
      await settleDown(harness, ledger);
      expect(come).toEqual([]);
      ledger.accepted([claim]);
      const [result] = await soon(harness, waiting);
      expect(plain(result)).toEqual({ kind: "repeat", standing: "underway", digest: [...digestOf(7)] });
    },
  },
  {
    rule: "cell: waits",
    title: "a waiting claim succeeds once the one before it is released, under a greater fence",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      const waiting = ledger.claim([request("a")]);
      const come = watch([waiting]);
      await settleDown(harness, ledger);
      expect(come).toEqual([]);
      await soon(harness, ledger.release([claim]));
      const [result] = await soon(harness, waiting);
      expect(result?.kind).toBe("claimed");
      expect((result as { claim: Claim }).claim.fence).toBeGreaterThan(claim.fence);
    },
  },
  {
    rule: "cell: waits",
    title: "a claim waits through attempts of one never accepted, and is a repeat once that is relayed",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      const waiting = ledger.claim([request("a")]);
      const come = watch([waiting]);
      await soon(harness, ledger.attempt(claim, "5"));
      await soon(harness, ledger.settle(claim, "refused"));
      await soon(harness, ledger.attempt(claim, "6"));
      await settleDown(harness, ledger);
      expect(come).toEqual([]);
      await soon(harness, ledger.settle(claim, "relayed"));
      const [result] = await soon(harness, waiting);
      expect(result).toMatchObject({ kind: "repeat", standing: "relayed" });
    },
  },
  {
    rule: "cell: repeat",
    title: "a claim of an accepted id is a repeat at once, underway, however its attempts go",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a", { digest: digestOf(7) }));
      ledger.accepted([claim]);
      const underway = { kind: "repeat", standing: "underway", digest: [...digestOf(7)] };
      expect(plain(await one(harness, ledger, request("a")))).toEqual(underway);
      await soon(harness, ledger.attempt(claim, "5"));
      expect(plain(await one(harness, ledger, request("a")))).toEqual(underway);
      await soon(harness, ledger.settle(claim, "doubtful"));
      expect(plain(await one(harness, ledger, request("a")))).toEqual(underway);
      await soon(harness, ledger.attempt(claim, "6"));
      await soon(harness, ledger.settle(claim, "refused"));
      expect(plain(await one(harness, ledger, request("a")))).toEqual(underway);
    },
  },
  {
    rule: "awaited",
    title: "while the client that submitted it waits for the verdict, it is awaited, however its attempts go",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a", { digest: digestOf(7) }));
      ledger.accepted([claim], true);
      const awaited = { kind: "repeat", standing: "awaited", digest: [...digestOf(7)] };
      expect(plain(await one(harness, ledger, request("a")))).toEqual(awaited);
      await soon(harness, ledger.attempt(claim, "5"));
      expect(plain(await one(harness, ledger, request("a")))).toEqual(awaited);
      await soon(harness, ledger.settle(claim, "doubtful"));
      expect(plain(await one(harness, ledger, request("a")))).toEqual(awaited);
      await soon(harness, ledger.settle(claim, "cleared"));
      expect(plain(await one(harness, ledger, request("a")))).toEqual(awaited);
      await soon(harness, ledger.settle(claim, "relayed"));
      expect(await one(harness, ledger, request("a"))).toMatchObject({ standing: "relayed" });
    },
  },
  {
    rule: "cell: crash",
    title: "a claim that was never attempted ends with its process, accepted or not",
    async run(harness) {
      const ledger = await harness.open();
      const before = await claimed(harness, ledger, request("a"));
      ledger.accepted([await claimed(harness, ledger, request("b"))]);
      await harness.crash();
      const after = await harness.open();
      expect(after.counts()).toMatchObject({ claims: 0, open: 0 });
      expect((await claimed(harness, after, request("a"))).fence).toBeGreaterThan(before.fence);
      await claimed(harness, after, request("b"));
    },
  },
  {
    rule: "cell: release",
    title: "a released id is absent",
    async run(harness) {
      const ledger = await harness.open();
      const claims = [
        await claimed(harness, ledger, request("a")),
        await claimed(harness, ledger, request("b")),
      ];
      ledger.accepted(claims);
      await soon(harness, ledger.release(claims));
      expect(ledger.counts()).toMatchObject({ claims: 0, open: 0 });
      await claimed(harness, ledger, request("a"));
      await claimed(harness, ledger, request("b"));
    },
  },
  {
    rule: "cell: release",
    title: "a released id in doubt stays doubtful, without a claim",
    async run(harness) {
      const ledger = await harness.open();
      const settled = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.attempt(settled, "5"));
      await soon(harness, ledger.settle(settled, "doubtful"));
      const attempted = await claimed(harness, ledger, request("b"));
      await soon(harness, ledger.attempt(attempted, "6"));
      await soon(harness, ledger.release([settled, attempted]));
      expect(ledger.counts()).toMatchObject({ claims: 0, open: 2 });
      await expectDoubtful(harness, ledger, request("a"), "5");
      await expectDoubtful(harness, ledger, request("b"), "6");
    },
  },
  {
    rule: "stale",
    title: "what a released claim says changes nothing for the next",
    async run(harness) {
      const ledger = await harness.open();
      const old = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.release([old]));
      const live = await claimed(harness, ledger, request("a"));
      expect(live.fence).toBeGreaterThan(old.fence);
      expect(await soon(harness, ledger.attempt(old, "5"))).toBe("stale");
      for (const settlement of ["relayed", "refused", "doubtful"] as const) {
        expect(await soon(harness, ledger.settle(old, settlement))).toBe("stale");
      }
      await soon(harness, ledger.release([old]));
      ledger.accepted([old]);
      expect(ledger.counts()).toMatchObject({ claims: 1, open: 0 });
      const come = watch([ledger.claim([request("a")])]);
      await settleDown(harness, ledger);
      expect(come).toEqual([]);
      expect(await soon(harness, ledger.attempt(live, "5"))).toBe("attempted");
    },
  },
  {
    rule: "stale",
    title: "a claim that was settled as relayed is stale",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await relay(harness, ledger, request("a"));
      expect(await soon(harness, ledger.settle(claim, "refused"))).toBe("stale");
      expect(await soon(harness, ledger.attempt(claim, "5"))).toBe("stale");
      await soon(harness, ledger.release([claim]));
      await expectRelayed(harness, ledger, request("a"));
    },
  },
  {
    rule: "stale",
    title: "a claim of a dead process is stale to the next",
    async run(harness) {
      const ledger = await harness.open();
      const dead = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.attempt(dead, "5"));
      await harness.crash();
      const after = await harness.open();
      expect(await soon(harness, after.settle(dead, "relayed"))).toBe("stale");
      const live = await expectDoubtful(harness, after, request("a"), "5");
      expect(live.fence).toBeGreaterThan(dead.fence);
      expect(await soon(harness, after.settle(dead, "relayed"))).toBe("stale");
      expect(await soon(harness, after.settle(live, "refused"))).toBe("settled");
    },
  },
  {
    rule: "no deadlock",
    title: "batches that overlap in any order all come to an end",
    async run(harness) {
      const ledger = await harness.open();
      const labels = ["a", "b", "c", "d", "e"];
      const orders = Array.from({ length: 20 }, (_, i) => {
        const turned = [...labels.slice(i % 5), ...labels.slice(0, i % 5)];
        return i % 2 === 0 ? turned : turned.reverse();
      });
      const ends = orders.map(async (order) => {
        const results = await ledger.claim(order.map((label) => request(label)));
        expect(results.length).toBe(order.length);
        results.forEach((result, i) => {
          if ("claim" in result) expect(result.claim.id).toBe(idOf(order[i] as string));
        });
        await ledger.release(results.flatMap((result) => ("claim" in result ? [result.claim] : [])));
      });
      await soon(harness, Promise.all(ends));
      expect(ledger.counts()).toMatchObject({ claims: 0, open: 0 });
    },
  },
];
