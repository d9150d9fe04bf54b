// A transmission that will not be relayed leaves the queue. Its client gets the verdict where it waits for it; otherwise
// the failure is reported to the reverse-path.
import type { HistoryNotes } from "../history/history.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { type Ending, unheld } from "../spool/record.ts";
import type { LostMail, SpooledMail } from "../spool/spool.ts";
import type { Decisions } from "./decisions.ts";
import type { InDoubt } from "./doubt.ts";
import { factsOf } from "./facts.ts";
import type { Lapsed } from "./lapsed.ts";
import type { AttemptResult, QueuedTransmission } from "./queue.ts";
import type { Recorder } from "./recorder.ts";
import type { Reports } from "./reports.ts";
import type { Verdict, Verdicts } from "./verdicts.ts";

export interface Failures {
  /**
   * Its client waits and gets the verdict: no retry of ours, no report, and the id is free again. It leaves the
   * spool durably before that, or a crash would bring back what is a failure to the client.
   */
  answer(
    queued: QueuedTransmission,
    mail: SpooledMail | LostMail,
    verdict: Verdict,
    signal: AbortSignal,
  ): Promise<void>;
  /**
   * Has the failure reported to the reverse-path: until that is durable the transmission stays in the spool (P5).
   * Where an operator has decided that it was relayed nothing is done: it leaves the spool at the end of the attempt.
   *
   * @param failure with what the upstream said, or we: one line
   */
  report(
    queued: QueuedTransmission,
    mail: SpooledMail | LostMail,
    failure: Pick<Ending, "reason" | "reply">,
    signal: AbortSignal,
  ): Promise<void>;
  /** Its content is not there whole, so nothing can be sent. Its task may submit it again. */
  lose(
    queued: QueuedTransmission,
    mail: SpooledMail | LostMail,
    cause: string,
    signal: AbortSignal,
  ): Promise<AttemptResult>;
  /**
   * An operator refuses it for good.
   *
   * @param announce called unless another gateway has taken the id over, which then decides
   */
  refuse(
    queued: QueuedTransmission,
    mail: SpooledMail | LostMail,
    reply: string,
    announce: () => void,
    signal: AbortSignal,
  ): Promise<AttemptResult>;
  /** Its lifetime has passed. It fails, if it was attempted at all. */
  expire(queued: QueuedTransmission, mail: SpooledMail, signal: AbortSignal): Promise<AttemptResult>;
}

export interface FailureParts {
  readonly ledger: Ledger;
  readonly inDoubt: InDoubt;
  readonly decisions: Pick<Decisions, "relayed">;
  readonly lapsed: Lapsed;
  readonly recorder: Recorder;
  readonly reports: Reports;
  readonly verdicts: Verdicts;
  readonly history: Pick<HistoryNotes, "ended">;
  readonly clock: Clock;
  readonly log: Log;
}

/** @param addresses log the recipient */
export function createFailures(parts: FailureParts, addresses: boolean): Failures {
  const { ledger, inDoubt, decisions, lapsed, recorder, reports, verdicts, history, clock, log } = parts;

  const answer: Failures["answer"] = async ({ key, claim }, { transmission }, verdict, signal) => {
    await recorder.replace(key, undefined, signal);
    inDoubt.delete(transmission.id);
    await ledger.release([claim]);
    verdicts.give(transmission.id, verdict);
  };

  const report: Failures["report"] = async ({ key, claim }, mail, { reason, reply }, signal) => {
    const { transmission } = mail;
    if ((await decisions.relayed(transmission.id)) === true) return;
    const isWanted = reports.isWanted(mail, reason);
    if (mail.kind === "whole" && mail.submission.report === true) {
      log.error("report.refused", factsOf(transmission, addresses, { reason, reply }));
    }
    const ended = { ...unheld(transmission), ended: { reason, reply, at: clock.now() } };
    const found = isWanted
      ? await recorder.update(key, ended, signal)
      : await recorder.replace(key, undefined, signal);
    inDoubt.delete(transmission.id);
    // An operator has decided meanwhile that it was relayed.
    if (found === "gone") return;
    await ledger.release([claim]);
    if (isWanted) reports.ended(key, ended);
    else {
      log.info("transmission.reported", factsOf(transmission, addresses, { notice: "none" }));
      reports.left(key, transmission.id);
    }
  };

  /** Without asking the upstream. */
  const fail = async (
    queued: QueuedTransmission,
    mail: SpooledMail | LostMail,
    failure: { readonly reason: "expired" | "lost" | "refused"; readonly reply: string },
    announce: () => void,
    signal: AbortSignal,
  ): Promise<AttemptResult> => {
    // It changes nothing of a live claim, and shows whether it is one.
    if ((await recorder.settle(queued.claim, "refused", signal)) === "stale") {
      return await lapsed(queued, mail.transmission, false, signal);
    }
    announce();
    if (mail.transmission.awaited === true) await answer(queued, mail, { kind: "later" }, signal);
    else await report(queued, mail, failure, signal);
    return { kind: "untried" };
  };

  return {
    answer,
    report,
    refuse: (queued, mail, reply, announce, signal) =>
      fail(queued, mail, { reason: "refused", reply }, announce, signal),

    lose(queued, mail, cause, signal) {
      const { transmission } = mail;
      const failure = { reason: "lost", reply: `the content was lost: ${cause}` } as const;
      const announce = (): void => {
        const { submission } = queued.key;
        log.error("transmission.lost", factsOf(transmission, addresses, { submission, cause }));
        history.ended(transmission.id, { reason: "lost", cause: failure.reply });
      };
      return fail(queued, mail, failure, announce, signal);
    },

    async expire(queued, mail, signal) {
      const { transmission } = mail;
      const { attempts } = transmission;
      // The lane can't know of an attempt that the disk kept from being made.
      if (attempts === 0) {
        return { kind: "untried", again: { ...queued, isAttempted: false, isExpired: false } };
      }
      const failure = { reason: "expired", reply: "not relayed within the lifetime of the spool" } as const;
      const announce = (): void => {
        log.warn("transmission.expired", factsOf(transmission, addresses, { attempts }));
        history.ended(transmission.id, { reason: "expired", cause: failure.reply });
      };
      return await fail(queued, mail, failure, announce, signal);
    },
  };
}
