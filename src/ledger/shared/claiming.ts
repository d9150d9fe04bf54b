// Claims ids in the engine for entries that this gateway has reserved for itself: inserts or takes them, and waits for
// other gateways whose claim is not accepted yet.
import type { Counters } from "../../metrics/counters.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { StorageError } from "../../storage/storage.ts";
import { everyOne } from "../every-one.ts";
import type { ClaimResult, Passed } from "../ledger.ts";
import type { Calls } from "./calls.ts";
import type { LedgerRecord, Taking } from "./engine.ts";
import { type Held, hold } from "./held.ts";
import type { Known } from "./known.ts";
import { type Pending, type Take, takeoverOf } from "./takeover.ts";

/**
 * How long a claim waits for one of another gateway that is not yet accepted. From claim to spool is some
 * milliseconds; a gateway that dies in between is found dead only after a lease, and the client of this one
 * gets 451 meanwhile and tries again.
 */
const PENDING_MAX_MS = 10_000;

/** Between two looks at a pending id: growing, since most pend for a few milliseconds. */
const LOOK_FIRST_MS = 5;
const LOOK_MAX_MS = 320;

/** The result of a claim. After the first two the entry holds the id. */
export type Claiming =
  | ({ readonly kind: "claimed" } & Passed)
  | ({
      readonly kind: "doubtful";
      readonly firstDate: string;
      readonly digest: Uint8Array;
      readonly changedAt: number;
    } & Passed)
  | Extract<ClaimResult, { kind: "repeat" }>;

/** Tries for a record that another gateway changes each time in between. After them the claim fails. */
const TRIES_MAX = 100;

export interface ClaimingParts {
  readonly calls: Calls;
  readonly known: Known;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly elapsed: () => number;
  /** See Heartbeat. */
  readonly tellsTheDead: () => boolean;
  readonly log: Log;
  /** Ends what waits for other gateways. */
  readonly closing: AbortSignal;
  /** Gives up what has just been claimed for the entries. */
  readonly giveBack: (entries: readonly Held[]) => Promise<void>;
  readonly counters: Pick<Counters, "lookups" | "takeovers">;
}

export interface Claimer {
  /**
   * Claims all of them, which stand in the order of their ids. Rejects with a StorageError when the engine
   * can't answer, or another gateway does not come to an end; what it has claimed by then is not given back.
   */
  claim(entries: readonly Held[]): Promise<Claiming[]>;
  /** Claims one without waiting. */
  tryOne(entry: Held): Promise<Claiming | Pending>;
}

export function createClaimer(parts: ClaimingParts): Claimer {
  const { calls, known, incarnation, clock, elapsed, tellsTheDead, log, closing, giveBack } = parts;
  const { lookups, takeovers } = parts.counters;

  async function tryOne(entry: Held): Promise<Claiming | Pending> {
    const { key, digest } = entry;
    // The filter chooses which of the two calls comes first, nothing more.
    let isKnown = known.has(key);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      let record: LedgerRecord | undefined;
      if (isKnown) {
        record = await calls.read.ask(key);
        lookups.add(record === undefined ? "maybe_not_found" : "maybe_found");
      } else {
        lookups.add("absent");
        const inserted = await calls.insert.ask({ key, digest });
        known.add(key);
        if (inserted.kind === "inserted") {
          hold(entry, inserted.fence);
          return { kind: "claimed" };
        }
        record = inserted.kind === "found" ? inserted.record : undefined;
      }
      isKnown = record !== undefined;
      if (record === undefined) continue;
      const takeover = takeoverOf(record, entry, incarnation, tellsTheDead());
      if (takeover.kind !== "take") return takeover;
      const taken = await take(entry, record, takeover);
      if (taken !== undefined) return taken;
    }
    throw new StorageError("unavailable", `${entry.id} changes faster than it can be claimed`);
  }

  async function take(
    entry: Held,
    record: LedgerRecord,
    { to, keepsRelayed, passed }: Take,
  ): Promise<Claiming | undefined> {
    const taking: Taking = {
      key: entry.key,
      from: record,
      to,
      digest: to === "reclaimed" ? record.digest : entry.digest,
      firstDate: to === "reclaimed" ? record.firstDate : undefined,
      relayed: keepsRelayed ? record.relayed : undefined,
    };
    const fence = await calls.take.ask(taking);
    if (fence === undefined) return undefined;
    hold(entry, fence, taking);
    const { holder, state } = record;
    if (holder !== undefined && holder.incarnation !== incarnation) {
      takeovers.add();
      log.info("ledger.taken_over", { id: entry.id, state });
    }
    const pass = passed === undefined ? {} : { since: passed };
    if (to === "claimed") return { kind: "claimed", ...pass };
    const { firstDate = "", digest, changedAt } = record;
    return { kind: "doubtful", firstDate, digest, changedAt, ...pass };
  }

  /** Looks at it now and then until it is not pending any more. */
  async function untilDecided(entry: Held, until: number): Promise<Claiming> {
    for (let wait = LOOK_FIRST_MS; ; wait = Math.min(wait * 2, LOOK_MAX_MS)) {
      if (elapsed() + wait > until) {
        throw new StorageError("unavailable", `${entry.id} is being claimed by another gateway`);
      }
      await pass(wait, clock, closing);
      const claiming = await tryOne(entry);
      if (claiming.kind !== "pending") return claiming;
    }
  }

  return {
    tryOne,
    async claim(all) {
      const results = new Map<Held, Claiming>();
      const until = elapsed() + PENDING_MAX_MS;
      for (;;) {
        const left = all.filter((entry) => !results.has(entry));
        const answers = await everyOne(left.map(tryOne));
        answers.forEach((answer, at) => {
          if (answer.kind !== "pending") results.set(left[at] as Held, answer);
        });
        const pendingAt = all.findIndex((entry) => !results.has(entry));
        const pending = all[pendingAt];
        if (pending === undefined) break;
        // Ids are held in their order, so that two gateways can't wait for each other.
        const tooEarly = all.slice(pendingAt + 1).filter((entry) => holds(results.get(entry)));
        await giveBack(tooEarly);
        for (const entry of tooEarly) results.delete(entry);
        const decided = await untilDecided(pending, until);
        // Gateways that held the others before the wait may be known to be dead now.
        for (const [entry, result] of results) if (isElsewhere(result)) results.delete(entry);
        results.set(pending, decided);
      }
      return all.map((entry) => results.get(entry) as Claiming);
    },
  };
}

const holds = (claiming: Claiming | undefined): boolean =>
  claiming?.kind === "claimed" || claiming?.kind === "doubtful";

const isElsewhere = (claiming: Claiming): boolean =>
  claiming.kind === "repeat" && claiming.standing !== "relayed";

/** Rejects as soon as the ledger is closed. */
const pass = (ms: number, clock: Clock, closing: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const onClosing = () => {
      timer.cancel();
      reject(new StorageError("unavailable", "the ledger has been closed"));
    };
    const timer = clock.after(ms, () => {
      closing.removeEventListener("abort", onClosing);
      resolve();
    });
    if (closing.aborted) onClosing();
    else closing.addEventListener("abort", onClosing, { once: true });
  });
