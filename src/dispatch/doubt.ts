// Doubtful transmissions (P6): an attempt ended without an answer, so the upstream may or may not hold the
// message. What happens then is policy, which is decided here and nowhere else; nothing guesses. What an operator decides
// is in resolutions.ts.
import type { EvidenceWait } from "../evidence/wait.ts";
import type { Doubted, HistoryMemory, HistoryNotes } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Counters } from "../metrics/counters.ts";
import { CLOCKS_APART_MS, type Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import {
  freed,
  holdOf,
  listensUntil,
  type SpooledTransmission,
  type TransmissionKey,
  unheld,
} from "../spool/record.ts";
import type { Spool } from "../spool/spool.ts";
import { type BackoffRange, backoff } from "./backoff.ts";
import type { WarnOfDelay } from "./delay.ts";
import { factsOf } from "./facts.ts";
import { firstDateOf } from "./first-date.ts";
import type { Listening } from "./listening.ts";
import type { QueuedTransmission } from "./queue.ts";
import type { Recorder } from "./recorder.ts";
import type { Verdicts } from "./verdicts.ts";

export type DoubtfulPolicy = "resend" | "hold" | "drop";

/** Why a transmission is in doubt. */
export interface Doubt {
  readonly cause: string;
  /** Its attempt has ended just now; or earlier: before this start, for another submission, or at another gateway. */
  readonly ended: "now" | "earlier";
  /** Where it was attempted, if that is known. A resend may go by another upstream, so the log names it. */
  readonly upstream?: string;
  /** The Date of the first attempt, which may have been another gateway's; every later one has it too. */
  readonly firstDate?: string | undefined;
  /**
   * When it began, milliseconds since the epoch: evidence may come for some time after it. Left out where that is over, or
   * an operator wants policy to act.
   */
  readonly since?: number | undefined;
}

/** One doubtful transmission of the spool. */
export interface Doubtful {
  readonly queued: QueuedTransmission;
  readonly transmission: SpooledTransmission;
}

/** Those of the spool. */
export type InDoubt = Map<Id, Doubtful>;

/** The one of this id, and where it is in the spool. */
export function doubtfulOf(
  inDoubt: InDoubt,
  id: Id,
): (Pick<QueuedTransmission, "key"> & Pick<Doubtful, "transmission">) | undefined {
  const found = inDoubt.get(id);
  return found && { key: found.queued.key, transmission: found.transmission };
}

/** The transmission is not in doubt any more. Another submission may have its id, since another gateway took it over. */
export function leaveDoubt(inDoubt: InDoubt, { claim: { id }, key }: QueuedTransmission): void {
  const found = inDoubt.get(id)?.queued.key;
  if (found?.submission === key.submission && found.index === key.index) inDoubt.delete(id);
}

export interface Doubts {
  /**
   * Decides about a transmission in doubt and carries it out, but for the queue. The ledger knows of the doubt already.
   *
   * @returns what is to be queued; undefined when nothing is to be attempted
   */
  decide(
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    doubt: Doubt,
    signal: AbortSignal,
  ): Promise<QueuedTransmission | undefined>;
}

export interface DoubtParts {
  readonly inDoubt: InDoubt;
  readonly listening: Pick<Listening, "until">;
  readonly wait: Pick<EvidenceWait, "until">;
  readonly ledger: Ledger;
  readonly spool: Spool;
  readonly recorder: Recorder;
  readonly verdicts: Verdicts;
  readonly warnOfDelay: WarnOfDelay;
  readonly history: Pick<HistoryNotes, "ended" | "doubted"> & Pick<HistoryMemory, "known">;
  readonly counters: Pick<Counters, "doubtfulResolved">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface DoubtOptions {
  readonly policy: DoubtfulPolicy;
  readonly retry: BackoffRange;
  /** Log the recipient. */
  readonly addresses: boolean;
}

/**
 * - wait: it is held already.
 * - listen: it is held until evidence has had its time; then policy acts.
 * - drop: it counts as relayed.
 * - withdraw: its client gets 451 and submits again; the ledger keeps the doubt meanwhile.
 * - hold: it waits for a decision.
 * - resend: it is attempted again.
 */
type Treatment = "wait" | "listen" | "drop" | "withdraw" | "hold" | "resend";

function treatmentOf(
  policy: DoubtfulPolicy,
  transmission: SpooledTransmission,
  { ended }: Doubt,
  mayListen: boolean,
): Treatment {
  const { held, awaited, resend } = transmission;
  const hasListened = listensUntil(transmission) !== undefined;
  if (holdOf(transmission) === "operator") return "wait";
  // An operator has decided so about the doubt that there was; one that comes now is another.
  if (ended === "earlier" && resend === true) return "resend";
  // What is held waits for a decision, also when doubts that come now are dropped.
  if (ended === "earlier" && held === true && !hasListened && policy !== "resend") return "wait";
  // A client that waits for the verdict gets 451, and the ledger keeps the doubt for its next try.
  if (mayListen) return awaited === true ? "withdraw" : "listen";
  if (policy === "drop") return "drop";
  // Under `resend` what comes again while its client waits is that client's next try.
  if (awaited === true && (ended === "now" || policy === "hold")) return "withdraw";
  return policy;
}

export function createDoubts(parts: DoubtParts, options: DoubtOptions): Doubts {
  const { inDoubt, listening, wait, ledger, spool, recorder, verdicts, warnOfDelay, history, counters } =
    parts;
  const { clock, random, log } = parts;
  const { policy, retry, addresses } = options;

  /** Out before it is queued: a second copy is never silent. */
  const announce = (
    transmission: SpooledTransmission,
    { cause, upstream }: Doubt,
    waitMs: number | undefined,
  ): void => {
    const { attempts } = transmission;
    const place = upstream === undefined ? {} : { upstream };
    log.warn(
      "transmission.doubtful",
      factsOf(transmission, addresses, { ...place, cause, policy, attempts, waitMs }),
    );
  };

  /** Once: the history may have the attempt, or an earlier start has noted it. Nothing waits for it. */
  const noteDoubt = async (id: Id, { cause, since }: Doubted): Promise<void> => {
    const events = await history.known(id).catch(() => []);
    const isNoted = events.some(
      (event) =>
        (event.kind === "doubt" && event.since === since) ||
        (event.kind === "attempt" &&
          event.outcome === "doubtful" &&
          Math.abs(event.at - since) <= CLOCKS_APART_MS),
    );
    if (!isNoted) history.doubted(id, { cause, since });
  };

  const drop = async (
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    signal: AbortSignal,
  ): Promise<void> => {
    const { id } = transmission;
    const settled = await recorder.settle(queued.claim, "relayed", signal);
    const recorded = settled === "stale" ? await recorder.recordRelayed(transmission, signal) : settled;
    inDoubt.delete(id);
    // Where another gateway has it, that one answers for it, and may go by another policy.
    verdicts.give(id, { kind: recorded === "another's" ? "pending" : "relayed" });
    await recorder.remove(queued.key, signal);
  };

  /** It leaves the spool durably before its client gets the verdict, or a crash would bring it back. */
  const withdraw = async (
    queued: QueuedTransmission,
    { id }: SpooledTransmission,
    signal: AbortSignal,
  ): Promise<void> => {
    await recorder.replace(queued.key, undefined, signal);
    inDoubt.delete(id);
    await ledger.release([queued.claim]);
    verdicts.give(id, { kind: "doubtful" });
  };

  const hold = async (queued: QueuedTransmission, transmission: SpooledTransmission): Promise<void> => {
    const held: SpooledTransmission = { ...unheld(transmission), held: true, hold: "doubt" };
    inDoubt.set(transmission.id, { queued, transmission: held });
    await recorder.note(queued, held);
  };

  const listen = async (
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    evidenceUntil: number,
    upstream: string | undefined,
  ): Promise<void> => {
    const held = { ...transmission, held: true, hold: "doubt", evidenceUntil } as const;
    inDoubt.set(transmission.id, { queued, transmission: held });
    if (transmission.evidenceUntil !== evidenceUntil) await recorder.note(queued, held);
    listening.until(transmission.id, evidenceUntil, upstream);
  };

  const resendLater = async (
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    cause: string,
  ): Promise<QueuedTransmission> => {
    const dueAt = clock.now() + backoff(transmission.attempts, retry, random);
    const again = { ...warnOfDelay(queued.key, transmission, cause), dueAt };
    inDoubt.set(transmission.id, { queued, transmission: again });
    await recorder.note(queued, again);
    return { ...queued, dueAt, isAttempted: true };
  };

  /** At the time that it was due before. */
  const resendAsDue = async (
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
  ): Promise<QueuedTransmission> => {
    // What was held may be older than the spool's lifetime, which is for trying, not for waiting.
    const isHeld = transmission.held === true;
    const now = clock.now();
    // The wait for evidence is shorter than that lifetime, and a part of it.
    const hasListened = listensUntil(transmission) !== undefined;
    const waited = hasListened ? { ...unheld(transmission), dueAt: now } : freed(transmission, now);
    const again = isHeld ? waited : transmission;
    // See `free` in resolutions.ts. It is held until that is durable.
    if (isHeld) await spool.update(queued.key, again, "durably");
    else await recorder.note(queued, again);
    inDoubt.set(transmission.id, { queued, transmission: again });
    return { ...queued, dueAt: again.dueAt, acceptedAt: again.acceptedAt };
  };

  /** Its octets change only if its own Date is another: whatever it has sent so far stays as it was (P10). */
  const datedLike = async (
    key: TransmissionKey,
    transmission: SpooledTransmission,
    firstDate: string | undefined,
  ): Promise<SpooledTransmission> => {
    if (firstDate === undefined) return transmission;
    const own = await firstDateOf(spool, key, transmission);
    return own === undefined || own === firstDate ? transmission : { ...transmission, firstDate };
  };

  return {
    async decide(queued, found, doubt, signal) {
      const now = clock.now();
      const since = doubt.ended === "now" ? now : doubt.since;
      const listened = doubt.ended === "now" ? undefined : listensUntil(found);
      const until = since === undefined ? undefined : wait.until(since, doubt.upstream, listened);
      const treatment = treatmentOf(policy, found, doubt, until !== undefined);
      const { resend: _, ...undecided } = found;
      const kept = doubt.ended === "now" ? undecided : found;
      const transmission = await datedLike(queued.key, kept, doubt.firstDate);
      const say = (): void => {
        // Where a doubt holds it, that was announced.
        if (treatment !== "wait" || holdOf(found) === "operator") {
          announce(transmission, doubt, until === undefined ? undefined : until - now);
        }
        if (treatment !== "wait" && doubt.ended === "earlier" && doubt.since !== undefined) {
          void noteDoubt(transmission.id, { cause: doubt.cause, since: doubt.since });
        }
      };
      inDoubt.set(transmission.id, { queued, transmission });
      // What a disk that takes nothing keeps from being done is tried again, but said and counted once.
      if (treatment === "resend" && doubt.ended === "earlier") {
        const next = await resendAsDue(queued, transmission);
        say();
        counters.doubtfulResolved.add("policy");
        return next;
      }
      say();
      switch (treatment) {
        case "wait":
          return undefined;
        case "listen":
          await listen(queued, transmission, until ?? now, doubt.upstream);
          return undefined;
        case "drop":
          await drop(queued, transmission, signal);
          history.ended(transmission.id, { reason: "dropped", cause: doubt.cause });
          counters.doubtfulResolved.add("policy");
          return undefined;
        case "withdraw":
          await withdraw(queued, transmission, signal);
          return undefined;
        case "hold":
          await hold(queued, transmission);
          return undefined;
        case "resend":
          counters.doubtfulResolved.add("policy");
          return await resendLater(queued, transmission, doubt.cause);
      }
    },
  };
}
