// The ledger's checks of relayed ids that an operator forgets, and of what it says of one id.
import { expect } from "vitest";
import type { Claim, ClaimRequest, ClaimResult, Ledger, Looked } from "../../src/ledger/ledger.ts";
import type { LedgerCheck, LedgerHarness } from "./ledger.ts";
import {
  claimed,
  digestOf,
  expectDoubtful,
  expectRelayed,
  one,
  plain,
  relay,
  request,
  soon,
} from "./ledger-steps.ts";

const { id } = request("a");

/** Relayed, and forgotten. */
async function forgotten(harness: LedgerHarness, ledger: Ledger): Promise<void> {
  await relay(harness, ledger, request("a"));
  expect(await soon(harness, ledger.forget(id))).toBe("forgotten");
}

const again = (more: Partial<ClaimRequest> = {}): ClaimRequest => request("a", { again: true, ...more });

/** What a claim of a new mail gets of an id that is forgotten, and `since` of its later claims. */
async function passed(
  harness: LedgerHarness,
  ledger: Ledger,
  kind: "claimed" | "doubtful" = "claimed",
): Promise<{ claim: Claim; since: number }> {
  const result = await one(harness, ledger, request("a", { digest: digestOf(2) }));
  expect(result).toMatchObject({ kind, since: expect.any(Number) });
  return result as ClaimResult & { claim: Claim; since: number };
}

export const FORGET_CHECKS: readonly LedgerCheck[] = [
  {
    rule: "cell: forgotten",
    title: "what is forgotten is absent to a new mail, also after a crash, and relayed once that is",
    async run(harness) {
      let ledger = await harness.open();
      await forgotten(harness, ledger);
      expect(await soon(harness, ledger.forget(id))).toBe("forgotten");
      await harness.crash();
      ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a", { digest: digestOf(2) }));
      ledger.accepted([claim]);
      expect(await soon(harness, ledger.forget(id))).toBe("busy");
      await soon(harness, ledger.attempt(claim, "second"));
      expect(await soon(harness, ledger.forget(id))).toBe("busy");
      await soon(harness, ledger.settle(claim, "relayed"));
      await expectRelayed(harness, ledger, request("a"), digestOf(2));
      expect(await soon(harness, ledger.forget(id))).toBe("forgotten");
      await passed(harness, ledger);
    },
  },
  {
    rule: "cell: forgotten",
    title: "an id in doubt is not forgotten, and one that is not relayed neither",
    async run(harness) {
      const ledger = await harness.open();
      expect(await soon(harness, ledger.forget(id))).toBe("nothing");
      const claim = await claimed(harness, ledger, request("a"));
      expect(await soon(harness, ledger.forget(id))).toBe("busy");
      await soon(harness, ledger.attempt(claim, "first"));
      await soon(harness, ledger.settle(claim, "doubtful"));
      await soon(harness, ledger.release([claim]));
      expect(await soon(harness, ledger.forget(id))).toBe("undecided");
      await expectDoubtful(harness, ledger, request("a"), "first");
    },
  },
  {
    rule: "cell: forgotten",
    title: "it is forgotten for the retention, and then absent as anything that was relayed",
    async run(harness) {
      const ledger = await harness.open();
      await forgotten(harness, ledger);
      await harness.pass(harness.retentionMs / 2);
      await expectRelayed(harness, ledger, again());
      await harness.pass(harness.retentionMs);
      await harness.pass(harness.retentionMs);
      const found = await one(harness, ledger, again());
      expect(found).toEqual({ kind: "claimed", claim: expect.anything() });
    },
  },
  {
    rule: "again",
    title: "to a mail that a spool had before it is relayed, whoever claims it for a new one meanwhile",
    async run(harness) {
      let ledger = await harness.open();
      await forgotten(harness, ledger);
      await expectRelayed(harness, ledger, again());
      const { claim, since } = await passed(harness, ledger);
      ledger.accepted([claim]);
      await harness.crash();
      ledger = await harness.open();
      await expectRelayed(harness, ledger, again());
      const own = await claimed(harness, ledger, again({ since }));
      ledger.accepted([own]);
      await soon(harness, ledger.attempt(own, "second"));
      await soon(harness, ledger.settle(own, "relayed"));
      await expectRelayed(harness, ledger, again({ since }));
      await expectRelayed(harness, ledger, again());
    },
  },
  {
    rule: "again",
    title: "it is forgotten again when the new mail is given up",
    async run(harness) {
      const ledger = await harness.open();
      await forgotten(harness, ledger);
      for (const isAttempted of [false, true]) {
        const { claim } = await passed(harness, ledger);
        ledger.accepted([claim]);
        if (isAttempted) {
          await soon(harness, ledger.attempt(claim, "second"));
          await soon(harness, ledger.settle(claim, "refused"));
        }
        await soon(harness, ledger.release([claim]));
        await expectRelayed(harness, ledger, again());
      }
      await passed(harness, ledger);
    },
  },
  {
    rule: "again",
    title: "a doubt about the new mail hides nothing of that",
    async run(harness) {
      let ledger = await harness.open();
      await forgotten(harness, ledger);
      const { claim } = await passed(harness, ledger);
      await soon(harness, ledger.attempt(claim, "second"));
      await soon(harness, ledger.settle(claim, "doubtful"));
      await soon(harness, ledger.release([claim]));
      const { claim: third, since } = await passed(harness, ledger, "doubtful");
      ledger.accepted([third]);
      expect(await soon(harness, ledger.decide(id, "not-relayed"))).toBe("queued");
      await harness.crash();
      ledger = await harness.open();
      await expectRelayed(harness, ledger, again());
      await claimed(harness, ledger, again({ since }));
    },
  },
  {
    rule: "look",
    title: "it says what is known of an id, through all of its life",
    async run(harness) {
      let ledger = await harness.open();
      const look = async (): Promise<Looked> => {
        const looked = await soon(harness, ledger.look(id));
        return "digest" in looked ? { ...looked, digest: new Uint8Array(looked.digest) } : looked;
      };
      const first = digestOf(7);
      expect(await look()).toEqual({ state: "absent" });
      const claim = await claimed(harness, ledger, request("a", { digest: first }));
      expect(await look()).toEqual({ state: "claimed", holder: "here" });
      ledger.accepted([claim]);
      expect(await look()).toEqual({ state: "queued", holder: "here" });
      const attempt = async () => {
        await harness.pass(5);
        await soon(harness, ledger.attempt(claim, "a date"));
        return { firstDate: "a date", changedAt: harness.now(), digest: first, holder: "here" };
      };
      expect(await look()).toEqual({ state: "queued", holder: "here" });
      const tried = await attempt();
      expect(await look()).toEqual({ state: "attempted", ...tried });
      await soon(harness, ledger.settle(claim, "doubtful"));
      expect(await look()).toMatchObject({ state: "doubtful", holder: "here" });
      const known = await attempt();
      expect(await look()).toEqual({ state: "reattempted", ...known });
      await harness.crash();
      ledger = await harness.open();
      expect(await look()).toMatchObject({ ...known, state: "remembered", holder: "nobody" });
      const reclaimed = await expectDoubtful(harness, ledger, request("a"), "a date");
      expect(await look()).toMatchObject({ state: "reclaimed", firstDate: "a date", digest: first });
      const at = harness.now();
      await soon(harness, ledger.settle(reclaimed, "relayed"));
      const relayed = await look();
      // A ledger that gateways share says under which claim.
      const under = "fence" in relayed ? { fence: reclaimed.fence } : {};
      expect(relayed).toEqual({ state: "relayed", at, digest: digestOf(1), ...under });
      await harness.pass(5);
      const forgottenAt = harness.now();
      await soon(harness, ledger.forget(id));
      expect(await look()).toEqual({ state: "forgotten", at, forgottenAt, digest: digestOf(1) });
      // It has changed nothing.
      expect(plain(await one(harness, ledger, again()))).toMatchObject({ standing: "relayed" });
    },
  },
  {
    rule: "look",
    title: "of an id that it does not know it says so, whatever it knows of others",
    async run(harness) {
      const ledger = await harness.open();
      await relay(harness, ledger, request("b"));
      await claimed(harness, ledger, request("c"));
      expect(await soon(harness, ledger.look(id))).toEqual({ state: "absent" });
    },
  },
];
