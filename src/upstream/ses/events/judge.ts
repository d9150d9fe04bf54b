// What one message of the queue is, and what becomes of it. An event of this ledger's mail goes to the evidence.
import { type Evidence, isToAskAgain, type Taken } from "../../../evidence/evidence.ts";
import type { Clock } from "../../../runtime/clock.ts";
import { given } from "../../../runtime/given.ts";
import type { Log } from "../../../runtime/log.ts";
import { oneLine } from "../../line.ts";
import { readQueueMessage } from "./message.ts";
import { SES_SOURCE } from "./source.ts";

export type Judged = Taken | "other_ledger" | "other_mail" | "no_event";

/** Durable, or of no use to anybody. */
export const isDone = (judged: Judged): boolean => !isToAskAgain(judged) && judged !== "other_ledger";

/** An event of a mail of this ledger. */
export const isOfThisLedger = (judged: Judged): boolean =>
  judged !== "other_ledger" && judged !== "other_mail" && judged !== "no_event";

/** An event of another ledger was in the queue: that ledger's name, and when one was seen last. */
export interface Shared {
  readonly with: string;
  readonly seenAt: number;
}

export interface Judge {
  judge(body: string): Promise<Judged>;
  shared(): Shared | undefined;
}

export interface JudgeParts {
  readonly evidence: Evidence;
  /** What the mails of this ledger carry in the tag `mailonce-ledger`. */
  readonly ledger: string;
  readonly clock: Clock;
  readonly log: Log;
}

export function createJudge(name: string, { evidence, ledger, clock, log }: JudgeParts): Judge {
  let shared: Shared | undefined;

  function noteShared(other: string): void {
    const isNews = shared === undefined;
    shared = { with: oneLine(other), seenAt: clock.now() };
    if (isNews) log.error("events.shared_queue", { queue: name, ledger, other: shared.with });
  }

  return {
    async judge(body) {
      const message = readQueueMessage(body);
      if (message.kind === "none") {
        log.debug("events.no_event", { queue: name, reason: message.why });
        return "no_event";
      }
      const { about, ledger: other, upstreamId, takenAt, at, fate } = message.event;
      if (other !== undefined && other !== ledger) {
        noteShared(other);
        return "other_ledger";
      }
      if (about === undefined) return "other_mail";
      const { id, from } = about;
      try {
        return await evidence.take(id, {
          ...{ from, source: SES_SOURCE, fate },
          ...given({ upstreamId, at: takenAt, happenedAt: at }),
        });
      } catch (error) {
        log.error("events.not_taken", { queue: name, id, error: oneLine(String(error)) });
        return "busy";
      }
    },
    shared: () => shared,
  };
}
