// Puts every cell of src/ledger/protocol.ts to a ledger: brings an id into the state by calls alone, lets
// the event happen, and looks whether what can be seen then is the next state.
import { describe, expect, test } from "vitest";
import type { Claim, Ledger, Standing } from "../../src/ledger/ledger.ts";
import { type IdEvent, type IdState, PROTOCOL, type Transition } from "../../src/ledger/protocol.ts";
import type { LedgerHarness } from "./ledger.ts";
import { doubtOf, request, settleDown, soon, watch } from "./ledger-steps.ts";

const STATES = Object.keys(PROTOCOL) as IdState[];
const EVENTS = Object.keys(PROTOCOL.absent) as IdEvent[];

/** Their answer is the cell. */
const ANSWERED: ReadonlySet<IdEvent> = new Set(["decidedRelayed", "decidedNotRelayed", "evidence", "forget"]);

const isState = (transition: Transition): transition is IdState => transition in PROTOCOL;

/** The fewest events from absent to each state; a search through the table itself. */
const PATHS: ReadonlyMap<IdState, readonly IdEvent[]> = (() => {
  const paths = new Map<IdState, readonly IdEvent[]>([["absent", []]]);
  for (const [state, path] of paths) {
    for (const event of EVENTS) {
      const next = PROTOCOL[state][event];
      if (isState(next) && !paths.has(next)) paths.set(next, [...path, event]);
    }
  }
  return paths;
})();

/** What tells one state from another, from outside. */
interface Sight {
  readonly claim: "claimed" | "waits" | "doubtful" | Standing;
  readonly doubt: "none" | "claimed" | "unclaimed";
  readonly claimAfterCrash: "claimed" | "doubtful" | "relayed";
}

/** doubtful and reattempted look alike: they differ in nothing but what they are called. */
const SIGHTS: Record<IdState, Sight> = {
  absent: { claim: "claimed", doubt: "none", claimAfterCrash: "claimed" },
  claimed: { claim: "waits", doubt: "none", claimAfterCrash: "claimed" },
  queued: { claim: "underway", doubt: "none", claimAfterCrash: "claimed" },
  attempted: { claim: "underway", doubt: "none", claimAfterCrash: "doubtful" },
  doubtful: { claim: "underway", doubt: "claimed", claimAfterCrash: "doubtful" },
  reattempted: { claim: "underway", doubt: "claimed", claimAfterCrash: "doubtful" },
  remembered: { claim: "doubtful", doubt: "unclaimed", claimAfterCrash: "doubtful" },
  reclaimed: { claim: "waits", doubt: "claimed", claimAfterCrash: "doubtful" },
  relayed: { claim: "relayed", doubt: "none", claimAfterCrash: "relayed" },
  forgotten: { claim: "claimed", doubt: "none", claimAfterCrash: "claimed" },
};

/** One id and one process, led through events. */
async function lead(harness: LedgerHarness) {
  let ledger: Ledger = await harness.open();
  let state: IdState = "absent";
  /** Also of a claim that has ended, for the stale cells. */
  let claim: Claim = { id: request("a").id, fence: 0 };

  async function act(event: IdEvent): Promise<unknown> {
    switch (event) {
      case "claim": {
        const [result] = await soon(harness, ledger.claim([request("a")]));
        if (result !== undefined && "claim" in result) claim = result.claim;
        return result;
      }
      case "accepted":
        return ledger.accepted([claim]);
      case "attempt":
        return await soon(harness, ledger.attempt(claim, "a date"));
      case "release":
        return await soon(harness, ledger.release([claim]));
      case "crash":
        await harness.crash();
        ledger = await harness.open();
        return undefined;
      case "expire":
        return await harness.pass(3 * harness.retentionMs);
      case "decidedRelayed":
        return await soon(harness, ledger.decide(request("a").id, "relayed"));
      case "decidedNotRelayed":
        return await soon(harness, ledger.decide(request("a").id, "not-relayed"));
      case "evidence":
        return await soon(harness, ledger.prove(request("a").id));
      case "forget":
        return await soon(harness, ledger.forget(request("a").id));
      default:
        return await soon(harness, ledger.settle(claim, event));
    }
  }

  return {
    async follow(event: IdEvent): Promise<void> {
      const next = PROTOCOL[state][event];
      if (next === "waits") {
        const come = watch([ledger.claim([request("a")])]);
        await settleDown(harness, ledger);
        expect(come).toEqual([]);
        return;
      }
      const said = await act(event);
      if (next === "repeat") expect(said).toMatchObject({ kind: "repeat" });
      if (next === "stale" && typeof said === "string") expect(said).toBe("stale");
      if (ANSWERED.has(event)) expect(said).toBe(next);
      if (isState(next)) {
        expect(said).not.toBe("stale");
        state = next;
      }
    },
    state: () => state,
    async look(expected: IdState): Promise<Omit<Sight, "claimAfterCrash">> {
      const doubt = (await ledger.doubts()).find(({ id }) => id === claim.id);
      const looked = await ledger.look(claim.id);
      expect(looked.state).toBe(expected);
      expect(doubtOf(claim.id, looked)).toEqual(doubt);
      const come = watch([ledger.claim([request("a")])]);
      if (!(await comes(come, 50))) await settleDown(harness, ledger);
      const [result] = come;
      return {
        claim: result === undefined ? "waits" : result.kind === "repeat" ? result.standing : result.kind,
        doubt: doubt === undefined ? "none" : doubt.claimed ? "claimed" : "unclaimed",
      };
    },
    act,
  };
}

/** Whether an answer comes within so many turns of the event loop, which saves looking for longer. */
async function comes(answers: readonly unknown[], turns: number): Promise<boolean> {
  for (let turn = 0; turn < turns && answers.length === 0; turn++) await new Promise(setImmediate);
  return answers.length > 0;
}

/** Runs every cell as a test of one implementation. */
export function runLedgerProtocol(name: string, createHarness: () => Promise<LedgerHarness>): void {
  describe(`${name}: the life of an id`, () => {
    for (const state of STATES) {
      for (const event of EVENTS) {
        const next = PROTOCOL[state][event];
        if (next === "never") continue;
        test.concurrent(`${state} --${event}--> ${next}`, async () => {
          const after = isState(next) ? next : state;
          const expected = SIGHTS[after];
          for (const crashes of [false, true]) {
            const harness = await createHarness();
            try {
              const id = await lead(harness);
              for (const step of [...(PATHS.get(state) ?? []), event]) await id.follow(step);
              if (crashes) {
                await id.act("crash");
                // The rule `again`: the claim that got what is forgotten has ended.
                const left = state === "forgotten" && next === "claimed" ? state : PROTOCOL[after].crash;
                expect((await id.look(left as IdState)).claim).toBe(expected.claimAfterCrash);
              } else {
                expect(await id.look(after)).toEqual({ claim: expected.claim, doubt: expected.doubt });
              }
            } finally {
              await harness.dispose();
            }
          }
        });
      }
    }
  });
}
