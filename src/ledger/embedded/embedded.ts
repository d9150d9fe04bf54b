// The ledger of one process: claims in memory, marks and relayed ids in stores of its own. How it keeps the contract
// of ledger.ts:
//
//     claim     reserves the id in memory before anything is looked up, so two can't both find it absent
//     attempt   a mark, durable before it resolves
//     relayed   the record in a generation, durable; then the mark goes, which a crash may undo: opening
//               forgets a mark whose id was relayed at its time or later

import { formatDate } from "../../message/trace.ts";
import { type Counters, createCounters } from "../../metrics/counters.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Random } from "../../runtime/random.ts";
import type { Storage } from "../../storage/storage.ts";
import { type BatchSteps, claimBatch } from "../claim-batch.ts";
import { type Claims, createClaims } from "../claims.ts";
import type { Claim, ClaimResult, Doubt, Ledger, Passed, Settlement } from "../ledger.ts";
import { PROTOCOL } from "../protocol.ts";
import { createUnderWay } from "../under-way.ts";
import { FIRST_CAPACITY } from "./capacity.ts";
import { createDeciding } from "./deciding.ts";
import { type Generations, openGenerations } from "./generations.ts";
import { createLook } from "./looking.ts";
import { loadMarks, type MarkedEntry, type Marks, unmarked } from "./marks.ts";
import { openState, type State } from "./state.ts";
import { createSweeps, type Sweeps } from "./sweeps.ts";

export interface EmbeddedLedgerOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds for which a relayed id is kept at least, and a doubtful one too. */
  readonly retentionMs: number;
  /** Ids of the first generation. */
  readonly firstCapacity?: number;
  readonly counters?: Pick<Counters, "lookups" | "stale"> | undefined;
}

/** Beside what every ledger has. */
export interface EmbeddedLedger extends Ledger {
  /** Of what is relayed and not forgotten. */
  remembered(): { readonly ids: number; readonly generations: number };
  /** See ledger-name.ts. Made when it is first asked for, and durable when it resolves. */
  publicName(random: Random): Promise<string>;
}

interface Parts extends EmbeddedLedgerOptions {
  readonly state: State;
  readonly generations: Generations;
  readonly marks: Marks;
}

/** Rejects with a StorageError; nothing stays open then. */
export async function openEmbeddedLedger(options: EmbeddedLedgerOptions): Promise<EmbeddedLedger> {
  const state = await openState(options.storage);
  let generations: Generations | undefined;
  try {
    const firstCapacity = options.firstCapacity ?? FIRST_CAPACITY;
    generations = await openGenerations({ ...options, list: state.generations, firstCapacity });
    const marks = await loadMarks(state.marks, generations.find);
    if (marks.size > 0) options.log.warn("ledger.doubtful_found", { ids: marks.size });
    const parts = { ...options, state, generations, marks };
    const claims = createClaims(unmarked);
    const sweeps = createSweeps({ ...parts, fences: state.fences, forgets: state.forgets }, claims);
    await sweeps.start();
    return createLedger(parts, claims, sweeps);
  } catch (error) {
    await generations?.close();
    await state.close();
    throw error;
  }
}

function createLedger(
  { clock, retentionMs, state, generations, marks, counters = createCounters() }: Parts,
  claims: Claims<MarkedEntry>,
  sweeps: Sweeps,
): EmbeddedLedger {
  const { lookups } = counters;
  const underWay = createUnderWay();
  const tracked = underWay.run;
  const { fences, forgets } = state;
  const deciding = createDeciding({
    ...{ claims, marks, fences, forgets, generations, clock, retentionMs, relay },
  });
  const look = createLook({ claims, marks, forgets, generations });

  /** Each id is looked up when it is reserved: what is relayed or in doubt shows at once, whatever the batch waits for. */
  function createSteps(): BatchSteps<MarkedEntry> {
    const found: (ClaimResult | Promise<ClaimResult>)[] = [];
    return {
      reserve(request) {
        const entry = claims.begin(request, fences.next());
        const result = lookUp(entry);
        // It is awaited with the others of its batch, perhaps after one of them has failed.
        if (result instanceof Promise) result.catch(() => {});
        found.push(result);
        return entry;
      },
      lookUp() {
        // Most batches are: nothing of them is on the disk.
        const isKnown = !found.some((one) => one instanceof Promise);
        return isKnown ? (found as ClaimResult[]) : Promise.all(found);
      },
    };
  }

  function lookUp(entry: MarkedEntry): ClaimResult | Promise<ClaimResult> {
    const mark = marks.doubt(entry.id);
    if (mark !== undefined) {
      const { firstDate, digest, time: changedAt } = mark;
      const forgotten = entry.isAgain ? undefined : forgets.last(entry.id);
      const passed = forgotten === undefined ? {} : pass(entry, forgotten.relayedAt);
      return { kind: "doubtful", claim: claimOf(entry), firstDate, digest, changedAt, ...passed };
    }
    if (generations.maybe(entry.key)) return lookUpRelayed(entry);
    lookups.add("absent");
    return claimed(entry);
  }

  async function lookUpRelayed(entry: MarkedEntry): Promise<ClaimResult> {
    const relayed = await generations.find(entry.key);
    lookups.add(relayed === undefined ? "maybe_not_found" : "maybe_found");
    if (relayed === undefined) return claimed(entry);
    if (relayed.time < entry.since) {
      entry.relayedBefore = relayed.time;
      return claimed(entry);
    }
    if (!entry.isAgain && forgets.of(entry.id, relayed) !== undefined) {
      entry.relayedBefore = relayed.time;
      return { ...claimed(entry), ...pass(entry, relayed.time) };
    }
    claims.end(entry);
    return { kind: "repeat", standing: "relayed", digest: relayed.digest, at: relayed.time };
  }

  /** Later than the mark, and than a record that `since` let pass, even if the clock was set back. */
  function timeFor(entry: MarkedEntry): number {
    return Math.max(clock.now(), marks.get(entry.id)?.time ?? 0, entry.relayedBefore + 1);
  }

  async function relay(entry: MarkedEntry): Promise<void> {
    await generations.add(entry.key, { time: timeFor(entry), digest: entry.digest });
    marks.forget(entry);
    claims.end(entry);
  }

  function stale(): "stale" {
    counters.stale.add();
    return "stale";
  }

  /** Makes the next state of the claim's id durable, and says so. The first date is now unless given. */
  async function move<Said>(
    one: Claim,
    event: "attempt" | Settlement,
    said: Said,
    firstDate?: string,
  ): Promise<Said | "stale"> {
    const found = claims.live(one);
    if (found === undefined) return stale();
    return await claims.inTurn(found, async () => {
      // An operator may have ended it meanwhile.
      const entry = claims.live(one);
      if (entry === undefined) return stale();
      const next = PROTOCOL[marks.stateOf(entry.id)][event];
      switch (next) {
        case "relayed":
          await relay(entry);
          break;
        case "attempted":
        case "reattempted":
        case "doubtful":
          await marks.put(entry, next, firstDate ?? formatDate(clock.now()), timeFor(entry));
          break;
        default:
          await marks.remove(entry);
      }
      return said;
    });
  }

  async function release(one: Claim): Promise<void> {
    const found = claims.live(one);
    if (found === undefined) return;
    await claims.inTurn(found, async () => {
      const entry = claims.live(one);
      if (entry === undefined) return;
      // A mark is the doubt that stays; one that may be on the disk only was never an attempt.
      if (marks.get(entry.id) === undefined) await marks.remove(entry);
      claims.end(entry);
    });
  }

  function doubts(): Doubt[] {
    return [...marks.all()].flatMap(([id, { state: marked, firstDate, digest, time: changedAt }]) => {
      const claimed = claims.get(id) !== undefined;
      return marked === "attempted" && claimed ? [] : [{ id, firstDate, digest, changedAt, claimed }];
    });
  }

  return {
    claim: (requests) => tracked(() => claimBatch(claims, requests, createSteps())),
    accepted(batch, awaited = false) {
      for (const one of batch) {
        const entry = claims.live(one);
        if (entry !== undefined) claims.accept(entry, awaited);
      }
    },
    attempt: (one, firstDate) => tracked(() => move(one, "attempt", "attempted", firstDate)),
    settle: (one, settlement) => tracked(() => move(one, settlement, "settled")),
    release: (batch) =>
      tracked(async () => {
        for (const one of batch) await release(one);
      }),
    decide: (id, decision) => tracked(() => deciding.decide(id, decision)),
    prove: (id, at) => tracked(() => deciding.prove(id, at)),
    forget: (id) => tracked(() => deciding.forget(id)),
    look: (id) => tracked(() => look(id)),
    doubts: async () => doubts(),
    counts: () => ({
      claims: claims.size,
      open: marks.size,
      doubtful: marks.doubts((id) => claims.get(id) !== undefined),
    }),
    remembered: generations.counts,
    publicName: state.name.get,
    async close() {
      if (!underWay.shut()) return;
      claims.close();
      await underWay.idle();
      await sweeps.stop();
      await generations.close();
      await state.close();
    },
  };
}

function claimOf(entry: MarkedEntry) {
  return { id: entry.id, fence: entry.fence };
}

/** The claim gets an id although it was relayed then. */
function pass(entry: MarkedEntry, relayedAt: number): Passed {
  entry.since = Math.max(entry.since, relayedAt + 1);
  return { since: entry.since };
}

function claimed(entry: MarkedEntry): ClaimResult {
  return { kind: "claimed", claim: claimOf(entry) };
}
