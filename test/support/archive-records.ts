// Records of ids in any standing, for tests that move them.

import fc from "fast-check";
import { type ArchiveRecord, stronger } from "../../src/ledger/archive/archive.ts";
import { nameOf } from "../../src/ledger/key-name.ts";
import { DIGEST_OCTETS } from "../../src/ledger/ledger.ts";
import { plain } from "./archive-places.ts";
import { pseudoIds } from "./ids.ts";

const digest = fc
  .uint8Array({ minLength: DIGEST_OCTETS, maxLength: DIGEST_OCTETS })
  .map((octets) => new Uint8Array(octets));
const firstDate = fc.constantFrom("Fri, 20 Dec 2013 10:13:06 +0000", "20 Dec 2013 10:13 GMT", "");

/**
 * @param since the earliest time in them, and `until` the latest
 * @param ids of how many ids
 */
export function anyRecord(since: number, until: number, ids = 2 ** 20): fc.Arbitrary<ArchiveRecord> {
  const time = fc.integer({ min: since, max: until - 1_000 });
  const relayed = fc.record({ time, digest });
  return fc
    .record({
      id: fc.nat(ids - 1),
      kind: fc.constantFrom("relayed", "doubtful", "both"),
      relayed,
      doubt: fc.record({ firstDate, digest, changedAt: time }),
      laterMs: fc.integer({ min: 1, max: 1_000 }),
    })
    .map(({ id, kind, relayed, doubt, laterMs }) => {
      const key = pseudoIds(`record ${id}`, 1).next().value as Uint8Array;
      if (kind === "relayed") return { key, relayed };
      if (kind === "doubtful") return { key, doubt };
      return { key, relayed, doubt: { ...doubt, changedAt: relayed.time + laterMs } };
    });
}

/** What a ledger knows once all of them have been merged, in the order of the ids. */
export function merged(records: readonly ArchiveRecord[]): ArchiveRecord[] {
  const all = new Map<string, ArchiveRecord>();
  for (const record of records) {
    const there = all.get(nameOf(record.key));
    all.set(nameOf(record.key), there === undefined ? record : stronger(there, record));
  }
  return [...all.values()].map(plain).sort((one, other) => Buffer.compare(one.key, other.key));
}
