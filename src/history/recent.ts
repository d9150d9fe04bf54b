// The mails that were accepted last, and what became of each: for a first look. In memory, since the start, so that a look
// reads no disk and a mail costs an entry in a map.
import type { Id } from "../identity/message-id.ts";
import { CLOCKS_APART_MS, type Clock } from "../runtime/clock.ts";
import { isSoftBounce, type MailFate } from "./fate.ts";
import type { Attempted, Decided, Ended, HistoryNotes } from "./history.ts";

/** What happened to a mail last, but for repeats. */
export type Became =
  | { readonly kind: "accepted" }
  | { readonly kind: "attempt"; readonly outcome: Attempted["outcome"] }
  | { readonly kind: "ended"; readonly reason: Ended["reason"] }
  | { readonly kind: "decision"; readonly decision: Decided["decision"]; readonly next: Decided["next"] }
  /** It was in doubt, and its upstream has said later that it took it. */
  | { readonly kind: "evidence" }
  | { readonly kind: "fate"; readonly fate: MailFate["kind"]; readonly isSoft: boolean };

export interface RecentMail {
  readonly id: Id;
  /** When it was accepted, in milliseconds since the epoch. */
  readonly at: number;
  readonly recipient: string;
  readonly became: Became;
  /** Dropped since. */
  readonly repeats: number;
}

export interface Recent extends HistoryNotes {
  /** The newest first. */
  list(): readonly RecentMail[];
}

/** As many as one sees at a glance. */
export const RECENT_MAX = 10;

export function createRecent(clock: Clock): Recent {
  /** The oldest first. */
  const mails = new Map<Id, { -readonly [Name in keyof RecentMail]: RecentMail[Name] }>();

  function became(id: Id, what: Became): void {
    const mail = mails.get(id);
    if (mail !== undefined) mail.became = what;
  }

  return {
    accepted(_, recipients) {
      const at = clock.now();
      for (const { id, recipient } of recipients.slice(-RECENT_MAX)) {
        // Accepted again, it is the newest.
        mails.delete(id);
        mails.set(id, { id, at, recipient, became: { kind: "accepted" }, repeats: 0 });
      }
      for (const id of mails.keys()) {
        if (mails.size <= RECENT_MAX) break;
        mails.delete(id);
      }
    },
    repeated(id) {
      const mail = mails.get(id);
      if (mail !== undefined) mail.repeats += 1;
    },
    attempted: (id, { outcome }) => became(id, { kind: "attempt", outcome }),
    ended: (id, { reason }) => became(id, { kind: "ended", reason }),
    decided: (id, { decision, next }) => became(id, { kind: "decision", decision, next }),
    settled: (id) => became(id, { kind: "evidence" }),
    told(id, told) {
      const mail = mails.get(id);
      // Late, and of an earlier mail of the id.
      if (mail === undefined || (told.happenedAt ?? mail.at) < mail.at - CLOCKS_APART_MS) return;
      const fate = { kind: "fate", fate: told.kind, isSoft: isSoftBounce(told) } as const;
      if (saysMore(fate, mail.became)) mail.became = fate;
    },
    doubted() {},
    copied() {},
    observed() {},
    list: () => [...mails.values()].reverse(),
  };
}

type BecameOf<Kind> = Extract<Became, { readonly kind: Kind }>;

/** Events come in any order. */
function saysMore(fate: BecameOf<"fate">, before: Became): boolean {
  if (fate.fate === "sent") return false;
  switch (before.kind) {
    case "accepted":
    case "ended":
      return false;
    case "attempt":
      return before.outcome === "accepted";
    case "decision":
      return before.next === "relayed";
    case "evidence":
      return true;
    case "fate":
      return rankOf(fate) >= rankOf(before);
  }
}

const rankOf = ({ fate, isSoft }: BecameOf<"fate">): number => RANKS[isSoft ? "soft" : fate];

/** What may follow what. After a delivery a soft bounce is most often an automatic reply. */
const RANKS: Readonly<Record<MailFate["kind"] | "soft", number>> = {
  ...{ sent: 0, delayed: 1, soft: 2, delivered: 3, rejected: 3, bounced: 4, complained: 5 },
};
