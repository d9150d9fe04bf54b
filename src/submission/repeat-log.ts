// The log lines about mails whose id is known already, and their count in the history. A body that differs may be another mail, so a mail
// with a task gets a warning with the times of both (P14).
import type { HistoryNotes } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import type { ClaimResult } from "../ledger/ledger.ts";
import { sameBody } from "../message/digest.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log, LogFields } from "../runtime/log.ts";
import type { Keying } from "./keying.ts";

/** One recipient with the ledger's answer about its id. */
interface Known {
  readonly id: Id;
  readonly recipient: string;
  readonly messageId: string;
  readonly result: ClaimResult;
}

export interface RepeatLog {
  /** Repeats that are dropped. */
  repeats(
    known: readonly Known[],
    digest: Uint8Array,
    facts: LogFields,
    keying: Pick<Keying, "canConflict">,
  ): void;
  /** Those of a submission that were attempted without an answer, with another body: the recipient may get both. */
  doubtful(known: readonly Known[], digest: Uint8Array, facts: LogFields): void;
}

export interface RepeatLogParts {
  readonly clock: Pick<Clock, "now">;
  readonly log: Pick<Log, "info" | "warn">;
  readonly history: Pick<HistoryNotes, "repeated">;
}

/** @param addresses recipients may be named */
export function createRepeatLog({ clock, log, history }: RepeatLogParts, addresses: boolean): RepeatLog {
  const named = (recipient: string): string | undefined => (addresses ? recipient : undefined);

  return {
    repeats(known, digest, { submission, task }, { canConflict }) {
      for (const { id, recipient, messageId, result } of known) {
        if (result.kind !== "repeat") continue;
        history.repeated(id);
        const unkeyed = task === undefined ? true : undefined;
        const { standing } = result;
        const fields = { submission, task, unkeyed, messageId, recipient: named(recipient), standing };
        if (sameBody(result.digest, digest) || !canConflict) log.info("transmission.repeat", fields);
        else {
          const firstAt = result.at === undefined ? undefined : new Date(result.at).toISOString();
          const thisAt = new Date(clock.now()).toISOString();
          log.warn("transmission.repeat", { ...fields, bodyDiffers: true, firstAt, thisAt });
        }
      }
    },

    doubtful(known, digest, facts) {
      for (const { recipient, messageId, result } of known) {
        if (result.kind !== "doubtful" || sameBody(result.digest, digest)) continue;
        log.warn("transmission.body_differs", { ...facts, messageId, recipient: named(recipient) });
      }
    },
  };
}
