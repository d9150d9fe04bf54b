// Reads an archive into a ledger, in batches. What was merged before something goes wrong stays: merging it
// again changes nothing, so that an import that failed is simply run again.

import type { Id } from "../../identity/message-id.ts";
import { encodeBase32 } from "../../runtime/base32.ts";
import { nameOf } from "../key-name.ts";
import { type Archive, type ArchiveRecord, stronger, unexpired } from "./archive.ts";
import type { Header } from "./format.ts";
import { readArchive } from "./lines.ts";

/** Records of a batch: for PostgreSQL some 100 KB and 20 ms. */
const BATCH = 1_000;

/** Batches under way: while the engine works on some, others are read and sent. */
const BATCHES_AT_ONCE = 4;

/** Ids that are named when gateways hold them; all of them may be very many. */
const HELD_NAMED_MAX = 10;

export interface ImportCounts {
  /** Records read. */
  readonly read: number;
  /** Ids that the ledger did not know. */
  readonly added: number;
  /** Ids of which it knows more now. */
  readonly strengthened: number;
  /** Records that said nothing new. */
  readonly kept: number;
  /** Records older than the retention, which were left out. */
  readonly expired: number;
  /** Ids that gateways which are alive hold, and that were left alone. */
  readonly held: number;
}

export interface Imported extends ImportCounts {
  /** Some of those that are held. */
  readonly heldIds: readonly Id[];
}

export interface ImportOptions {
  readonly source: AsyncIterable<Uint8Array>;
  /** Milliseconds for which the ledger keeps an id. */
  readonly retentionMs: number;
  /** Is called with what has been done so far. */
  readonly onProgress: (counts: ImportCounts) => void;
}

/** Rejects with an ArchiveError when the archive is not whole, and with a StorageError. */
export async function importArchive(
  archive: Archive,
  { source, retentionMs, onProgress }: ImportOptions,
): Promise<Imported> {
  const counts = { read: 0, added: 0, strengthened: 0, kept: 0, expired: 0, held: 0 };
  const heldIds: Id[] = [];
  const limit = (await archive.now()) - retentionMs;
  const underWay = new Set<Promise<void>>();
  let batch = new Map<string, ArchiveRecord>();
  let failure: { readonly error: unknown } | undefined;

  async function merge(records: readonly ArchiveRecord[]): Promise<void> {
    const merged = await archive.merge(records);
    merged.forEach((what, i) => {
      counts[what]++;
      const { key } = records[i] as ArchiveRecord;
      if (what === "held" && heldIds.length < HELD_NAMED_MAX) heldIds.push(encodeBase32(key));
    });
    onProgress(counts);
  }

  async function begin(): Promise<void> {
    const work = merge([...batch.values()])
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => underWay.delete(work));
    underWay.add(work);
    batch = new Map();
    if (underWay.size >= BATCHES_AT_ONCE) await Promise.race(underWay);
    if (failure !== undefined) throw failure.error;
  }

  try {
    const header = async ({ ledger }: Header): Promise<void> => {
      if (ledger !== undefined) await archive.adoptName?.(ledger);
    };
    for await (const read of readArchive(source, header)) {
      counts.read++;
      const record = unexpired(read, limit);
      if (record === undefined) {
        counts.expired++;
        continue;
      }
      const name = nameOf(record.key);
      const other = batch.get(name);
      if (other !== undefined) counts.kept++;
      batch.set(name, other === undefined ? record : stronger(other, record));
      if (batch.size >= BATCH) await begin();
    }
    if (batch.size > 0) await begin();
  } finally {
    await Promise.all(underWay);
  }
  if (failure !== undefined) throw failure.error;
  return { ...counts, heldIds };
}
