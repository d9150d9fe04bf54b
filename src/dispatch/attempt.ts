// One attempt of one transmission, from the spool to its end: note it, make it, record how it ended.
// The order of the steps is what the promises rest on: the attempt is durable before the upstream is
// called (P2), the settlement before the spool forgets (P3, P5), the claim goes last (P1).
import type { Telling } from "../evidence/telling.ts";
import type { Attempted, HistoryNotes } from "../history/history.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Histogram } from "../metrics/histogram.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log, LogFields } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { lastAttemptOf, type SpooledTransmission } from "../spool/record.ts";
import type { ContentError, Spool, SpooledMail } from "../spool/spool.ts";
import type { Outcome, Upstream } from "../upstream/upstream.ts";
import { type BackoffRange, backoff } from "./backoff.ts";
import type { Decisions } from "./decisions.ts";
import type { WarnOfDelay } from "./delay.ts";
import type { DispatcherParts } from "./dispatcher.ts";
import { type Doubts, type InDoubt, leaveDoubt } from "./doubt.ts";
import { factsOf } from "./facts.ts";
import type { Failures } from "./failures.ts";
import type { Lapsed } from "./lapsed.ts";
import { outgoingOf } from "./outgoing.ts";
import { pauseFor } from "./pause.ts";
import type { AttemptResult, QueuedTransmission } from "./queue.ts";
import { type Recorder, STORAGE_RETRY_MS } from "./recorder.ts";
import { isRelayedElsewhere } from "./relayed-elsewhere.ts";
import type { Reports } from "./reports.ts";
import type { Resolutions } from "./resolutions.ts";
import type { Verdicts } from "./verdicts.ts";

export interface AttemptParts {
  readonly spool: Spool;
  readonly ledger: Ledger;
  readonly inDoubt: InDoubt;
  readonly doubts: Doubts;
  readonly decisions: Pick<Decisions, "relayed">;
  readonly resolutions: Pick<Resolutions, "during">;
  readonly lapsed: Lapsed;
  readonly failures: Failures;
  readonly reports: Reports;
  /** An operator has paused all that the lane goes by. */
  readonly isStopped: (lane: number) => boolean;
  readonly warnOfDelay: WarnOfDelay;
  readonly recorder: Recorder;
  readonly verdicts: Verdicts;
  readonly history: Pick<HistoryNotes, "attempted">;
  readonly takenAgain: Telling["takenAgain"];
  /** By lane: from the acceptance of a mail to that by the upstream. */
  readonly relaySeconds: readonly Pick<Histogram, "observe">[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface AttemptOptions {
  readonly retry: BackoffRange;
  /** Log the recipient. */
  readonly addresses: boolean;
}

export type Attempt = DispatcherParts["attempt"];

/** Which upstream it was, for the log. */
interface Place {
  readonly upstream: string;
}

/** What the log says of an acceptance. */
type Relayed = LogFields & Place & { readonly upstreamId: string };

type Accepted = Extract<Outcome, { kind: "accepted" }> & Place;
/** It is certain that the upstream does not have the message. */
type Untaken = Extract<Outcome, { kind: "refused" | "later" | "down" }> & Place;

export function createAttempt(parts: AttemptParts, options: AttemptOptions): Attempt {
  const { spool, ledger, inDoubt, doubts, decisions, resolutions, lapsed, failures } = parts;
  const { reports, isStopped, warnOfDelay, recorder, verdicts, history, takenAgain, relaySeconds } = parts;
  const { clock, random, log } = parts;

  const facts = (transmission: SpooledTransmission, more: Readonly<Record<string, unknown>>) =>
    factsOf(transmission, options.addresses, more);

  const copied = (transmission: SpooledTransmission, about: Relayed, cause?: string): void => {
    const { id } = transmission;
    const known = cause === undefined ? {} : { cause };
    takenAgain({ id, upstreamId: about.upstreamId, ...known, facts: facts(transmission, about) });
  };

  const accepted = async (
    queued: QueuedTransmission,
    mail: SpooledMail,
    { upstreamId, reports: upstreamReports, upstream }: Accepted,
    signal: AbortSignal,
  ): Promise<AttemptResult> => {
    const { transmission, submission } = mail;
    const about = { task: submission.task, submission: submission.id, upstream, upstreamId };
    if ((await recorder.settle(queued.claim, "relayed", signal)) === "stale") {
      if ((await decisions.relayed(transmission.id)) === true) {
        const cause = "it was decided during this attempt that it was relayed before";
        copied(transmission, about, cause);
        return { kind: "done" };
      }
      if ((await recorder.recordRelayed(transmission, signal)) === "relayed") {
        const cause = "it was relayed too by another gateway";
        // Evidence may be of the attempt that has ended here.
        const isCopy = await isRelayedElsewhere(ledger, queued.claim);
        copied(transmission, about, isCopy ? cause : undefined);
      }
    }
    if (inDoubt.has(transmission.id)) copied(transmission, about);
    leaveDoubt(inDoubt, queued);
    const attempts = transmission.attempts + 1;
    const ms = clock.now() - transmission.acceptedAt;
    (relaySeconds[queued.lane] ?? relaySeconds[0])?.observe(ms / 1_000);
    log.info("transmission.relayed", facts(transmission, { ...about, attempts, ms }));
    verdicts.give(transmission.id, { kind: "relayed" });
    // NOTIFY=SUCCESS where the upstream does not report: the sender gets no more than what it said
    // (RFC 3461 §5.2.2).
    if (upstreamReports === true || !reports.isWanted(mail, "relayed")) {
      await recorder.remove(queued.key, signal);
      reports.left(queued.key, transmission.id);
      return { kind: "done" };
    }
    const at = clock.now();
    const ended = { reason: "relayed", reply: upstreamId, at } as const;
    const after = { ...transmission, ...lastAttemptOf(upstream, upstreamId, at), ended };
    const found = await recorder.update(queued.key, after, signal);
    if (found === "done") reports.ended(queued.key, after);
    return { kind: "done" };
  };

  const untaken = async (
    queued: QueuedTransmission,
    mail: SpooledMail,
    outcome: Untaken,
    signal: AbortSignal,
  ): Promise<AttemptResult> => {
    const { kind, reply, upstream } = outcome;
    if ((await recorder.settle(queued.claim, "refused", signal)) === "stale") {
      return await lapsed(queued, mail.transmission, false, signal);
    }
    const transmission = { ...mail.transmission, ...lastAttemptOf(upstream, reply, clock.now()) };
    const attempts = transmission.attempts + 1;
    const about = facts(transmission, {
      task: mail.submission.task,
      submission: queued.key.submission,
      upstream,
      permanence: kind === "refused" ? "permanent" : "transient",
      reply,
      attempts,
    });
    if (transmission.awaited === true) {
      const verdict = kind === "refused" ? { kind, reply } : ({ kind: "later" } as const);
      await failures.answer(queued, mail, verdict, signal);
      log.warn("transmission.refused", about);
      return kind === "down" ? pauseFor(outcome, true) : { kind: "done" };
    }
    if (kind === "down") {
      // Not counted each time: for the next refusal the wait is to begin anew. But it was attempted.
      if (transmission.attempts === 0) await recorder.note(queued, { ...transmission, attempts });
      else if (transmission.resend === true) await recorder.note(queued, transmission);
      return pauseFor(outcome, false);
    }
    if (kind === "refused") {
      log.warn("transmission.refused", about);
      await failures.report(queued, { ...mail, transmission }, { reason: "refused", reply }, signal);
      return { kind: "done" };
    }
    const growing = outcome.throttled === true ? 0 : backoff(attempts, options.retry, random);
    const retryMs = Math.max(growing, outcome.retryAfterMs ?? 0);
    const dueAt = clock.now() + retryMs;
    log.info("transmission.refused", { ...about, retryMs });
    const noted = warnOfDelay(queued.key, transmission, reply);
    await recorder.note(queued, { ...noted, attempts, dueAt });
    return { kind: "again", dueAt };
  };

  const doubtful = async (
    queued: QueuedTransmission,
    { transmission }: SpooledMail,
    { cause, upstream }: { readonly cause: string } & Place,
    signal: AbortSignal,
  ): Promise<AttemptResult> => {
    if ((await recorder.settle(queued.claim, "doubtful", signal)) === "stale") {
      return await lapsed(queued, transmission, true, signal);
    }
    const last = lastAttemptOf(upstream, cause, clock.now());
    const attempted = { ...transmission, ...last, attempts: transmission.attempts + 1 };
    const next = await doubts.decide(queued, attempted, { cause, upstream, ended: "now" }, signal);
    return next === undefined ? { kind: "done" } : { kind: "again", dueAt: next.dueAt };
  };

  /** Notes the attempt, makes it, and records how it ended. */
  const transmit = async (
    queued: QueuedTransmission,
    mail: SpooledMail,
    upstream: Upstream,
    signal: AbortSignal,
    taken: () => void,
  ): Promise<AttemptResult> => {
    const { transmission } = mail;
    const firstDate = transmission.firstDate ?? mail.submission.header.date;
    const isResent = transmission.resend === true;
    if (isResent) {
      // The upstream may have it soon: that would be another doubt, about which nobody has decided. Nothing may come between
      // the note of the attempt and the call: neither a decision that it was relayed, nor the end of a lease.
      const { resend: _, ...undecided } = transmission;
      await spool.update(queued.key, undecided, "durably");
    }
    const noting = ledger.attempt(queued.claim, firstDate);
    if (isResent) await noting.catch(() => recorder.note(queued, transmission));
    if ((await noting) === "stale") return await lapsed(queued, transmission, false, signal);
    if (isStopped(queued.lane)) {
      // Since the lane took it up. The upstream is not called after an operator has the answer to their pause.
      const settled = await recorder.settle(queued.claim, "refused", signal);
      if (settled === "stale") return await lapsed(queued, transmission, false, signal);
      if (isResent) await recorder.note(queued, transmission);
      return { kind: "untried", again: queued };
    }
    const losses: ContentError[] = [];
    const outgoing = outgoingOf(mail, (error) => void losses.push(error));
    const outcome = { upstream: upstream.name, ...(await upstream.transmit(outgoing, signal)) };
    history.attempted(transmission.id, attemptedOf(outcome));
    switch (outcome.kind) {
      case "accepted":
        taken();
        return await accepted(queued, mail, outcome, signal);
      case "refused":
      case "later":
      case "down": {
        const [loss] = losses;
        return loss === undefined
          ? await untaken(queued, mail, outcome, signal)
          : await failures.lose(queued, mail, loss.message, signal);
      }
      case "doubtful":
        return await doubtful(queued, mail, outcome, signal);
    }
  };

  const attempt: Attempt = async (queued, upstream, signal, taken) => {
    const mail = await spool.read(queued.key);
    if (mail === undefined) {
      // It left the spool in an earlier turn that failed after that; what remains is its claim.
      await ledger.release([queued.claim]);
      return { kind: "untried" };
    }
    if (mail.kind === "lost") return await failures.lose(queued, mail, mail.cause, signal);
    const { ended } = mail.transmission;
    if (ended !== undefined) {
      // It was noted in an earlier turn that failed after that.
      await ledger.release([queued.claim]);
      reports.ended(queued.key, { ...mail.transmission, ended });
      return { kind: "untried" };
    }
    if (queued.isExpired === true) return await failures.expire(queued, mail, signal);
    return await transmit(queued, mail, upstream, signal, taken);
  };

  const attemptOrPause: Attempt = async (queued, upstream, signal, taken) => {
    try {
      return await attempt(queued, upstream, signal, taken);
    } catch (error) {
      // The disk failed on the way. Whatever was not recorded is found again: an attempt without a
      // settlement is doubtful after a restart, and everything else is still in the spool.
      log.error("dispatch.failed", { error: error instanceof Error ? error.stack : String(error) });
      const retryAfterMs = STORAGE_RETRY_MS;
      return { kind: "pause", reason: String(error), retryAfterMs, left: false, by: "storage" };
    }
  };

  return async (queued, upstream, signal, taken) => {
    const work = () => attemptOrPause(queued, upstream, signal, taken);
    const { result, isOut } = await resolutions.during(queued, signal, work);
    return isOut ? withoutMail(result) : result;
  };
}

function attemptedOf(outcome: Outcome & Place): Attempted {
  const { kind, upstream } = outcome;
  if (kind === "accepted") return { upstream, outcome: kind, upstreamId: outcome.upstreamId };
  return { upstream, outcome: kind, reply: kind === "doubtful" ? outcome.cause : outcome.reply };
}

/** What else the result says still holds; the transmission has left the queue. */
function withoutMail(result: AttemptResult): AttemptResult {
  if (result.kind === "pause") return { ...result, left: true };
  return { kind: result.kind === "untried" ? "untried" : "done" };
}
