// A claim that has lapsed while its gateway was away: another gateway has taken the id over. It answers for it now, and
// nothing of the attempt here counts (P8). If it has given the id up again, nobody else has the mail, and it is claimed
// here as at a start (P5).
import { noteSettledElsewhere } from "../evidence/elsewhere.ts";
import { ANOTHER_GATEWAY, type HistoryNotes } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import type { Claim, Ledger } from "../ledger/ledger.ts";
import { formatDate } from "../message/trace.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { holdOf, type SpooledTransmission, type TransmissionKey } from "../spool/record.ts";
import type { Spool } from "../spool/spool.ts";
import { type BackoffRange, backoff } from "./backoff.ts";
import type { Decisions } from "./decisions.ts";
import { type Doubts, type InDoubt, leaveDoubt } from "./doubt.ts";
import { factsOf } from "./facts.ts";
import { firstDateOf } from "./first-date.ts";
import type { Holds } from "./holds.ts";
import type { AttemptResult, QueuedTransmission } from "./queue.ts";
import { claimOf } from "./recorder.ts";
import { isRelayedElsewhere } from "./relayed-elsewhere.ts";
import type { Verdicts } from "./verdicts.ts";

/** @param isDoubtful the attempt here ended without an answer, which the ledger does not know */
export type Lapsed = (
  queued: QueuedTransmission,
  transmission: SpooledTransmission,
  isDoubtful: boolean,
  signal: AbortSignal,
) => Promise<AttemptResult>;

export interface LapsedParts {
  readonly spool: Spool;
  readonly ledger: Ledger;
  readonly inDoubt: InDoubt;
  readonly holds: Pick<Holds, "add">;
  readonly doubts: Doubts;
  readonly decisions: Pick<Decisions, "relayed">;
  readonly verdicts: Verdicts;
  readonly history: Pick<HistoryNotes, "settled">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface LapsedOptions {
  readonly retry: BackoffRange;
  /** Log the recipient. */
  readonly addresses: boolean;
}

export function createLapsed(parts: LapsedParts, { retry, addresses }: LapsedOptions): Lapsed {
  const { spool, ledger, inDoubt, holds, doubts, decisions, verdicts, history, clock, random, log } = parts;
  /**
   * Ids whose verdict another gateway's client waits for, and that this one is bound to; whether an attempt of this
   * one ended without an answer.
   */
  const waiting = new Map<Id, boolean>();

  /** That other gateway gives the verdict to its own client only, while the client here has 250: it is kept till then. */
  const wait = (
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    isDoubtful: boolean,
  ): AttemptResult => {
    const { id } = transmission;
    if (!waiting.has(id)) log.warn("transmission.waiting", factsOf(transmission, addresses, {}));
    waiting.set(id, isDoubtful || waiting.get(id) === true);
    const dueAt = clock.now() + backoff(1, retry, random);
    // What is past its lifetime is not reported until that verdict is known.
    const isAttempted = queued.isExpired !== true;
    return { kind: "untried", again: { ...queued, dueAt, isAttempted, isExpired: false } };
  };

  /** The ledger has forgotten the attempt, and an operator decides by what it knows. */
  const noteDoubt = async (
    key: TransmissionKey,
    transmission: SpooledTransmission,
    claim: Claim,
  ): Promise<void> => {
    try {
      const date = await firstDateOf(spool, key, transmission);
      await ledger.attempt(claim, date ?? formatDate(clock.now()));
      await ledger.settle(claim, "doubtful");
    } catch (error) {
      waiting.set(transmission.id, true);
      throw error;
    }
  };

  return async (queued, transmission, isDoubtful, signal) => {
    const { id } = transmission;
    // An operator has decided that it was relayed: it leaves the spool at the end of the attempt.
    if ((await decisions.relayed(id)) === true) return { kind: "untried" };
    const [result] = await ledger.claim([claimOf(transmission)]);
    if (result?.kind === "repeat" && result.standing === "awaited" && transmission.awaited !== true) {
      return wait(queued, transmission, isDoubtful);
    }
    const wasDoubtful = isDoubtful || waiting.get(id) === true;
    waiting.delete(id);
    // What another gateway settles is found by this attempt or by a look-up, whichever comes first.
    const isRelayed = result?.kind === "repeat" && result.standing === "relayed" && inDoubt.has(id);
    const isSettled = isRelayed && !(await isRelayedElsewhere(ledger, queued.claim));
    if (isSettled) noteSettledElsewhere({ history, log, addresses }, transmission);
    else log.error("transmission.stale", factsOf(transmission, addresses, { fence: queued.claim.fence }));
    if (isRelayed && !isSettled) history.settled(id, { source: ANOTHER_GATEWAY });
    if (result === undefined || result.kind === "repeat") {
      await spool.remove(queued.key);
      leaveDoubt(inDoubt, queued);
      verdicts.give(id, { kind: "pending" });
      return { kind: "untried" };
    }
    const { claim } = result;
    const again = { ...queued, claim };
    try {
      if (result.kind === "claimed" && wasDoubtful) await noteDoubt(queued.key, transmission, claim);
      ledger.accepted([claim], transmission.awaited === true);
      if (result.kind === "claimed" && !wasDoubtful) {
        if (holdOf(transmission) !== "operator") return { kind: "untried", again };
        holds.add(again);
        return { kind: "untried" };
      }
      const doubt = {
        cause: "taken over by another gateway, and given up again",
        ended: "earlier",
        firstDate: result.kind === "doubtful" ? result.firstDate : undefined,
        since: result.kind === "doubtful" ? result.changedAt : clock.now(),
      } as const;
      return { kind: "untried", again: await doubts.decide(again, transmission, doubt, signal) };
    } catch (error) {
      // The next try finds the old claim stale once more. With this one it would take the mail for another gateway's.
      await ledger.release([claim]).catch(() => {});
      throw error;
    }
  };
}
