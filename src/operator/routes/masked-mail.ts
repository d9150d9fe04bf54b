// What a visitor learns about a mail: what became of it, and nothing of the mailer's, of people, of replies, or of the places
// of upstreams.
import type { HistoryEvent, Told } from "../../history/history.ts";
import type { ExplainFacts } from "../explain/words.ts";
import type { QueueEntry, QueueMail } from "../queue/words.ts";
import { maskedAddress } from "./masked.ts";

export const maskedFacts = ({ looked, mail, events }: ExplainFacts): ExplainFacts => ({
  // A fault may name where the ledger is.
  looked: looked.state === "unknown" ? { ...looked, fault: "the log says why" } : looked,
  mail: mail && maskedMail(mail),
  events: events.map(maskedEvent),
});

/** Of a list: no task, no reply, no name of who submitted it, and nothing of the mailer's. */
export function maskedEntry(entry: QueueEntry): Omit<QueueEntry, "messageId" | "submission"> {
  const { id, state, hold, doubtful, acceptedAt, dueAt, attempts, upstream, size } = entry;
  const { listensUntil, policy } = entry;
  return {
    ...{ id, state },
    ...(hold === undefined ? {} : { hold }),
    ...(listensUntil === undefined || policy === undefined ? {} : { listensUntil, policy }),
    ...(doubtful === undefined ? {} : { doubtful }),
    ...{ recipient: maskedAddress(entry.recipient), acceptedAt },
    ...(dueAt === undefined ? {} : { dueAt }),
    ...{ attempts, upstream, size },
  };
}

/** Member by member: what is new is not shown before somebody has thought of it. */
function maskedMail(mail: QueueMail): QueueMail {
  const { id, state, hold, doubtful, acceptedAt, dueAt, attempts, upstream, size, ended } = mail;
  const { lastAttemptAt, listensUntil, policy } = mail;
  return {
    ...{ id, state, acceptedAt, attempts, upstream, size },
    ...{ messageId: "", submission: "" },
    recipient: maskedAddress(mail.recipient),
    ...(hold === undefined ? {} : { hold }),
    ...(listensUntil === undefined || policy === undefined ? {} : { listensUntil, policy }),
    ...(doubtful === undefined ? {} : { doubtful }),
    ...(dueAt === undefined ? {} : { dueAt }),
    ...(lastAttemptAt === undefined ? {} : { lastAttemptAt }),
    ...(ended === undefined ? {} : { ended: { reason: ended.reason, at: ended.at, reply: "" } }),
  };
}

function maskedEvent(event: HistoryEvent): HistoryEvent {
  const { at } = event;
  switch (event.kind) {
    case "accepted": {
      const { kind, recipient } = event;
      const shown = recipient === undefined ? {} : { recipient: maskedAddress(recipient) };
      return { kind, at, submission: "", client: "", ...shown };
    }
    case "attempt":
      return { kind: event.kind, at, upstream: "the upstream", outcome: event.outcome };
    case "repeats":
      return { kind: event.kind, at, count: event.count };
    case "ended":
      return { kind: event.kind, at, reason: event.reason, cause: "" };
    case "decision":
      return {
        ...{ kind: event.kind, at, decision: event.decision },
        ...(event.next === undefined ? {} : { next: event.next }),
      };
    case "evidence":
      return { kind: event.kind, at, source: event.source };
    case "doubt":
      return { kind: event.kind, at, since: event.since, cause: "" };
    case "observed":
      return { kind: event.kind, at, would: event.would, first: event.first, copy: event.copy };
    case "second_copy":
      return { kind: event.kind, at, cause: "" };
    case "bounced": {
      const bounceType = BOUNCE_TYPES.find((type) => type === event.bounceType);
      return { ...maskedTold(event), kind: event.kind, ...(bounceType === undefined ? {} : { bounceType }) };
    }
    case "sent":
    case "delivered":
    case "delayed":
    case "complained":
    case "rejected":
      return { ...maskedTold(event), kind: event.kind };
  }
}

/** Words of SES; what else is written there may be anything. */
const BOUNCE_TYPES = ["Permanent", "Transient", "Undetermined"] as const;

const maskedTold = ({ at, happenedAt }: Told & { readonly at: number }) => ({
  ...{ at, source: "the upstream", happenedAt },
});
