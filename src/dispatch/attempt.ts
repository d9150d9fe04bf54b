// One attempt of one transmission, from the spool to its end: note it, make it, record how it ended.
// The order of the steps is what the promises rest on: the attempt is durable before the upstream is
// called (P2), the settlement before the spool forgets (P3, P5), the claim goes last (P1).
import type { Id } from "../identity/message-id.ts";
import type { Claim, Ledger } from "../ledger/ledger.ts";
import type { MailRequest } from "../message/notify.ts";
import { render } from "../message/rewrite.ts";
import { formatDate } from "../message/trace.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { Ending, SpooledTransmission, TransmissionKey } from "../spool/record.ts";
import { ContentError, type LostMail, type Spool, type SpooledMail } from "../spool/spool.ts";
import type { Outcome, Transmission } from "../upstream/upstream.ts";
import { type BackoffRange, backoff } from "./backoff.ts";
import type { Decisions } from "./decisions.ts";
import type { WarnOfDelay } from "./delay.ts";
import type { DispatcherParts } from "./dispatcher.ts";
import type { Doubts } from "./doubt.ts";
import { factsOf } from "./facts.ts";
import type { AttemptResult, QueuedTransmission } from "./queue.ts";
import { claimOf, type Recorder, STORAGE_RETRY_MS } from "./recorder.ts";
import type { Reports } from "./reports.ts";
import type { Verdict, Verdicts } from "./verdicts.ts";

export interface AttemptParts {
  readonly spool: Spool;
  readonly ledger: Ledger;
  readonly doubts: Doubts;
  readonly decisions: Decisions;
  readonly reports: Reports;
  readonly warnOfDelay: WarnOfDelay;
  readonly recorder: Recorder;
  readonly verdicts: Verdicts;
  readonly enqueue: (queued: QueuedTransmission) => void;
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

type Accepted = Extract<Outcome, { kind: "accepted" }>;
/** It is certain that the upstream does not have the message. */
type Untaken = Extract<Outcome, { kind: "refused" | "later" | "down" }>;
type Down = Extract<Outcome, { kind: "down" }>;

/** Which upstream it was, for the log. */
interface Place {
  readonly upstream: string;
}

export function createAttempt(parts: AttemptParts, options: AttemptOptions): Attempt {
  const { spool, ledger, doubts, decisions, reports, recorder, verdicts, clock, random, log } = parts;
  const { warnOfDelay, enqueue } = parts;
  /**
   * Ids whose verdict another gateway's client waits for, and that this one is bound to; whether an attempt of this
   * one ended without an answer.
   */
  const waiting = new Map<Id, boolean>();

  const facts = (transmission: SpooledTransmission, more: Readonly<Record<string, unknown>>) =>
    factsOf(transmission, options.addresses, more);

  /** An operator has decided that it was relayed, after this attempt began. */
  const isDecided = async (id: Id): Promise<boolean> => (await decisions.relayed(id)) === true;

  /** Has the failure reported to the reverse-path: until that is durable the transmission stays in the spool (P5). */
  const fail = async (
    queued: QueuedTransmission,
    mail: SpooledMail | LostMail,
    { reason, reply }: Pick<Ending, "reason" | "reply">,
    signal: AbortSignal,
  ): Promise<void> => {
    // Then whoever runs the attempt takes it out.
    if (await isDecided(mail.transmission.id)) return;
    const isWanted = reports.isWanted(mail, reason);
    if (mail.kind === "whole" && mail.submission.report === true) {
      log.error("report.refused", facts(mail.transmission, { reason, reply }));
    }
    const ended = { ...mail.transmission, ended: { reason, reply, at: clock.now() } };
    const found = isWanted
      ? await recorder.end(queued.key, ended, signal)
      : await recorder.replace(queued.key, undefined, signal);
    doubts.forget(mail.transmission.id);
    // An operator has decided meanwhile that it was relayed.
    if (found === "gone") return;
    await ledger.release([queued.claim]);
    if (isWanted) reports.ended(queued.key, ended);
    else {
      log.info("transmission.reported", facts(mail.transmission, { notice: "none" }));
      reports.left(queued.key, mail.transmission.id);
    }
  };

  /**
   * The client waits and is told: no retry of ours, no notice, and the id is free again. It leaves the
   * spool durably before that, or a crash would bring back what the client was told had failed.
   */
  const tellRefusal = async (
    queued: QueuedTransmission,
    { transmission }: SpooledMail | LostMail,
    verdict: Verdict,
    signal: AbortSignal,
  ): Promise<void> => {
    await recorder.replace(queued.key, undefined, signal);
    doubts.forget(transmission.id);
    await ledger.release([queued.claim]);
    verdicts.give(transmission.id, verdict);
  };

  /**
   * Another gateway has taken it over while this one was away: it answers for it now, and nothing of this
   * attempt counts (P8). If it has given it up again, nobody else has the mail, and it is claimed as at a
   * start (P5). And if it tells its own client alone what becomes of the mail, while this one's client has heard
   * 250, this one keeps it until that is known.
   */
  const lapsed = async (
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    isDoubtful: boolean,
  ): Promise<AttemptResult> => {
    const { id } = transmission;
    // Then whoever runs the attempt takes it out.
    if (await isDecided(id)) return { kind: "untried" };
    const [result] = await ledger.claim([claimOf(transmission)]);
    if (result?.kind === "repeat" && result.standing === "awaited" && transmission.awaited !== true) {
      if (!waiting.has(id)) log.warn("transmission.waiting", facts(transmission, {}));
      waiting.set(id, isDoubtful || waiting.get(id) === true);
      return { kind: "again", dueAt: clock.now() + backoff(1, options.retry, random) };
    }
    const wasDoubtful = isDoubtful || waiting.get(id) === true;
    waiting.delete(id);
    log.error("transmission.stale", facts(transmission, { fence: queued.claim.fence }));
    if (result === undefined || result.kind === "repeat") {
      await spool.remove(queued.key);
      doubts.forget(id);
      verdicts.give(id, { kind: "pending" });
      return { kind: "untried" };
    }
    if (result.kind === "claimed" && wasDoubtful) await noteDoubt(queued.key, transmission, result.claim);
    ledger.accepted([result.claim], transmission.awaited === true);
    const again = { ...queued, claim: result.claim };
    if (result.kind === "claimed" && !wasDoubtful) enqueue(again);
    else {
      const firstDate = result.kind === "doubtful" ? result.firstDate : undefined;
      const cause = "taken over by another gateway, and given up again";
      await doubts.takeUp(again, transmission, cause, firstDate);
    }
    return { kind: "untried" };
  };

  /** Of such an attempt the ledger knows nothing any more, and an operator decides by what it knows. */
  const noteDoubt = async (
    key: TransmissionKey,
    { id, firstDate }: SpooledTransmission,
    claim: Claim,
  ): Promise<void> => {
    try {
      const mail = await spool.read(key);
      const date = firstDate ?? (mail?.kind === "whole" ? mail.submission.header.date : undefined);
      await ledger.attempt(claim, date ?? formatDate(clock.now()));
      await ledger.settle(claim, "doubtful");
    } catch (error) {
      // The next try finds the old claim stale once more.
      waiting.set(id, true);
      await ledger.release([claim]).catch(() => {});
      throw error;
    }
  };

  const untaken = async (
    queued: QueuedTransmission,
    mail: SpooledMail,
    outcome: Untaken & Place,
    signal: AbortSignal,
  ): Promise<AttemptResult> => {
    const { transmission } = mail;
    if ((await recorder.settle(queued.claim, "refused", signal)) === "stale") {
      return await lapsed(queued, transmission, false);
    }
    const attempts = transmission.attempts + 1;
    const about = facts(transmission, {
      task: mail.submission.task,
      submission: queued.key.submission,
      upstream: outcome.upstream,
      permanence: outcome.kind === "refused" ? "permanent" : "transient",
      reply: outcome.reply,
      attempts,
    });
    if (transmission.awaited === true) {
      const { kind, reply } = outcome;
      await tellRefusal(queued, mail, kind === "refused" ? { kind, reply } : { kind: "later" }, signal);
      log.warn("transmission.refused", about);
      return outcome.kind === "down" ? { ...pauseFor(outcome), left: true } : { kind: "done" };
    }
    if (outcome.kind === "down") {
      // Not counted each time: for the next refusal the wait is to begin anew. But it was attempted.
      if (transmission.attempts === 0) await recorder.note(queued, { ...transmission, attempts });
      return { ...pauseFor(outcome), left: false };
    }
    if (outcome.kind === "refused") {
      log.warn("transmission.refused", about);
      await fail(queued, mail, { reason: "refused", reply: outcome.reply }, signal);
      return { kind: "done" };
    }
    const now = clock.now();
    const atLeast = outcome.retryAfterMs ?? 0;
    const growing = outcome.throttled === true ? 0 : backoff(attempts, options.retry, random);
    const wait = Math.max(growing, atLeast);
    log.info("transmission.refused", { ...about, retryMs: wait });
    const noted = warnOfDelay(queued.key, transmission, outcome.reply);
    await recorder.note(queued, { ...noted, attempts, dueAt: now + wait });
    return { kind: "again", dueAt: now + wait };
  };

  const relayed = async (
    queued: QueuedTransmission,
    mail: SpooledMail,
    { upstreamId, reports: upstreamReports, upstream }: Accepted & Place,
    signal: AbortSignal,
  ): Promise<AttemptResult> => {
    const { transmission, submission } = mail;
    const about = { task: submission.task, submission: submission.id, upstream, upstreamId };
    if ((await recorder.settle(queued.claim, "relayed", signal)) === "stale") {
      if (await isDecided(transmission.id)) {
        const cause = "an operator decided that it was relayed before";
        log.warn("transmission.second_copy", facts(transmission, { ...about, cause }));
        return { kind: "done" };
      }
      if ((await recorder.recordRelayed(transmission, signal)) === "relayed") {
        const cause = "another gateway relayed it too";
        log.warn("transmission.second_copy", facts(transmission, { ...about, cause }));
      }
    }
    doubts.forget(transmission.id);
    const attempts = transmission.attempts + 1;
    const ms = clock.now() - transmission.acceptedAt;
    log.info("transmission.relayed", facts(transmission, { ...about, attempts, ms }));
    verdicts.give(transmission.id, { kind: "relayed" });
    // NOTIFY=SUCCESS where the upstream does not report: what it said is all that the sender will hear
    // (RFC 3461 §5.2.2).
    if (upstreamReports === true || !reports.isWanted(mail, "relayed")) {
      await recorder.remove(queued.key, signal);
      reports.left(queued.key, transmission.id);
      return { kind: "done" };
    }
    const ended = { reason: "relayed", reply: upstreamId, at: clock.now() } as const;
    const found = await recorder.end(queued.key, { ...transmission, ended }, signal);
    if (found === "done") reports.ended(queued.key, { ...transmission, ended });
    return { kind: "done" };
  };

  /** Nothing can be sent of it any more: said, reported to the reverse-path, and its task may submit it again. */
  const lose = async (
    queued: QueuedTransmission,
    mail: SpooledMail | LostMail,
    cause: string,
    signal: AbortSignal,
  ): Promise<AttemptResult> => {
    const { transmission } = mail;
    if ((await recorder.settle(queued.claim, "refused", signal)) === "stale") {
      return await lapsed(queued, transmission, false);
    }
    log.error("transmission.lost", facts(transmission, { submission: queued.key.submission, cause }));
    const reply = `the content was lost: ${cause}`;
    if (transmission.awaited === true) await tellRefusal(queued, mail, { kind: "later" }, signal);
    else await fail(queued, mail, { reason: "lost", reply }, signal);
    return { kind: "untried" };
  };

  const attempt: Attempt = async (queued, upstream, signal, taken) => {
    const mail = await spool.read(queued.key);
    if (mail === undefined) {
      // It left the spool in an earlier turn that failed after that; what remains is its claim.
      await ledger.release([queued.claim]);
      return { kind: "untried" };
    }
    if (mail.kind === "lost") return await lose(queued, mail, mail.cause, signal);
    const { transmission } = mail;
    if (transmission.ended !== undefined) {
      // It was noted in an earlier turn that failed after that.
      await ledger.release([queued.claim]);
      reports.ended(queued.key, { ...transmission, ended: transmission.ended });
      return { kind: "untried" };
    }
    if (queued.isExpired === true) {
      // The lane can't know of an attempt that the disk kept from being made.
      if (transmission.attempts === 0) return { kind: "again", dueAt: queued.dueAt };
      // It changes nothing of a live claim, and tells whether it is one.
      if ((await recorder.settle(queued.claim, "refused", signal)) === "stale") {
        return await lapsed(queued, transmission, false);
      }
      log.warn("transmission.expired", facts(transmission, { attempts: transmission.attempts }));
      const reply = "not relayed within the lifetime of the spool";
      if (transmission.awaited === true) await tellRefusal(queued, mail, { kind: "later" }, signal);
      else await fail(queued, mail, { reason: "expired", reply }, signal);
      return { kind: "untried" };
    }
    const firstDate = transmission.firstDate ?? mail.submission.header.date;
    if ((await ledger.attempt(queued.claim, firstDate)) === "stale") {
      return await lapsed(queued, transmission, false);
    }
    let lost: ContentError | undefined;
    const noteLost = (error: ContentError): void => {
      lost = error;
    };
    const ended = await upstream.transmit(transmissionOf(mail, noteLost), signal);
    const isUntaken = ended.kind !== "accepted" && ended.kind !== "doubtful";
    if (lost !== undefined && isUntaken) {
      return await lose(queued, mail, (lost as ContentError).message, signal);
    }
    const outcome = { upstream: upstream.name, ...ended };
    switch (outcome.kind) {
      case "accepted":
        taken();
        return await relayed(queued, mail, outcome, signal);
      case "refused":
      case "later":
      case "down":
        return await untaken(queued, mail, outcome, signal);
      case "doubtful":
        if ((await recorder.settle(queued.claim, "doubtful", signal)) === "stale") {
          return await lapsed(queued, transmission, true);
        }
        return await doubts.decide(queued, mail, outcome, signal);
    }
  };

  const attemptOrPause: Attempt = async (queued, upstream, signal, taken) => {
    try {
      return await attempt(queued, upstream, signal, taken);
    } catch (error) {
      // The disk failed on the way. Whatever was not recorded is found again: an attempt without a
      // settlement is doubtful after a restart, and everything else is still in the spool.
      log.error("dispatch.failed", { error: error instanceof Error ? error.stack : String(error) });
      return { kind: "pause", reason: String(error), retryAfterMs: STORAGE_RETRY_MS, left: false };
    }
  };

  /** What was decided as relayed during the attempt leaves the spool, whatever came of the attempt. */
  const decided = async (
    queued: QueuedTransmission,
    result: AttemptResult,
    signal: AbortSignal,
  ): Promise<AttemptResult> => {
    try {
      await doubts.leave(queued, queued.claim.id, signal);
    } catch {
      // The process stops while the disk is away; the next start finds that it is relayed.
      return result;
    }
    if (result.kind === "pause") return { ...result, left: true };
    return { kind: result.kind === "untried" ? "untried" : "done" };
  };

  return (queued, upstream, signal, taken) =>
    decisions.during(queued.claim.id, async () => {
      const result = await attemptOrPause(queued, upstream, signal, taken);
      const isRelayed = decisions.relayed(queued.claim.id);
      return isRelayed !== undefined && (await isRelayed) ? await decided(queued, result, signal) : result;
    });
}

const pauseFor = ({ reply, retryAfterMs }: Down) => ({
  kind: "pause" as const,
  reason: reply,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

/**
 * What every attempt of this transmission hands over: the same octets each time (P10).
 *
 * @param lost called when the content can't be read since it is not there whole; the attempt then ends as one that
 *   was not taken, unless the upstream's answer says otherwise
 */
function transmissionOf(
  { submission, header, transmission, body, bodyOctets }: SpooledMail,
  lost: (error: ContentError) => void,
): Transmission {
  const { id, messageId, recipient, firstDate } = transmission;
  const rendered = render(header, { messageId, firstDate });
  return {
    id,
    messageId,
    reversePath: submission.reversePath,
    recipient,
    size: rendered.length + submission.bodySize,
    eightBit: submission.eightBit,
    request: requestOf(submission, transmission),
    octets: body === undefined ? undefined : Buffer.concat([rendered, body]),
    async *content() {
      yield rendered;
      try {
        yield* bodyOctets();
      } catch (error) {
        if (error instanceof ContentError) lost(error);
        throw error;
      }
    },
  };
}

const requestOf = ({ envid, ret }: MailRequest, { request }: SpooledTransmission): Transmission["request"] =>
  envid === undefined && ret === undefined && request === undefined ? undefined : { ...request, envid, ret };
