// The boundary that ids cross when they move from one kind of ledger to another: what is known of one id,
// which of two such records counts, and what each kind can be asked for. What is only claimed does not
// travel: it was never attempted, and lies in the spool of a gateway, which claims it again.

/** That an id was relayed: when, in milliseconds since the epoch, and the digest of its mail. */
export interface Relayed {
  readonly time: number;
  readonly digest: Uint8Array;
}

/** What a ledger knows of one id. At least one of `relayed` and `doubt` is there. */
export interface ArchiveRecord {
  /** The 20 octets of the id. */
  readonly key: Uint8Array;
  /** When it was relayed; of an id in doubt, an earlier mail of it that `since` let pass. */
  readonly relayed?: Relayed | undefined;
  /** It was attempted after that, and nobody knows how that ended. */
  readonly doubt?: ArchivedDoubt | undefined;
}

export interface ArchivedDoubt {
  /** The Date field of the first attempt, ASCII. */
  readonly firstDate: string;
  /** When it was last attempted or found in doubt, milliseconds since the epoch. Later than `relayed`. */
  readonly changedAt: number;
  readonly digest: Uint8Array;
}

/**
 * added: the id was absent. strengthened: what was known of it has given way. kept: the ledger knew as much
 * or more. held: a gateway that is alive is about to relay it, so nothing was changed.
 */
export type Merged = "added" | "strengthened" | "kept" | "held";

export interface Archive {
  /** "embedded", "postgres", "dynamodb". */
  readonly kind: string;
  /**
   * Every id that is relayed or in doubt, once. Of a ledger that gateways use meanwhile, ids that are relayed
   * or forgotten meanwhile may be missing.
   */
  records(): AsyncIterable<ArchiveRecord>;
  /**
   * Makes the ledger know of each id at least what the record says, durably; `stronger` decides. No id is there
   * twice in a batch; answers are in its order. May be called again before earlier calls have resolved.
   * Rejects with a StorageError; what the records became is unknown then, and the call may be made again.
   */
  merge(batch: readonly ArchiveRecord[]): Promise<Merged[]>;
  /**
   * What its mails carry at SES (ledger-name.ts), where it has that. Absent of ledgers that gateways share: they go by what
   * the gateways have agreed on.
   */
  name?(): Promise<string | undefined>;
  /** Makes that its name, durably, unless it has one. */
  adoptName?(name: string): Promise<void>;
  /** The ledger's own time, milliseconds since the epoch. */
  now(): Promise<number>;
  /** Must be waited for before the process ends. */
  close(): Promise<void>;
}

/**
 * The one of two records of one id that counts: that of the later relaying, and of the same relaying the one
 * that is in doubt since, or longest. So a doubt never replaces a relaying that it does not know of. It is
 * an order, so records may be merged in any order and again.
 */
export function stronger(one: ArchiveRecord, other: ArchiveRecord): ArchiveRecord {
  return relayedAt(other) - relayedAt(one) > 0 || (isSameRelaying(one, other) && isDoubtLater(one, other))
    ? other
    : one;
}

const relayedAt = ({ relayed }: ArchiveRecord): number => relayed?.time ?? -1;
const isSameRelaying = (one: ArchiveRecord, other: ArchiveRecord): boolean =>
  relayedAt(one) === relayedAt(other);
const isDoubtLater = (one: ArchiveRecord, other: ArchiveRecord): boolean =>
  (other.doubt?.changedAt ?? -1) > (one.doubt?.changedAt ?? -1);

/**
 * A record of what a ledger has. Times of several clocks may contradict each other; a doubt counts then.
 */
export function archived(
  key: Uint8Array,
  relayed: Relayed | undefined,
  doubt: ArchivedDoubt | undefined,
): ArchiveRecord {
  if (relayed === undefined || doubt === undefined || doubt.changedAt > relayed.time) {
    return { key, relayed, doubt };
  }
  return { key, relayed, doubt: { ...doubt, changedAt: relayed.time + 1 } };
}

/** What has not expired of it, that is, lies not before `limit`; undefined when nothing is left. */
export function unexpired(record: ArchiveRecord, limit: number): ArchiveRecord | undefined {
  const { key } = record;
  const relayed = record.relayed !== undefined && record.relayed.time >= limit ? record.relayed : undefined;
  const doubt = record.doubt !== undefined && record.doubt.changedAt >= limit ? record.doubt : undefined;
  return relayed === undefined && doubt === undefined ? undefined : { key, relayed, doubt };
}
