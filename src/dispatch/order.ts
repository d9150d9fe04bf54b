// What an operator may order about one mail of the queue, what comes of it, and why it may be refused. The same for a
// gateway that runs and for one that doesn't.
import type { HistoryNotes } from "../history/history.ts";
import type { Log, LogFields } from "../runtime/log.ts";
import { freed, holdOf, type SpooledTransmission, unheld } from "../spool/record.ts";
import type { LostMail, SpooledMail } from "../spool/spool.ts";
import { factsOf } from "./facts.ts";

export const ORDER_KINDS = ["retry", "hold", "release", "bounce", "remove"] as const;

/**
 * - retry: it is due now.
 * - hold: it waits for an operator, however long.
 * - release: it is due now, and its lifetime begins anew; policy decides again about what is in doubt.
 * - bounce: it is refused for good, and that is reported.
 * - remove: it leaves the queue, and nothing is reported. Its task may submit it again.
 */
export type OrderKind = (typeof ORDER_KINDS)[number];

export interface Order {
  readonly kind: OrderKind;
  /** With retry: of what is in doubt too, though its reader may get a second copy. */
  readonly resend?: boolean | undefined;
  /** For the log; of a bounce it is in the report too. */
  readonly reason?: string | undefined;
  /** Whose token it was; nobody's on the operator's socket. */
  readonly by?: string | undefined;
}

/** What comes of an order. policy: it is in doubt, and what is done about that is done next. */
export type Next = "due" | "held" | "policy" | "ended" | "removed";

export type Ordered =
  | {
      readonly ok: true;
      readonly next: Next /** It was so before, and nothing was changed. */;
      readonly already?: true;
    }
  | { readonly ok: false; readonly why: OrderRefusal };

export const REFUSALS = {
  absent: "is not in the queue",
  busy: "is being attempted, try again",
  ended: "has ended, and waits for its report",
  held: "is held by an operator: release it first",
  unheld: "is not held",
  doubt: "is held since it is in doubt: decide with mailonce doubtful resolve",
  resend:
    "is in doubt, and its reader may get a second copy: say --resend, or decide with mailonce doubtful resolve",
  undecided: "is in doubt: decide with mailonce doubtful resolve first, or remove it",
  awaited: "has a client that waits for the verdict, and gets it soon: try again",
  elsewhere: "has been taken over by another gateway: order it there",
} as const;

export type OrderRefusal = keyof typeof REFUSALS;

export const refused = (why: OrderRefusal): Ordered => ({ ok: false, why });

/**
 * Whether the order is refused, or done already. Undefined: it is to be carried out.
 *
 * @param isDoubtful the upstream may have it, and the ledger says so
 */
export function answerAtOnce(
  { kind, resend }: Order,
  transmission: SpooledTransmission,
  isDoubtful: boolean,
): Ordered | undefined {
  if (transmission.ended !== undefined) return refused("ended");
  const hold = holdOf(transmission);
  const isOperators = hold === "operator";
  switch (kind) {
    case "retry":
      if (isOperators) return refused("held");
      return isDoubtful && resend !== true ? refused("resend") : undefined;
    case "release":
      if (hold === undefined) return refused("unheld");
      return !isOperators && isDoubtful ? refused("doubt") : undefined;
    case "hold":
      if (transmission.awaited === true) return refused("awaited");
      return isOperators ? { ok: true, next: "held", already: true } : undefined;
    case "bounce":
      if (transmission.awaited === true) return refused("awaited");
      return isDoubtful ? refused("undecided") : undefined;
    case "remove":
      return transmission.awaited === true ? refused("awaited") : undefined;
  }
}

/** The record of what is due, held or released by the order; of the others it is nobody's any more. */
export function recordAfter(
  { kind, resend }: Order,
  transmission: SpooledTransmission,
  isDoubtful: boolean,
  now: number,
): SpooledTransmission {
  if (kind === "hold") {
    // When it is released, policy decides about its doubt.
    const { resend: _, ...undecided } = unheld(transmission);
    return { ...undecided, held: true, hold: "operator" };
  }
  if (kind === "release") return freed(transmission, now);
  // What was held may be older than the lifetime, which is for trying, not for waiting.
  const due = transmission.held === true ? freed(transmission, now) : { ...transmission, dueAt: now };
  return isDoubtful && resend === true ? { ...due, resend: true } : due;
}

/** The line of the log. */
const SAY: Readonly<Record<OrderKind, (log: Log, facts: LogFields) => void>> = {
  retry: (log, facts) => log.warn("operator.retried", facts),
  hold: (log, facts) => log.warn("operator.held", facts),
  release: (log, facts) => log.warn("operator.released", facts),
  bounce: (log, facts) => log.warn("operator.bounced", facts),
  remove: (log, facts) => log.warn("operator.removed", facts),
};

/** What the history calls it. */
const DONE = {
  ...{ retry: "retried", hold: "held", release: "released", bounce: "bounced", remove: "removed" },
} as const satisfies Record<OrderKind, string>;

/** What the report says, and the log. */
export const bounceReply = (reason: string): string => `refused by an operator: ${reason}`;

export interface OrderNoteParts {
  readonly log: Log;
  readonly history: Pick<HistoryNotes, "decided">;
  /** Log the recipient. */
  readonly addresses: boolean;
}

/** Out before the order is carried out: no mail leaves the queue in silence. */
export type NoteOrder = (order: Order, mail: SpooledMail | LostMail, isDoubtful: boolean) => void;

export const createOrderNotes =
  ({ log, history, addresses }: OrderNoteParts): NoteOrder =>
  ({ kind, reason, by }, mail, isDoubtful) => {
    const { transmission } = mail;
    const { id } = transmission;
    const task = mail.kind === "whole" ? mail.submission.task : undefined;
    const doubt = isDoubtful ? { doubtful: true, ...(kind === "retry" ? { note: SECOND_COPY } : {}) } : {};
    SAY[kind](log, factsOf(transmission, addresses, { id, task, reason, by, ...doubt }));
    history.decided(id, { decision: DONE[kind], reason });
  };

export const SECOND_COPY = "may be a second copy";
