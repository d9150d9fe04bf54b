// Mode "observe": what "enforce" would not relay now is relayed all the same, under an id of chance, and said and counted. So
// the claims of first copies stay as they are, and nothing is dropped or refused for its identity.
import type { HistoryNotes, Observed as Noted } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import type { ClaimResult } from "../ledger/ledger.ts";
import { sameBody } from "../message/digest.ts";
import type { ObservedVerdict } from "../metrics/counters.ts";
import type { Log, LogFields } from "../runtime/log.ts";
import { type Doubted, type DoubtfulOptions, resubmitted } from "./doubtful.ts";
import type { Reply } from "./reply.ts";

/** One recipient for whom "enforce" would decide so. */
export interface Observed {
  readonly verdict: Exclude<ObservedVerdict, "refused">;
  readonly recipient: string;
  /** The id that its task has, and so the first mail. */
  readonly id: Id;
  readonly result: ClaimResult;
}

/** What "enforce" would decide; undefined: it would relay the mail now, under its own id. */
export function observedVerdict(
  result: ClaimResult,
  isConflict: boolean,
  options: DoubtfulOptions,
  now: number,
): Observed["verdict"] | undefined {
  if (isConflict) return "conflict";
  if (result.kind === "repeat") return result.standing === "relayed" ? "repeat_relayed" : "repeat_underway";
  return result.kind === "doubtful" && !isSentAgain(options, result, now) ? "doubtful" : undefined;
}

/** Not where it would wait: for evidence, or for an operator. */
const isSentAgain = (options: DoubtfulOptions, doubted: Doubted, now: number): boolean =>
  resubmitted(options, doubted, now, true) === "enter";

const WOULD: Readonly<Record<Observed["verdict"], Noted["would"]>> = {
  repeat_relayed: "repeat",
  repeat_underway: "repeat",
  conflict: "conflict",
  doubtful: "doubtful",
};

/** The mail that was relayed in place of the decision. */
export interface Copy {
  readonly id: Id;
  /** With angle brackets. */
  readonly messageId: string;
}

export interface ObservedLog {
  /** @param digest of the mail that has come now */
  observed(one: Observed, copy: Copy, digest: Uint8Array, facts: LogFields): void;
  /** Enforced, the submission would get this reply for what names its task, or does not. */
  refused(copies: readonly Copy[], reply: Reply, facts: LogFields): void;
}

export interface ObservedLogParts {
  readonly log: Pick<Log, "info" | "warn">;
  readonly history: Pick<HistoryNotes, "observed">;
}

/** @param addresses recipients may be named */
export function createObservedLog({ log, history }: ObservedLogParts, addresses: boolean): ObservedLog {
  const timeOf = (at: number | undefined): string | undefined =>
    at === undefined ? undefined : new Date(at).toISOString();

  return {
    observed({ verdict, recipient, id: first, result }, { id, messageId }, digest, { submission, task }) {
      const would = WOULD[verdict];
      const isRepeat = result.kind === "repeat";
      const bodyDiffers = result.kind !== "claimed" && !sameBody(result.digest, digest) ? true : undefined;
      const facts = {
        ...{ submission, task, unkeyed: task === undefined ? true : undefined },
        ...{ messageId, recipient: addresses ? recipient : undefined, id, first },
        standing: isRepeat ? result.standing : "doubtful",
        ...{ firstAt: timeOf(isRepeat ? result.at : undefined), bodyDiffers },
      };
      if (would === "conflict") log.warn("observe.conflict", facts);
      else if (would === "doubtful") log.warn("observe.doubtful", facts);
      else if (bodyDiffers === true) log.warn("observe.repeat", facts);
      else log.info("observe.repeat", facts);
      history.observed({ would, first, copy: id });
    },

    refused(copies, { text: reply }, facts) {
      log.warn("observe.refused", { ...facts, reply });
      for (const { id } of copies) history.observed({ would: "refused", copy: id });
    },
  };
}
