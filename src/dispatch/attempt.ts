// One attempt of one transmission, from the spool to its end: note it, make it, record how it ended.
// The order of the steps is what the promises rest on: the attempt is durable before the upstream is
// called (P2), the settlement before the spool forgets (P3, P5), the claim goes last (P1).

import type { Claim, Ledger, Settlement } from "../ledger/ledger.ts";
import { render } from "../message/rewrite.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log, LogFields } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { SpooledTransmission } from "../spool/record.ts";
import type { Spool, SpooledMail } from "../spool/spool.ts";
import type { Outcome, Transmission, Upstream } from "../upstream/upstream.ts";
import { type BackoffRange, backoff } from "./backoff.ts";
import type { AttemptResult, QueuedTransmission } from "./dispatcher.ts";
import type { Failure, Notices } from "./notice.ts";

/** What happens to a transmission whose attempt ended without an answer (P6). */
export type DoubtfulPolicy = "resend" | "hold" | "drop";

export interface AttemptParts {
  readonly spool: Spool;
  readonly ledger: Ledger;
  readonly upstream: Upstream;
  readonly notices: Notices;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface AttemptOptions {
  /** How long a transmission may stay in the spool, milliseconds. */
  readonly lifetimeMs: number;
  readonly retry: BackoffRange;
  readonly doubtful: DoubtfulPolicy;
  /** Log the recipient. */
  readonly addresses: boolean;
}

export interface Attempts {
  attempt(queued: QueuedTransmission, signal: AbortSignal): Promise<AttemptResult>;
  /** What policy does with a transmission that was found doubtful: when it is due again, if at all. */
  resolveDoubt(queued: QueuedTransmission, mail: SpooledTransmission, cause: string): Promise<AttemptResult>;
}

/** How long to wait before the disk is asked again; a full disk is not emptied sooner. */
const STORAGE_RETRY_MS = 1_000;

export function createAttempts(parts: AttemptParts, options: AttemptOptions): Attempts {
  const { spool, ledger, upstream, notices, clock, random, log } = parts;

  const factsOf = (transmission: SpooledTransmission, more: LogFields): LogFields => ({
    messageId: transmission.messageId,
    ...(options.addresses ? { recipient: transmission.recipient } : {}),
    ...more,
  });

  const nextDue = (failures: number): number => clock.now() + backoff(failures, options.retry, random);

  /**
   * The upstream has answered, so the answer must be recorded however long the disk is away: until then
   * the claim stands, no repeat passes, and a crash leaves the id doubtful.
   */
  const recorded = async <T>(record: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    for (;;) {
      try {
        return await record();
      } catch (error) {
        log.error("ledger.unavailable", { error: String(error) });
        if (signal.aborted) throw error;
        await new Promise<void>((resolve) => {
          clock.after(STORAGE_RETRY_MS, resolve);
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
    }
  };

  const settle = (claim: Claim, settlement: Settlement, signal: AbortSignal) =>
    recorded(() => ledger.settle(claim, settlement), signal);

  /**
   * Notes in the spool what the ledger or a later attempt would tell again. That it can't be noted must
   * not undo a decision that was taken: a held transmission would be attempted.
   */
  const note = async (queued: QueuedTransmission, transmission: SpooledTransmission): Promise<void> => {
    try {
      await spool.update(queued.key, transmission);
    } catch (error) {
      log.error("spool.unavailable", { error: String(error) });
    }
  };

  /** Reports the failure to the reverse-path and takes the transmission out of the spool (P5). */
  const fail = async (queued: QueuedTransmission, mail: SpooledMail, failure: Failure): Promise<void> => {
    const notice = await notices.compose(mail, failure);
    try {
      await spool.replace(queued.key, notice?.submission);
    } catch (error) {
      if (notice !== undefined) await notices.release(notice);
      throw error;
    }
    if (notice !== undefined) notices.accepted(notice);
    await ledger.release([queued.claim]);
  };

  const resolveDoubt: Attempts["resolveDoubt"] = async (queued, transmission, cause) => {
    const attempts = transmission.attempts + 1;
    // Out before anything else: a second copy is never silent (P6).
    log.warn("transmission.doubtful", factsOf(transmission, { cause, policy: options.doubtful, attempts }));
    if (options.doubtful === "drop") {
      await ledger.settle(queued.claim, "relayed");
      await spool.remove(queued.key);
      return { kind: "done" };
    }
    if (options.doubtful === "hold") {
      await note(queued, { ...transmission, attempts, held: true });
      return { kind: "done" };
    }
    const dueAt = nextDue(attempts);
    await note(queued, { ...transmission, attempts, dueAt });
    return { kind: "again", dueAt };
  };

  const conclude = async (
    queued: QueuedTransmission,
    mail: SpooledMail,
    outcome: Outcome,
    signal: AbortSignal,
  ): Promise<AttemptResult> => {
    const { transmission } = mail;
    if (outcome.kind === "accepted") {
      await settle(queued.claim, "relayed", signal);
      log.info(
        "transmission.relayed",
        factsOf(transmission, {
          task: mail.submission.task,
          submission: queued.key.submission,
          upstreamId: outcome.upstreamId,
          attempts: transmission.attempts + 1,
          ms: clock.now() - transmission.acceptedAt,
        }),
      );
      await spool.remove(queued.key);
      return { kind: "done" };
    }
    if (outcome.kind === "doubtful") {
      await settle(queued.claim, "doubtful", signal);
      return await resolveDoubt(queued, transmission, outcome.cause);
    }
    await settle(queued.claim, "refused", signal);
    if (outcome.scope === "upstream") {
      const { reply: reason, retryAfterMs } = outcome;
      return { kind: "pause", reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    }
    const attempts = transmission.attempts + 1;
    const facts = factsOf(transmission, {
      task: mail.submission.task,
      submission: queued.key.submission,
      permanence: outcome.permanence,
      reply: outcome.reply,
      attempts,
    });
    if (outcome.permanence === "permanent") {
      log.warn("transmission.refused", facts);
      await fail(queued, mail, { reason: "refused", reply: outcome.reply });
      return { kind: "done" };
    }
    const dueAt = Math.max(nextDue(attempts), clock.now() + (outcome.retryAfterMs ?? 0));
    log.info("transmission.refused", { ...facts, retryMs: dueAt - clock.now() });
    await note(queued, { ...transmission, attempts, dueAt });
    return { kind: "again", dueAt };
  };

  const attempt = async (queued: QueuedTransmission, signal: AbortSignal): Promise<AttemptResult> => {
    const mail = await spool.read(queued.key);
    if (mail === undefined) {
      // It left the spool in an earlier turn that failed after that; what remains is its claim.
      await ledger.release([queued.claim]);
      return { kind: "untried" };
    }
    const { transmission } = mail;
    if (clock.now() - transmission.acceptedAt > options.lifetimeMs) {
      log.warn("transmission.expired", factsOf(transmission, { attempts: transmission.attempts }));
      await fail(queued, mail, { reason: "expired", reply: "not relayed within the lifetime of the spool" });
      return { kind: "untried" };
    }
    if (
      (await ledger.attempt(queued.claim, transmission.firstDate ?? mail.submission.header.date)) === "stale"
    ) {
      log.error("transmission.stale", factsOf(transmission, { fence: queued.claim.fence }));
      await spool.remove(queued.key);
      return { kind: "untried" };
    }
    const outcome = await upstream.transmit(transmissionOf(mail), signal);
    return await conclude(queued, mail, outcome, signal);
  };

  return {
    async attempt(queued, signal) {
      try {
        return await attempt(queued, signal);
      } catch (error) {
        // The disk failed on the way. Whatever was not recorded is found again: an attempt without a
        // settlement is doubtful after a restart, and everything else is still in the spool.
        log.error("dispatch.failed", { error: error instanceof Error ? error.stack : String(error) });
        return { kind: "pause", reason: String(error), retryAfterMs: STORAGE_RETRY_MS };
      }
    },
    resolveDoubt,
  };
}

/** What every attempt of this transmission hands over: the same octets each time (P10). */
function transmissionOf({ submission, header, transmission, bodyOctets }: SpooledMail): Transmission {
  const { id, messageId, recipient, firstDate } = transmission;
  const rendered = render(header, { messageId, ...(firstDate === undefined ? {} : { firstDate }) });
  return {
    id,
    messageId,
    reversePath: submission.reversePath,
    recipient,
    size: rendered.length + submission.bodySize,
    eightBit: submission.eightBit,
    async *content() {
      yield rendered;
      if (submission.bodySize > 0) yield* bodyOctets();
    },
  };
}
