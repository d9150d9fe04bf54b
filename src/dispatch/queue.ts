// What waits for its time, and what an attempt of it leaves to be done: the words that dispatcher, lanes, pauses and
// attempts share.
import type { Claim } from "../ledger/ledger.ts";
import type { SpooledTransmission, TransmissionKey } from "../spool/record.ts";

/** A transmission that waits for its time: only what is needed to find it again and to send it its way. */
export interface QueuedTransmission {
  readonly key: TransmissionKey;
  readonly claim: Claim;
  /** Milliseconds since the epoch. */
  readonly dueAt: number;
  /** Octets of its content. */
  readonly size: number;
  /** Which lane it goes by: a position in the dispatcher's list. */
  readonly lane: number;
  /** When it was accepted, or freed by an operator: its lifetime began. Milliseconds since the epoch. */
  readonly acceptedAt: number;
  /** An attempt of it has ended. */
  readonly isAttempted: boolean;
  /** Its lifetime has passed, and it is not to be attempted any more; see expiry.ts. */
  readonly isExpired?: boolean;
  /** When its lifetime ends, by the count of its lane, which sets it; see lifetimes.ts. */
  expiresAt?: number | undefined;
}

/** A transmission that is new in the spool, durably and under an accepted claim. */
export interface Entering {
  readonly key: TransmissionKey;
  readonly claim: Claim;
  readonly transmission: SpooledTransmission;
  /** An earlier attempt of the id ended without an answer. */
  readonly doubtful: boolean;
  /** Where it is doubtful: since when. Left out where an operator wants policy to decide now. */
  readonly doubtSince?: number | undefined;
}

/** The entry in the queue for a transmission of the spool. */
export type ToQueue = (
  key: TransmissionKey,
  claim: Claim,
  transmission: SpooledTransmission,
) => QueuedTransmission;

/** What an attempt leaves to be done, by its lane. */
export type AttemptResult =
  /** The upstream has answered, and the transmission has left the queue: relayed, reported, dropped or held. */
  | { readonly kind: "done" }
  /** The upstream has answered, and the transmission is due again. */
  | { readonly kind: "again"; readonly dueAt: number }
  /**
   * The upstream was not asked, or what it said does not count, so this says nothing about a pause. What is given is
   * to be queued; otherwise the transmission has left the queue.
   */
  | { readonly kind: "untried"; readonly again?: QueuedTransmission | undefined }
  /**
   * Nothing can be relayed in this lane now, this transmission or any other. Unless it has left the queue
   * all the same, it is due as before.
   */
  | {
      readonly kind: "pause";
      readonly reason: string;
      readonly retryAfterMs?: number;
      readonly left: boolean;
      /** The disk takes nothing. Absent: the upstream takes nothing. */
      readonly by?: "storage";
    };
