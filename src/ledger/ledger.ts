// The boundary to the record of ids. The contract is the table of protocol.ts, which says what each call makes of an id
// in each state, and these rules, which a table can't say. test/conformance/ledger.ts holds every implementation to
// both, and a broken ledger for each rule proves that the suite sees it.
//
//     absent --claim--> claimed --attempt--> attempted --settle--> relayed
//                         ^  |                  |  `-- refused --> claimed
//                         |  `--release--> absent `-- doubtful --> doubtful (the claim goes on)
//
// - exclusive: of any number of concurrent claims of one id one succeeds. No other succeeds before it ends, and then
//   under a greater fence.
// - stale: the table is about the live claim. A call under any other fence changes nothing and says "stale".
// - durable: what a call makes of an id is durable when the call resolves. After a crash the id goes on from there, as
//   the column crash says, with the date of its first attempt and the digest of its claim.
// - retention: a relayed id stays one for at least the retention, whatever generations come and go.
// - since: an id that was relayed before `since` counts as absent to that claim.
// - again: a forgotten id is absent to a claim of a new mail, and relayed to a claim `again`, of a mail that a spool had
//   before. A claim that gets it says `since`: with that the later claims of its mail get it too. It is forgotten again
//   when the claim that got it is released, and relayed for everybody once it is relayed anew.
// - evidence: it settles what is in doubt, whoever holds that, and nothing else. It counts for the mail that is in doubt
//   only: not where an earlier mail of the id was relayed at its time or later, and not once it is older than the retention.
// - doubts: an id is in doubt in the states doubtful, reattempted, remembered and reclaimed. `doubts` names all of them,
//   with their first date and digest.
// - look: it says the state of one id, and changes nothing.
// - awaited: what was accepted as awaited is `awaited` instead of `underway`, however its attempts go.
// - no deadlock: batches that overlap in any order never wait for each other for ever.
// - filter: it never decides. Cold, stale or answering "maybe" to everything, it changes no result.
// - storage error: when the store fails, the call rejects with a StorageError, claims nothing, and the next call may
//   succeed.
import type { Id } from "../identity/message-id.ts";

/** Octets of a mail digest: 8 of the From and Subject, then 8 of the body. */
export const DIGEST_OCTETS = 16;

export interface ClaimRequest {
  readonly id: Id;
  /** DIGEST_OCTETS octets that tell another mail of the same id (a conflict) from a repeat. */
  readonly digest: Uint8Array;
  /** Milliseconds since the epoch; the rule `since`. Left out: every relayed id counts. */
  readonly since?: number | undefined;
  /** A spool had the mail before this claim: the rule `again`. */
  readonly again?: boolean;
}

/** The exclusive right to relay one id. The fence is greater than that of every earlier claim of the id. */
export interface Claim {
  readonly id: Id;
  readonly fence: number;
}

/** Of a transmission that is queued while another one has its id: it is never live. */
export const noClaim = (id: Id): Claim => ({ id, fence: -1 });

export type ClaimResult =
  | ({ readonly kind: "claimed"; readonly claim: Claim } & Passed)
  /** Attempted or doubtful in the past and held by no live claim: claimed, and policy must decide. */
  | ({
      readonly kind: "doubtful";
      readonly claim: Claim;
      readonly firstDate: string;
      readonly digest: Uint8Array;
      /** When it was last attempted or found doubtful, milliseconds since the epoch. */
      readonly changedAt: number;
    } & Passed)
  | {
      readonly kind: "repeat";
      readonly standing: Standing;
      readonly digest: Uint8Array;
      /** When it was relayed, milliseconds since the epoch; left out while it is under way. */
      readonly at?: number;
    };

/** Of a claim that gets an id although it was relayed, since an operator has forgotten that. */
export interface Passed {
  /** `since` of all later claims of this mail, so the spool keeps it. */
  readonly since?: number;
}

/**
 * What is known of the mail that is repeated.
 *
 * - relayed: the upstream has it.
 * - underway: a gateway is bound to relay it or to report its failure, so a client may get 250.
 * - awaited: it is under way, and a client waits for its verdict: when the upstream refuses
 *   it, only that client gets to know. No other client may get 250.
 */
export type Standing = "relayed" | "underway" | "awaited";

/**
 * How an attempt ended. "relayed" also ends a doubtful id whose policy is to drop it, and "cleared" is for
 * one of which evidence says that no attempt arrived.
 */
export type Settlement = "relayed" | "refused" | "doubtful" | "cleared";

/** What an operator knows of a doubtful id: the upstream has the message, or certainly not. */
export type Decision = "relayed" | "not-relayed";

/**
 * The result of a decision.
 *
 * - relayed, queued, absent: the state of the id now. queued: a claim of this gateway holds it, so its transmission
 *   is in the spool.
 * - nothing: the id is not in doubt.
 * - busy: it is being attempted or submitted again; a decision is possible when that has ended.
 * - elsewhere: another live gateway holds it, and decides.
 */
export type Decided = "relayed" | "queued" | "absent" | "nothing" | "busy" | "elsewhere";

/**
 * What evidence that an upstream took the mail has made of its id.
 *
 * - relayed: it was in doubt, and is settled now, durably.
 * - nothing: it is not in doubt, or the evidence is of an earlier mail.
 * - busy: a claim attempts it for the first time, or submits it again. Ask again when that has ended.
 */
export type Proved = "relayed" | "nothing" | "busy";

/**
 * What became of an operator's wish that a relayed id be forgotten, so that its task may send again.
 *
 * - forgotten: it is, perhaps since earlier.
 * - nothing: it is not relayed.
 * - busy: it is on its way in this gateway.
 * - undecided: it is in doubt, which is to be decided first.
 * - elsewhere: another live gateway holds it.
 */
export type Forgotten = "forgotten" | "nothing" | "busy" | "undecided" | "elsewhere";

/** What the ledger knows of one id: its state in the table, and what belongs to it. Times are milliseconds since the epoch. */
export type Looked =
  | {
      readonly state: "absent";
      /** A gateway that is not alive had accepted it, or was about to: its spool may have the mail. */
      readonly left?: { readonly changedAt: number; readonly gateway?: string };
    }
  | {
      readonly state: "relayed";
      readonly at: number;
      readonly digest: Uint8Array;
      /** Under whose claim it was relayed or settled, where several gateways share the ledger. */
      readonly fence?: number;
    }
  | {
      readonly state: "forgotten";
      /** When it was relayed; and when that was forgotten, or a claim since then was given up. */
      readonly at: number;
      readonly forgottenAt: number;
      readonly digest: Uint8Array;
    }
  | ({ readonly state: "claimed" | "queued" } & LookedHolder)
  | ({
      readonly state: "attempted" | "doubtful" | "reattempted" | "reclaimed" | "remembered";
      readonly firstDate: string;
      /** When it was last attempted or found doubtful. */
      readonly changedAt: number;
      readonly digest: Uint8Array;
      /** This gateway holds it, and the record has it as relayed: settling it so ends the claim, and changes nothing else. */
      readonly isSettled?: true;
    } & LookedHolder);

/** Whose claim it is. Of a ledger that several gateways share, `gateway` is the other one's name, where it is known. */
export interface LookedHolder {
  readonly holder: "here" | "elsewhere" | "nobody";
  readonly gateway?: string;
}

/** An id that was attempted without an answer. */
export interface Doubt {
  readonly id: Id;
  readonly firstDate: string;
  /** That of its claim. */
  readonly digest: Uint8Array;
  /** When it was last attempted or found doubtful, milliseconds since the epoch. */
  readonly changedAt: number;
  /** A live claim: its transmission is in the spool. */
  readonly claimed: boolean;
}

export interface LedgerCounts {
  /** Live claims. */
  readonly claims: number;
  /** Ids attempted or doubtful. */
  readonly open: number;
  /** Ids in doubt; of a ledger that several gateways share, those that this one holds. Looks at each of them. */
  readonly doubtful: number;
}

export interface Ledger {
  /**
   * Claims each id of the batch; results are in the order of the requests. No id is there twice.
   * Rejects as a whole, with nothing claimed.
   */
  claim(requests: readonly ClaimRequest[]): Promise<ClaimResult[]>;
  /**
   * The claims' transmissions are durable in the spool: a claim that waits for one of them is a repeat now.
   *
   * @param awaited their clients wait for the verdict, and so the spool has them marked; left out: the gateway
   *   is bound to relay or report them
   */
  accepted(claims: readonly Claim[], awaited?: boolean): void;
  /**
   * Notes durably, before the upstream is called, that it is about to be.
   *
   * @param firstDate the text of the Date field that every attempt of this id carries; that of an earlier
   *   attempt stays
   */
  attempt(claim: Claim, firstDate: string): Promise<"attempted" | "stale">;
  /** Records how the attempt ended. Relayed ends the claim; the others keep it. */
  settle(claim: Claim, settlement: Settlement): Promise<"settled" | "stale">;
  /** Gives claims up when it is certain that nothing was sent under them, or leaves doubt to a later claim. */
  release(claims: readonly Claim[]): Promise<void>;
  /** An operator decides, with or without a live claim. Rejects with a StorageError: decide again. */
  decide(id: Id, decision: Decision): Promise<Decided>;
  /**
   * An upstream's own word that it took the mail of the id. Rejects with a StorageError: ask again.
   *
   * @param at when it took it, milliseconds since the epoch, where that is known
   */
  prove(id: Id, at?: number): Promise<Proved>;
  /** An operator lets the task of a relayed id send again. Durable; rejects with a StorageError: forget it again. */
  forget(id: Id): Promise<Forgotten>;
  /** One read at most. */
  look(id: Id): Promise<Looked>;
  /** Every doubtful id; of a ledger that several gateways share, those of all of them. */
  doubts(): Promise<Doubt[]>;
  counts(): LedgerCounts;
  /** Waits for what is under way and saves what makes the next start fast. */
  close(): Promise<void>;
}
