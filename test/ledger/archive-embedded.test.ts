// Ids imported into an embedded ledger: they expire by their own times, a crash at any point of an import
// leaves a ledger that opens and knows no less, and the ledger goes on with them.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ArchiveRecord } from "../../src/ledger/archive/archive.ts";
import { openEmbeddedArchive } from "../../src/ledger/embedded/archive.ts";
import { openState } from "../../src/ledger/embedded/state.ts";
import { nameOf } from "../../src/ledger/key-name.ts";
import type { ClaimResult } from "../../src/ledger/ledger.ts";
import { encodeBase32 } from "../../src/runtime/base32.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { digestOf } from "../conformance/ledger.ts";
import {
  type EmbeddedPlace,
  embeddedPlace,
  RETENTION_MS,
  recordsOf,
  using,
} from "../support/archive-places.ts";
import { anyRecord, merged } from "../support/archive-records.ts";
import { createCrashingStorage } from "../support/crashing-storage.ts";
import { pseudoIds } from "../support/ids.ts";

const DAY_MS = 86_400_000;
const NOW = Date.parse("2026-01-31T12:00:00Z");

async function claim(
  place: EmbeddedPlace,
  records: readonly ArchiveRecord[],
): Promise<ClaimResult["kind"][]> {
  const ledger = await place.ledger();
  const requests = records.map(({ key }) => ({ id: encodeBase32(key), digest: digestOf(1) }));
  const results = await ledger.claim(requests);
  await ledger.release(results.flatMap((result) => (result.kind === "repeat" ? [] : [result.claim])));
  await ledger.close();
  return results.map(({ kind }) => kind);
}

/** It is as late relayed, and in doubt if it was, unless a later relaying has ended that. */
function knowsNoLess(now: ArchiveRecord | undefined, { relayed, doubt }: ArchiveRecord): boolean {
  const before = relayed?.time ?? -1;
  const at = now?.relayed?.time ?? -1;
  return at > before || (at === before && (doubt === undefined || now?.doubt !== undefined));
}

/** One id for each hour of the retention, relayed then. */
const hourly = (): ArchiveRecord[] =>
  [...pseudoIds("hourly", 30 * 24)].map((key, hour) => ({
    key,
    relayed: { time: NOW - hour * 3_600_000, digest: digestOf(2) },
  }));

test("they expire when they would have expired where they come from, an eighth later at most", async () => {
  const place = embeddedPlace(NOW);
  const records = hourly();
  await using(place, (archive) => archive.merge(records));
  for (let days = 0; days <= 35; days += 5) {
    const now = place.clock.now();
    const kinds = await claim(place, records);
    records.forEach(({ relayed }, i) => {
      const age = now - (relayed?.time ?? 0);
      if (age < RETENTION_MS) expect(kinds[i], `of ${days} days, ${age} ms old`).toBe("repeat");
      if (age > RETENTION_MS + RETENTION_MS / 8) expect(kinds[i], `${days} days, ${age} ms`).toBe("claimed");
    });
    place.clock.advance(5 * DAY_MS);
  }
});

test("each generation has its filter saved, and none is larger than the ids before it ask for", async () => {
  const place = embeddedPlace(NOW, 16);
  await using(place, async (archive) => {
    for (const record of hourly()) await archive.merge([record]);
  });
  const names = await place.storage.list("ledger");
  const generations = names.filter((name) => /^generation-\d+$/.test(name));
  const state = await openState(place.storage);
  const capacities = (await state.generations.records()).map(({ capacity }) => capacity);
  await state.close();
  // Of 720 ids in 8 spans: a tenth of those before it, but not less than the first.
  expect(capacities.length).toBe(generations.length);
  expect(Math.min(...capacities)).toBe(16);
  expect(Math.max(...capacities)).toBeGreaterThan(60);
  expect(Math.max(...capacities)).toBeLessThanOrEqual(72);
  expect(names.filter((name) => name.endsWith(".filter"))).toEqual(
    generations.map((name) => `${name}.filter`),
  );
});

test("the ledger goes on: what it relays later counts more than what was imported", async () => {
  const place = embeddedPlace(NOW);
  const [first, second] = hourly() as [ArchiveRecord, ArchiveRecord];
  await using(place, (archive) => archive.merge([first, second]));
  place.clock.advance(DAY_MS);
  const ledger = await place.ledger();
  const request = { id: encodeBase32(first.key), digest: digestOf(5), since: NOW + 1 };
  const [again] = await ledger.claim([request]);
  if (again?.kind !== "claimed") throw new Error(`${again?.kind}`);
  await ledger.attempt(again.claim, "date");
  await ledger.settle(again.claim, "relayed");
  await ledger.close();
  const relayed = { time: NOW + DAY_MS, digest: digestOf(5) };
  expect(await recordsOf(place)).toEqual(merged([{ key: first.key, relayed }, second]));
  // And what was relayed before is no news.
  expect(await using(place, (archive) => archive.merge([first, second]))).toEqual(["kept", "kept"]);
});

test("a folder that a gateway runs on is locked", async () => {
  const place = embeddedPlace(NOW);
  const ledger = await place.ledger();
  await expect(place.archive()).rejects.toMatchObject({ name: "StorageError", code: "locked" });
  await ledger.close();
});

describe.each([
  ["lost", () => 0],
  ["kept", (unsynced: number) => unsynced],
])("a crash at any point of an import, with what was not synced %s", (_, kept) => {
  const anyIdOf = anyRecord(NOW - RETENTION_MS + DAY_MS, NOW, 12);
  const [some, others] = fc.sample(fc.array(anyIdOf, { minLength: 20, maxLength: 30 }), {
    numRuns: 2,
    seed: 3,
  }) as [ArchiveRecord[], ArchiveRecord[]];
  // And one that is in doubt here since a time after it was relayed elsewhere.
  const key = pseudoIds("crossed", 1).next().value as Uint8Array;
  const doubt = { firstDate: "date", changedAt: NOW - DAY_MS, digest: digestOf(1) };
  const before: ArchiveRecord[] = [{ key, doubt }, ...some];
  const added = [{ key, relayed: { time: NOW - 2 * DAY_MS, digest: digestOf(2) } }, ...others];

  /** Ends at the given call of the storage. False when there were fewer calls. */
  async function crashAt(place: EmbeddedPlace, call: number): Promise<boolean> {
    let left = call;
    const storage = createCrashingStorage(place.storage, () => {
      if (left-- === 0) place.storage.crash(kept);
      if (left < 0) throw new Error("the process is no more");
    });
    const options = {
      storage,
      clock: place.clock,
      log: silentLog,
      retentionMs: RETENTION_MS,
      firstCapacity: 4,
    };
    const work = (async () => {
      const archive = await openEmbeddedArchive(options);
      for (const record of added) await archive.merge([record]);
      await archive.close();
    })();
    await work.catch(() => {});
    return left < 0;
  }

  test("leaves a ledger that opens and knows no less, and an import made again is whole", async () => {
    for (let call = 0; ; call++) {
      const place = embeddedPlace(NOW, 4);
      await using(place, async (archive) => {
        for (const record of before) await archive.merge([record]);
      });
      const isCrashed = await crashAt(place, call);
      await (await place.ledger()).close();
      const known = new Map((await recordsOf(place)).map((record) => [nameOf(record.key), record]));
      for (const record of merged(before)) {
        const now = known.get(nameOf(record.key));
        expect(knowsNoLess(now, record), `call ${call}`).toBe(true);
      }
      await using(place, async (archive) => {
        for (const record of added) await archive.merge([record]);
      });
      expect(await recordsOf(place), `call ${call}`).toEqual(merged([...before, ...added]));
      if (!isCrashed) {
        expect(call).toBeGreaterThan(50);
        return;
      }
    }
  });
});
