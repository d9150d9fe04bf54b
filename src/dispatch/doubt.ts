// Doubtful transmissions (P6): an attempt ended without an answer, so the upstream may or may not hold the
// message. What happens then is policy, or an operator's decision; nothing here guesses.
import type { Id } from "../identity/message-id.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { SpooledTransmission, TransmissionKey } from "../spool/record.ts";
import type { Spool, SpooledMail } from "../spool/spool.ts";
import { type BackoffRange, backoff } from "./backoff.ts";
import type { WarnOfDelay } from "./delay.ts";
import type { AttemptResult, QueuedTransmission } from "./dispatcher.ts";
import { factsOf } from "./facts.ts";
import type { Recorder } from "./recorder.ts";
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
  /** Those of the spool. */
  list(): Iterable<Doubtful>;
  /** The doubt has ended. */
  forget(id: Id): void;
  /** The held transmission is to be relayed after all, now. */
  free(id: Id): Promise<void>;
}

export interface DoubtParts {
  readonly ledger: Ledger;
  readonly spool: Spool;
  readonly recorder: Recorder;
  readonly verdicts: Verdicts;
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
  const { ledger, spool, recorder, verdicts, warnOfDelay, enqueue, clock, random, log } = parts;
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
    { id }: SpooledTransmission,
    signal: AbortSignal,
  ): Promise<AttemptResult> => {
    await recorder.settle(queued.claim, "relayed", signal);
    verdicts.give(id, { kind: "relayed" });
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

  return {
    async decide(queued, mail, doubt, signal) {
      const transmission = { ...mail.transmission, attempts: mail.transmission.attempts + 1 };
      announce(transmission, doubt);
      if (policy === "drop") return await drop(queued, transmission, signal);
      if (transmission.awaited === true) return await withdraw(queued, transmission, signal);
      if (policy === "hold") return await hold(queued, transmission);
      const dueAt = clock.now() + backoff(transmission.attempts, retry, random);
      const { warned } = await warnOfDelay(mail, doubt.cause);
      const again = { ...transmission, dueAt, ...(warned === undefined ? {} : { warned }) };
      doubtful.set(transmission.id, { queued, transmission: again });
      await recorder.note(queued, again);
      return { kind: "again", dueAt };
    },

    async takeUp(queued, found, cause, firstDate) {
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
        const { held: _, ...freed } = transmission;
        // What was held may be older than the spool's lifetime, which is for trying, not for waiting.
        const again = transmission.held === true ? { ...freed, acceptedAt: clock.now() } : freed;
        doubtful.set(transmission.id, { queued, transmission: again });
        await recorder.note(queued, again);
        enqueue(queued);
      }
    },

    list: () => doubtful.values(),
    forget: (id) => {
      doubtful.delete(id);
    },

    async free(id) {
      const found = doubtful.get(id);
      if (found?.transmission.held !== true) return;
      const { held: _, ...transmission } = found.transmission;
      const now = clock.now();
      await spool.update(found.queued.key, { ...transmission, acceptedAt: now, dueAt: now }, "durably");
      doubtful.delete(id);
      enqueue({ ...found.queued, dueAt: now });
    },
  };
}

const NEVER = new AbortController().signal;
