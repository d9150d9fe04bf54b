// Random histories of a few ids against the plainest model of what a ledger is, crashes included.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Id } from "../../src/identity/message-id.ts";
import type { Claim } from "../../src/ledger/ledger.ts";
import { digestOf } from "../conformance/ledger.ts";
import { memoryHarness } from "../conformance/ledger-embedded.ts";
import { idOf } from "../support/ids.ts";

interface Known {
  /** When and with which digest it was relayed. */
  relayed: { time: number; digest: number; isForgotten: boolean } | undefined;
  /** The first date of an attempt without an answer. */
  doubt: { firstDate: string; digest: number; certain: boolean } | undefined;
  live: { claim: Claim; digest: number; isAccepted: boolean } | undefined;
}

const LABELS = ["a", "b", "c"] as const;

const aLabel = fc.constantFrom(...LABELS);
const aDigest = fc.nat(255);
const aStep = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      does: fc.constant("claim" as const),
      label: aLabel,
      digest: aDigest,
      isFresh: fc.boolean(),
      again: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant("forget" as const), label: aLabel }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant("accept" as const), label: aLabel }) },
  { weight: 4, arbitrary: fc.record({ does: fc.constant("attempt" as const), label: aLabel }) },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant("settle" as const),
      label: aLabel,
      settlement: fc.constantFrom("relayed" as const, "refused" as const, "doubtful" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant("release" as const), label: aLabel }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constantFrom("crash" as const, "reopen" as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constantFrom("pass" as const, "expire" as const) }) },
);

test("the embedded ledger answers as the model does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aStep, { maxLength: 40 }), async (steps) => {
      const harness = await memoryHarness();
      let ledger = await harness.open();
      const model = new Map<Id, Known>();
      for (const label of LABELS)
        model.set(idOf(label), { relayed: undefined, doubt: undefined, live: undefined });
      const knownOf = (label: string) => model.get(idOf(label)) as Known;
      const stale: Claim[] = [];
      function end(known: Known): void {
        if (known.live !== undefined) stale.push(known.live.claim);
        known.live = undefined;
      }

      for (const step of steps) {
        switch (step.does) {
          case "claim": {
            const id = idOf(step.label);
            const known = knownOf(step.label);
            // It would wait; the suite has checks of that.
            if (known.live !== undefined && !known.live.isAccepted) break;
            const since = step.isFresh ? harness.now() : undefined;
            const digest = digestOf(step.digest);
            const { again } = step;
            const [result] = await ledger.claim([
              { id, digest, again, ...(since !== undefined && { since }) },
            ]);
            if (known.live !== undefined) {
              expect(result).toEqual({
                kind: "repeat",
                standing: "underway",
                digest: digestOf(known.live.digest),
              });
            } else if (known.doubt !== undefined) {
              const { firstDate, digest: octet } = known.doubt;
              known.doubt.certain = true;
              expect(result).toMatchObject({ kind: "doubtful", firstDate, digest: digestOf(octet) });
            } else if (
              known.relayed !== undefined &&
              known.relayed.time >= (since ?? 0) &&
              (again || !known.relayed.isForgotten)
            ) {
              expect(result).toEqual({
                kind: "repeat",
                standing: "relayed",
                digest: digestOf(known.relayed.digest),
                at: expect.any(Number),
              });
            } else {
              expect(result?.kind).toBe("claimed");
            }
            if (result !== undefined && "claim" in result) {
              known.live = { claim: result.claim, digest: step.digest, isAccepted: false };
            }
            break;
          }
          case "accept": {
            const { live } = knownOf(step.label);
            if (live === undefined) break;
            ledger.accepted([live.claim]);
            live.isAccepted = true;
            break;
          }
          case "attempt": {
            const known = knownOf(step.label);
            if (known.live === undefined) break;
            const date = String(harness.now());
            expect(await ledger.attempt(known.live.claim, date)).toBe("attempted");
            known.doubt = {
              firstDate: known.doubt?.firstDate ?? date,
              digest: known.live.digest,
              certain: known.doubt?.certain ?? false,
            };
            break;
          }
          case "settle": {
            const known = knownOf(step.label);
            if (known.live === undefined) break;
            const { claim, digest } = known.live;
            const { settlement } = step;
            const date = harness.now();
            expect(await ledger.settle(claim, settlement)).toBe("settled");
            if (settlement === "doubtful" || (settlement === "refused" && known.doubt?.certain === true)) {
              const firstDate =
                known.doubt?.firstDate ?? new Date(date).toUTCString().replace("GMT", "+0000");
              known.doubt = { firstDate, digest, certain: true };
            } else known.doubt = undefined;
            if (settlement === "relayed") {
              known.relayed = { time: date, digest, isForgotten: false };
              end(known);
            }
            break;
          }
          case "forget": {
            const { live, doubt, relayed } = knownOf(step.label);
            const isAttempted = live?.isAccepted === true && doubt?.certain === false;
            const said = await ledger.forget(idOf(step.label));
            if (doubt !== undefined) expect(said).toBe(isAttempted ? "busy" : "undecided");
            else if (live !== undefined) expect(said).toBe("busy");
            else expect(said).toBe(relayed === undefined ? "nothing" : "forgotten");
            if (said === "forgotten" && relayed !== undefined) relayed.isForgotten = true;
            break;
          }
          case "release": {
            const known = knownOf(step.label);
            if (known.live === undefined) break;
            await ledger.release([known.live.claim]);
            end(known);
            break;
          }
          case "crash":
          case "reopen":
            if (step.does === "crash") await harness.crash();
            else await ledger.close();
            ledger = await harness.open();
            for (const known of model.values()) end(known);
            break;
          case "pass":
            await harness.pass(1000);
            break;
          case "expire":
            // A claim can't outlive the retention (P11), and keeps its doubt from being swept.
            for (const known of model.values()) {
              if (known.live !== undefined) await ledger.release([known.live.claim]);
              end(known);
            }
            await harness.pass(2 * harness.retentionMs);
            for (const known of model.values()) {
              known.relayed = undefined;
              known.doubt = undefined;
            }
            break;
        }
        // "pass" apart, each step takes place at a time of its own.
        await harness.pass(1);
        for (const claim of stale.slice(-3)) expect(await ledger.settle(claim, "relayed")).toBe("stale");
        const all = [...model.values()];
        expect(ledger.counts()).toEqual({
          claims: all.filter(({ live }) => live !== undefined).length,
          open: all.filter(({ doubt }) => doubt !== undefined).length,
          doubtful: (await ledger.doubts()).length,
        });
      }
      await harness.dispose();
    }),
    { numRuns: 300 },
  );
});
