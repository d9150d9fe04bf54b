// The life of one id, whole: every state, every event, no cell left out, or this does not compile. The
// ledgers take their transitions from here, the conformance suite puts every cell to every ledger,
// and docs/protocol.md shows the same table, which a test sees to.

import type { Decided, Decision, Forgotten, Proved } from "./ledger.ts";

/**
 * - absent: nothing is known of the id.
 * - claimed: a submission holds the claim and is on its way into the spool.
 * - queued: the claim is accepted: its transmission is durable in the spool, and no attempt is open.
 * - attempted: the attempt is durable, the upstream may be hearing of it.
 * - doubtful: an attempt ended without an answer; the transmission is still in the spool.
 * - reattempted: attempted again after that.
 * - remembered: doubtful, and no claim is live.
 * - reclaimed: a new claim of a remembered id, on its way into the spool or decided by policy.
 * - relayed: the upstream has taken responsibility, or policy or an operator says so.
 * - forgotten: it was relayed, and an operator lets its task send again.
 */
export type IdState =
  | "absent"
  | "claimed"
  | "queued"
  | "attempted"
  | "doubtful"
  | "reattempted"
  | "remembered"
  | "reclaimed"
  | "relayed"
  | "forgotten";

/**
 * The ledger's calls, under the live claim where they need one, and what happens to it: an operator decides, with or
 * without a live claim; evidence is an upstream's own word, later, that it took the mail; a crash ends the process with all
 * its claims; expire is the end of the retention.
 */
export type IdEvent =
  | "claim"
  | "accepted"
  | "attempt"
  | "relayed"
  | "refused"
  | "doubtful"
  | "cleared"
  | "decidedRelayed"
  | "decidedNotRelayed"
  | "evidence"
  | "forget"
  | "release"
  | "crash"
  | "expire";

/**
 * The next state, or what is said while the state stays: "waits" for the pending claim to be accepted or
 * released, "repeat", or "stale" since no claim is live. "never": nobody does that, since only what is in
 * the spool is attempted. To an operator or evidence: "nothing", as the id is not in doubt, or not relayed; "busy", as it is on its
 * way, or being attempted or submitted again; "undecided", as it is in doubt, which is decided first.
 */
export type Transition =
  | IdState
  | ("waits" | "repeat" | "stale" | "never" | "nothing" | "busy" | "undecided");

export const PROTOCOL: Record<IdState, Record<IdEvent, Transition>> = {
  absent: {
    claim: "claimed",
    accepted: "stale",
    attempt: "stale",
    relayed: "stale",
    refused: "stale",
    doubtful: "stale",
    cleared: "stale",
    decidedRelayed: "nothing",
    decidedNotRelayed: "nothing",
    evidence: "nothing",
    forget: "nothing",
    release: "stale",
    crash: "absent",
    expire: "absent",
  },
  claimed: {
    claim: "waits",
    accepted: "queued",
    attempt: "never",
    relayed: "relayed",
    refused: "claimed",
    doubtful: "reclaimed",
    cleared: "claimed",
    decidedRelayed: "nothing",
    decidedNotRelayed: "nothing",
    evidence: "nothing",
    forget: "busy",
    release: "absent",
    crash: "absent",
    expire: "claimed",
  },
  queued: {
    claim: "repeat",
    accepted: "queued",
    attempt: "attempted",
    relayed: "relayed",
    refused: "queued",
    doubtful: "doubtful",
    cleared: "queued",
    decidedRelayed: "nothing",
    decidedNotRelayed: "nothing",
    evidence: "nothing",
    forget: "busy",
    release: "absent",
    crash: "absent",
    expire: "queued",
  },
  attempted: {
    claim: "repeat",
    accepted: "attempted",
    attempt: "attempted",
    relayed: "relayed",
    refused: "queued",
    doubtful: "doubtful",
    cleared: "queued",
    decidedRelayed: "busy",
    decidedNotRelayed: "busy",
    evidence: "busy",
    forget: "busy",
    release: "remembered",
    crash: "remembered",
    expire: "attempted",
  },
  doubtful: {
    claim: "repeat",
    accepted: "doubtful",
    attempt: "reattempted",
    relayed: "relayed",
    refused: "doubtful",
    doubtful: "doubtful",
    cleared: "queued",
    decidedRelayed: "relayed",
    decidedNotRelayed: "queued",
    evidence: "relayed",
    forget: "undecided",
    release: "remembered",
    crash: "remembered",
    expire: "doubtful",
  },
  reattempted: {
    claim: "repeat",
    accepted: "reattempted",
    attempt: "reattempted",
    relayed: "relayed",
    refused: "doubtful",
    doubtful: "doubtful",
    cleared: "queued",
    decidedRelayed: "relayed",
    decidedNotRelayed: "busy",
    evidence: "relayed",
    forget: "undecided",
    release: "remembered",
    crash: "remembered",
    expire: "reattempted",
  },
  remembered: {
    claim: "reclaimed",
    accepted: "stale",
    attempt: "stale",
    relayed: "stale",
    refused: "stale",
    doubtful: "stale",
    cleared: "stale",
    decidedRelayed: "relayed",
    decidedNotRelayed: "absent",
    evidence: "relayed",
    forget: "undecided",
    release: "stale",
    crash: "remembered",
    expire: "absent",
  },
  reclaimed: {
    claim: "waits",
    accepted: "doubtful",
    attempt: "never",
    relayed: "relayed",
    refused: "reclaimed",
    doubtful: "reclaimed",
    cleared: "claimed",
    decidedRelayed: "busy",
    decidedNotRelayed: "busy",
    evidence: "busy",
    forget: "undecided",
    release: "remembered",
    crash: "remembered",
    expire: "reclaimed",
  },
  relayed: {
    claim: "repeat",
    accepted: "stale",
    attempt: "stale",
    relayed: "stale",
    refused: "stale",
    doubtful: "stale",
    cleared: "stale",
    decidedRelayed: "nothing",
    decidedNotRelayed: "nothing",
    evidence: "nothing",
    forget: "forgotten",
    release: "stale",
    crash: "relayed",
    expire: "absent",
  },
  forgotten: {
    claim: "claimed",
    accepted: "stale",
    attempt: "stale",
    relayed: "stale",
    refused: "stale",
    doubtful: "stale",
    cleared: "stale",
    decidedRelayed: "nothing",
    decidedNotRelayed: "nothing",
    evidence: "nothing",
    forget: "forgotten",
    release: "stale",
    crash: "forgotten",
    expire: "absent",
  },
};

/** The event that a decision is. */
export const DECISION_EVENTS: Record<Decision, IdEvent> = {
  relayed: "decidedRelayed",
  "not-relayed": "decidedNotRelayed",
};

/** What the table has of a decision, as its answer. */
export function decidedBy(transition: Transition): Decided {
  switch (transition) {
    case "relayed":
    case "queued":
    case "absent":
    case "nothing":
    case "busy":
      return transition;
    default:
      throw new Error(`no decision leads to ${transition}`);
  }
}

/** What the table has of evidence, as its answer. */
export function provedBy(transition: Transition | Decided): Proved {
  switch (transition) {
    case "relayed":
    case "nothing":
    case "busy":
      return transition;
    default:
      throw new Error(`evidence does not lead to ${transition}`);
  }
}

/** What the table has of an operator's forgetting, as its answer. */
export function forgottenBy(transition: Transition): Forgotten {
  switch (transition) {
    case "forgotten":
    case "nothing":
    case "busy":
    case "undecided":
      return transition;
    default:
      throw new Error(`to forget does not lead to ${transition}`);
  }
}
