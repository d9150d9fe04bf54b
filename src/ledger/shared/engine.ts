// What the shared ledger needs of an existing engine: compare-and-set on one record an id, many at a time,
// and the heartbeats of gateways. The contract of ledger.ts is not kept here: shared.ts does that over this, the
// same for every engine. An engine decides nothing but time: what has expired, and who is alive.
//
//     insert   absent ──▶ claimed                    a new id: one call
//     read                                           an id that is there: a repeat, one call
//     take     (fence, state, step) ──▶ claimed, reclaimed  expired, let pass by `since`, remembered, holder dead
//     change   (fence) ──▶ any, or absent            what the holder of a claim writes under its fence
//
// Every call takes a batch: in the order of the keys' octets, no key twice, at most BATCH_MAX. Answers stand
// in the order of the batch. A call of none resolves to none, without I/O.
//
// Every call ends within `callMaxMs`. A call that fails rejects with a StorageError, "unavailable" unless
// something else is known; what each item of its batch became is unknown then, and may still change until
// `callMaxMs` after the call was made. Nothing is harmed by a call that is made again or arrives late:
// insert answers with the record that it made before, take and change are conditional. What resolved is durable, and
// seen by every later call of any gateway (linearisable for each id; nothing is asked of several ids together).

/** Items of one call at most: a statement of some 40 KB, and 10 ms of a small database. */
export const BATCH_MAX = 512;

/**
 * The states of protocol.ts that are kept. "absent" has no record, and "reattempted" is kept as doubtful,
 * since a claim does the same about both.
 */
export type RecordState = HeldState | "remembered" | "relayed";

/** Those that have a holder. Of a dead one they count as absent (claimed, queued) or remembered. */
export type HeldState = "claimed" | "queued" | "attempted" | "doubtful" | "reclaimed";

/** It was attempted, and nobody has recorded an answer. */
export const isInDoubt = (state: RecordState): boolean => IN_DOUBT.has(state);

const IN_DOUBT: ReadonlySet<RecordState> = new Set<RecordState>([
  ...(["attempted", "doubtful", "reclaimed", "remembered"] as const),
]);

export interface LedgerRecord {
  readonly state: RecordState;
  /** Of the latest claim, also when that has ended. Below 2^53. */
  readonly fence: number;
  /** Of the latest change under that fence; see Change. */
  readonly step: number;
  /** DIGEST_OCTETS octets: that of the claim; of a relayed record, that of the mail that was relayed. */
  readonly digest: Uint8Array;
  /** The Date field of the first attempt, ASCII; of attempted, doubtful, reclaimed and remembered ids. */
  readonly firstDate: string | undefined;
  /** When it was relayed; or, of a held or remembered id, an earlier mail's relaying that `since` let pass. */
  readonly relayed: Relaying | undefined;
  /**
   * When it was claimed, attempted, settled, found in doubt or forgotten, milliseconds since the epoch by the engine's
   * time. A take to reclaimed, and changes to reclaimed and remembered, leave it as it is.
   */
  readonly changedAt: number;
  /** Of the held states, undefined of the others. */
  readonly holder: Holder | undefined;
  /**
   * Of a held state: a change under this fence has said that the holder is bound to relay it or to report its
   * failure. False where nothing was said, as by a mailonce that does not know of it.
   */
  readonly bound: boolean;
  /** `relayed` is older than the retention. */
  readonly expired: boolean;
  /** A change has said that `relayed` is forgotten. A later relaying is not. */
  readonly forgotten: boolean;
}

export interface Relaying {
  /** Milliseconds since the epoch by the engine's time. */
  readonly at: number;
  readonly digest: Uint8Array;
}

export interface Holder {
  readonly incarnation: number;
  /**
   * It is its gateway's current one, and its heartbeat is younger than the lease. Never true of an
   * incarnation whose gateway has registered again. An engine without a time of its own says "alive" until
   * it has itself seen the heartbeat unchanged for a lease.
   */
  readonly alive: boolean;
  /** The name of its gateway, unless that has registered again, or is forgotten. */
  readonly gateway?: string | undefined;
}

/** An id to be claimed that is taken to be absent. */
export interface Insertion {
  /** The 20 octets of the id. */
  readonly key: Uint8Array;
  readonly digest: Uint8Array;
}

/**
 * inserted: it was absent, and is `claimed` by the incarnation now. found: what is there, and nothing was
 * changed (expired records too: those are for `take`). vanished: it was there and is no more; ask again.
 */
export type InsertResult =
  | { readonly kind: "inserted"; readonly fence: number }
  | { readonly kind: "found"; readonly record: LedgerRecord }
  | { readonly kind: "vanished" };

/** A record that was read and is to be held by the incarnation from now on. */
export interface Taking {
  readonly key: Uint8Array;
  /** The record must still have these. The step tells that its holder has changed it since, also to the same state. */
  readonly from: Pick<LedgerRecord, "fence" | "state" | "step">;
  readonly to: "claimed" | "reclaimed";
  readonly digest: Uint8Array;
  readonly firstDate: string | undefined;
  /** What `relayed` is from now on. */
  readonly relayed: Relaying | undefined;
}

/** What the holder writes under its fence; the fence stays. */
export interface Change {
  readonly key: Uint8Array;
  /** The record must have it, whatever its state is. */
  readonly fence: number;
  /**
   * Numbers the changes under one fence, from 1 upwards; kept in the record, where insert and take put 0. The
   * record's must not be greater: a call that was given up may arrive after those that were made later, and
   * changes nothing then.
   */
  readonly step: number;
  /**
   * - a held state: `relayed` stays as it is.
   * - remembered: no holder from now on; `relayed` stays.
   * - relayed: no holder; relayed now by the engine's time, and at least a millisecond after the `relayed`
   *   before it, which it replaces.
   * - restored: no holder; relayed, at the time and with the digest of `relayed`, which is there.
   * - forgotten: so too, and `relayed` is forgotten from now on. Only of what has `relayed`.
   * - absent: the record is gone.
   */
  readonly to: RecordState | "restored" | "forgotten" | "absent";
  /** Of no meaning for restored, forgotten and absent. */
  readonly digest: Uint8Array;
  /** Undefined removes it. */
  readonly firstDate: string | undefined;
  /** See LedgerRecord. Of no meaning for what has no holder. */
  readonly bound: boolean;
}

/** Greater than the step of any change of a holder: nothing comes after it. Fits into 31 bits. */
export const LAST_STEP = 2 ** 31 - 1;

/**
 * Of the settlement of what another gateway holds in doubt: that one's own changes come too late then, and what ends a
 * claim or forgets an id does not.
 */
export const EVIDENCE_STEP = LAST_STEP - 1;

/** A record that is in doubt. */
export interface OpenRecord {
  readonly key: Uint8Array;
  readonly record: LedgerRecord;
}

export interface Beat {
  /** False: the gateway has registered a later incarnation, and this one holds nothing any more. */
  readonly current: boolean;
  /** Gateways whose heartbeat is younger than the lease, this one included. At least 1. */
  readonly gateways: number;
  /**
   * Milliseconds by which the engine's time lies behind one that it gave before; 0: it goes on. Left out by an
   * engine without a time of its own.
   */
  readonly behindMs?: number;
  /** As they are now. */
  readonly settings: StoredSettings | undefined;
  /** The least version that one of these gateways has confirmed in this life; 0 when one never has. */
  readonly confirmed: number;
}

/** Settings that all gateways of the ledger share (settings.ts), in one record. */
export interface StoredSettings {
  /** Counts the changes, from 1. Below 2^53. */
  readonly version: number;
  /** At most some kilobytes. */
  readonly text: string;
}

/** A record in doubt that has expired. */
export interface ExpiredDoubt {
  readonly key: Uint8Array;
  readonly firstDate: string;
}

export interface Swept {
  /** Records removed. */
  readonly removed: number;
  /** Those of them that were in doubt. */
  readonly doubts: readonly ExpiredDoubt[];
  /** There may be more: call again. */
  readonly more: boolean;
}

/** What every engine is made with beside its own options. */
export interface EngineLimits {
  /** Milliseconds since its relaying after which an id has expired, and since its last change a doubt. */
  readonly retentionMs: number;
  /** Milliseconds without a heartbeat after which a gateway counts as dead. */
  readonly leaseMs: number;
}

export interface Engine {
  /** For logs and measurements: "postgres", "dynamodb". */
  readonly name: string;
  /** Milliseconds that a call takes at most, whatever fails. */
  readonly callMaxMs: number;

  /**
   * The gateway begins a new life: its earlier incarnations are dead from now on, and this is its first
   * heartbeat.
   *
   * @param gateway its random name, at most 64 characters of [A-Za-z0-9_-]
   * @returns the incarnation: a positive number below 2^53, no other gateway's, greater than those before
   */
  register(gateway: string): Promise<number>;
  /** @param confirmed the version of the settings that the gateway goes by */
  beat(gateway: string, incarnation: number, confirmed: number): Promise<Beat>;
  /** The incarnation ends in order: it counts as dead at once. Nothing happens if it is not current. */
  retire(gateway: string, incarnation: number): Promise<void>;

  /** The limits from now on, in place of those that the engine was made with. */
  limit(limits: EngineLimits): void;
  settings(): Promise<StoredSettings | undefined>;
  /**
   * Writes the settings if their version is `from`, 0: if there are none. False: it is another one. Of several such
   * calls one succeeds.
   */
  putSettings(from: number, settings: StoredSettings): Promise<boolean>;

  /** Claims what is absent. Fences are greater than every earlier one of the id while time does not step back. */
  insert(incarnation: number, batch: readonly Insertion[]): Promise<InsertResult[]>;
  read(keys: readonly Uint8Array[]): Promise<(LedgerRecord | undefined)[]>;
  /** The new fence, greater than that before; undefined when the record has changed: read again. */
  take(incarnation: number, batch: readonly Taking[]): Promise<(number | undefined)[]>;
  /** False: the record has another fence, a greater step, or is gone, and nothing was changed. */
  change(batch: readonly Change[]): Promise<boolean[]>;

  /** Every record in doubt, in no order. Not one call, but bounded ones. */
  open(): AsyncIterable<OpenRecord>;
  /**
   * Removes some expired records, in one bounded step: relayed ones, remembered ones, and those of dead
   * holders, that changed before the retention. Never one of a live holder.
   *
   * @param announce called with each one in doubt before it is removed, since the answer to the removal may be lost;
   *   it may stay all the same, when it has changed meanwhile or the removal fails
   */
  sweep(announce: (doubt: ExpiredDoubt) => void): Promise<Swept>;
  /** Waits for what is under way; nothing is called afterwards. Never rejects. */
  close(): Promise<void>;
}
