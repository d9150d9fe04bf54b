// Doubtful transmissions (P6): an attempt ended without an answer, so the upstream may or may not hold the
// message. What happens then is policy, or an operator's decision; nothing here guesses.
import type { Id } from "../identity/message-id.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { freed, type SpooledTransmission, type TransmissionKey } from "../spool/record.ts";
import type { Spool, SpooledMail } from "../spool/spool.ts";
import { type BackoffRange, backoff } from "./backoff.ts";
import type { Decisions } from "./decisions.ts";
import type { WarnOfDelay } from "./delay.ts";
import { factsOf } from "./facts.ts";
import type { AttemptResult, QueuedTransmission } from "./queue.ts";
import { type Recorder, STORAGE_RETRY_MS } from "./recorder.ts";
import type { Verdicts } from "./verdicts.ts";

export type DoubtfulPolicy = "resend" | "hold" | "drop";

/** Why, and at which upstream where that is known. A resend may go by another, so the log must tell. */
export interface Doubt {
  readonly cause: string;
  readonly upstream?: string;
}

/** One doubtful transmission of the spool. */
export interface Doubtful {
  readonly queued: QueuedTransmission;
  readonly transmission: SpooledTransmission;
}

export interface Doubts {
  /** What policy does with an attempt that has just ended without an answer. The ledger knows already. */
  decide(
    queued: QueuedTransmission,
    mail: SpooledMail,
    doubt: Doubt,
    signal: AbortSignal,
  ): Promise<AttemptResult>;
  /**
   * The same for a transmission that was in doubt when the gateway started, or its submission came.
   *
   * @param firstDate the Date of the first attempt, which may have been another gateway's; every later one has
   *   it too
   */
  takeUp(
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    cause: string,
    firstDate?: string,
  ): Promise<void>;
  /** As takeUp, in the background: what fails is tried again. */
  takeUpSoon(queued: QueuedTransmission, transmission: SpooledTransmission, cause: string): void;
  /** Takes out of the spool what was decided as relayed while it was worked on. */
  leave(queued: QueuedTransmission, id: Id, signal: AbortSignal): Promise<void>;
  /** Those of the spool. */
  list(): Iterable<Doubtful>;
  /** One of them. */
  find(id: Id): Doubtful | undefined;
  /** The doubt has ended. */
  forget(id: Id): void;
  /**
   * An operator has decided that it was relayed, and the ledger knows. Work that keeps the id busy takes the
   * transmission out of the spool at its end; without such work that is done now. Never rejects.
   */
  decidedRelayed(id: Id): Promise<void>;
  /** An operator has decided that it was not relayed, and the ledger knows: it is due. Never rejects. */
  decidedNotRelayed(id: Id): Promise<void>;
}

export interface DoubtParts {
  readonly ledger: Ledger;
  readonly spool: Spool;
  readonly recorder: Recorder;
  readonly verdicts: Verdicts;
  readonly decisions: Decisions;
  readonly warnOfDelay: WarnOfDelay;
  readonly enqueue: (queued: QueuedTransmission) => void;
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

export function createDoubts(parts: DoubtParts, { policy, retry, addresses }: DoubtOptions): Doubts {
  const { ledger, spool, recorder, verdicts, decisions, warnOfDelay, enqueue, clock, random, log } = parts;
  const doubtful = new Map<Id, Doubtful>();

  /** Out before anything else is done: a second copy is never silent. */
  const announce = (transmission: SpooledTransmission, { cause, upstream }: Doubt): void => {
    const { attempts } = transmission;
    const place = upstream === undefined ? {} : { upstream };
    log.warn(
      "transmission.doubtful",
      factsOf(transmission, addresses, { ...place, cause, policy, attempts }),
    );
  };

  const drop = async (
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    signal: AbortSignal,
  ): Promise<AttemptResult> => {
    const { id } = transmission;
    const settled = await recorder.settle(queued.claim, "relayed", signal);
    const recorded = settled === "stale" ? await recorder.recordRelayed(transmission, signal) : settled;
    doubtful.delete(id);
    // Where another gateway has it, that one answers for it, and may go by another policy.
    verdicts.give(id, { kind: recorded === "another's" ? "pending" : "relayed" });
    await recorder.remove(queued.key, signal);
    return { kind: "done" };
  };

  /**
   * The client hears that it is doubtful and submits again; the ledger keeps the doubt meanwhile. It leaves
   * the spool durably before that, or a crash would bring it back.
   */
  const withdraw = async (
    queued: QueuedTransmission,
    { id }: SpooledTransmission,
    signal: AbortSignal,
  ): Promise<AttemptResult> => {
    await recorder.replace(queued.key, undefined, signal);
    doubtful.delete(id);
    await ledger.release([queued.claim]);
    verdicts.give(id, { kind: "doubtful" });
    return { kind: "done" };
  };

  const hold = async (
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
  ): Promise<AttemptResult> => {
    const held: SpooledTransmission = { ...transmission, held: true };
    doubtful.set(transmission.id, { queued, transmission: held });
    await recorder.note(queued, held);
    return { kind: "done" };
  };

  const dateOf = async (key: TransmissionKey): Promise<string | undefined> => {
    const mail = await spool.read(key);
    return mail?.kind === "whole" ? mail.submission.header.date : undefined;
  };

  /** Its octets change only if its own Date is another: whatever it has sent so far stays as it was (P10). */
  const datedLike = async (
    key: TransmissionKey,
    transmission: SpooledTransmission,
    firstDate: string | undefined,
  ): Promise<SpooledTransmission> => {
    if (firstDate === undefined) return transmission;
    const own = transmission.firstDate ?? (await dateOf(key));
    return own === undefined || own === firstDate ? transmission : { ...transmission, firstDate };
  };

  const takeUp: Doubts["takeUp"] = async (queued, found, cause, firstDate) => {
    const transmission = await datedLike(queued.key, found, firstDate);
    // What was held waits for a decision, also when doubts that come now are dropped.
    if (policy !== "resend" && transmission.held === true) {
      doubtful.set(transmission.id, { queued, transmission });
      return;
    }
    announce(transmission, { cause });
    if (policy === "drop") await drop(queued, transmission, NEVER);
    else if (policy === "hold") {
      if (transmission.awaited === true) await withdraw(queued, transmission, NEVER);
      else await hold(queued, transmission);
    } else {
      // What was held may be older than the spool's lifetime, which is for trying, not for waiting.
      const isHeld = transmission.held === true;
      const again = isHeld ? freed(transmission, clock.now()) : transmission;
      doubtful.set(transmission.id, { queued, transmission: again });
      // See `free`.
      if (isHeld) await spool.update(queued.key, again, "durably");
      else await recorder.note(queued, again);
      enqueue({ ...queued, acceptedAt: again.acceptedAt });
    }
  };

  const leave: Doubts["leave"] = async (queued, id, signal) => {
    await recorder.remove(queued.key, signal);
    doubtful.delete(id);
    verdicts.give(id, { kind: "relayed" });
  };

  /**
   * Attempts it no sooner than the spool knows, durably: a start that finds an attempt of what is held would take the
   * doubt for the one that was announced. Never rejects.
   */
  const free = async ({ queued, transmission }: Doubtful): Promise<void> => {
    const now = clock.now();
    try {
      await spool.update(queued.key, freed(transmission, now), "durably");
      enqueue({ ...queued, dueAt: now, acceptedAt: now, expiresAt: undefined });
    } catch (error) {
      log.error("spool.unavailable", { error: String(error) });
      clock.after(STORAGE_RETRY_MS, () => void free({ queued, transmission }));
    }
  };

  const takeUpOrLeave: Doubts["takeUp"] = (queued, transmission, cause, firstDate) =>
    decisions.during(transmission.id, async () => {
      await takeUp(queued, transmission, cause, firstDate);
      const isDecided = decisions.relayed(transmission.id);
      if (isDecided !== undefined && (await isDecided)) await leave(queued, transmission.id, NEVER);
    });

  function takeUpSoon(queued: QueuedTransmission, transmission: SpooledTransmission, cause: string): void {
    takeUpOrLeave(queued, transmission, cause).catch((error: unknown) => {
      log.error("dispatch.failed", { error: error instanceof Error ? error.stack : String(error) });
      clock.after(STORAGE_RETRY_MS, () => takeUpSoon(queued, transmission, cause));
    });
  }

  return {
    async decide(queued, mail, doubt, signal) {
      const transmission = { ...mail.transmission, attempts: mail.transmission.attempts + 1 };
      announce(transmission, doubt);
      doubtful.set(transmission.id, { queued, transmission });
      if (policy === "drop") return await drop(queued, transmission, signal);
      if (transmission.awaited === true) return await withdraw(queued, transmission, signal);
      if (policy === "hold") return await hold(queued, transmission);
      const dueAt = clock.now() + backoff(transmission.attempts, retry, random);
      const { warned } = warnOfDelay(queued.key, mail.transmission, doubt.cause);
      const again = { ...transmission, dueAt, ...(warned === undefined ? {} : { warned }) };
      doubtful.set(transmission.id, { queued, transmission: again });
      await recorder.note(queued, again);
      return { kind: "again", dueAt };
    },

    takeUp: takeUpOrLeave,
    takeUpSoon,
    leave,

    list: () => doubtful.values(),
    find: (id) => doubtful.get(id),
    forget: (id) => {
      doubtful.delete(id);
    },

    async decidedRelayed(id) {
      const found = doubtful.get(id);
      if (found === undefined || decisions.isBusy(id)) return;
      try {
        await spool.remove(found.queued.key);
        doubtful.delete(id);
        verdicts.give(id, { kind: "relayed" });
      } catch (error) {
        // Its next attempt finds what was decided, and takes it out.
        log.error("spool.unavailable", { error: String(error) });
        if (found.transmission.held === true) enqueue({ ...found.queued, dueAt: clock.now() });
      }
    },

    async decidedNotRelayed(id) {
      const found = doubtful.get(id);
      if (found === undefined) return;
      doubtful.delete(id);
      // What is not held waits in the queue, and is there once only.
      if (found.transmission.held === true) await free(found);
    },
  };
}

const NEVER = new AbortController().signal;
