// Ids that move from one kind of ledger to another and back, on the real engines.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ArchiveRecord } from "../../src/ledger/archive/archive.ts";
import { exportArchive } from "../../src/ledger/archive/export.ts";
import { type Imported, importArchive } from "../../src/ledger/archive/import.ts";
import type { Claim, ClaimResult, Ledger } from "../../src/ledger/ledger.ts";
import { decodeBase32, encodeBase32 } from "../../src/runtime/base32.ts";
import { digestOf } from "../conformance/ledger.ts";
import {
  type ArchivePlace,
  dynamodbArchivePlace,
  embeddedPlace,
  LEASE_MS,
  postgresArchivePlace,
  RETENTION_MS,
  recordsOf,
  using,
} from "../support/archive-places.ts";
import { anyRecord, merged } from "../support/archive-records.ts";
import { startDynamodb, type TestDynamodb } from "../support/dynamodb.ts";
import { idOf } from "../support/ids.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

let postgres: TestPostgres;
let dynamodb: TestDynamodb;
beforeAll(async () => {
  [postgres, dynamodb] = await Promise.all([startPostgres(), startDynamodb()]);
  Object.assign(process.env, dynamodb.environment);
});
afterAll(async () => {
  await Promise.all([postgres.stop(), dynamodb.stop()]);
});

const KINDS: Readonly<Record<string, () => Promise<ArchivePlace>>> = {
  embedded: async () => embeddedPlace(),
  postgres: () => postgresArchivePlace(postgres),
  dynamodb: () => dynamodbArchivePlace(dynamodb),
};

/** Not so near the end of the retention that it comes during the test. */
const anyIdOf = (ids?: number) => anyRecord(Date.now() - RETENTION_MS + 3_600_000, Date.now(), ids);

const move = (from: ArchivePlace, to: ArchivePlace): Promise<Imported> =>
  using(from, (source) =>
    using(to, (target) =>
      importArchive(target, {
        source: exportArchive(source, () => {}),
        retentionMs: RETENTION_MS,
        onProgress() {},
      }),
    ),
  );

async function put(place: ArchivePlace, records: readonly ArchiveRecord[]): Promise<void> {
  await using(place, (archive) => archive.merge(records));
}

async function withLedger<T>(place: ArchivePlace, work: (ledger: Ledger) => Promise<T>): Promise<T> {
  const ledger = await place.ledger();
  try {
    return await work(ledger);
  } finally {
    await ledger.close();
  }
}

const claimOf = (result: ClaimResult | undefined): Claim => {
  if (result === undefined || result.kind === "repeat") throw new Error("no claim");
  return result.claim;
};

async function claim(ledger: Ledger, name: string): Promise<Claim> {
  const [result] = await ledger.claim([{ id: idOf(name), digest: digestOf(1) }]);
  return claimOf(result);
}

test("embedded to postgres to embedded to dynamodb to postgres: the same ids, each as it was", async () => {
  const records = merged(fc.sample(anyIdOf(), { numRuns: 400, seed: 1 }));
  const path = ["embedded", "postgres", "embedded", "dynamodb", "postgres"];
  let from = embeddedPlace() as ArchivePlace;
  await put(from, records);
  for (const kind of path.slice(1)) {
    const to = await (KINDS[kind] as (typeof KINDS)[string])();
    expect(await move(from, to)).toMatchObject({ read: records.length, added: records.length });
    expect(await recordsOf(to), kind).toEqual(records);
    from = to;
  }
});

describe.each(Object.keys(KINDS))("%s", (kind) => {
  const make = KINDS[kind] as () => Promise<ArchivePlace>;

  test("whatever is merged in whatever order and again, the strongest record of each id stays", async () => {
    // Few ids, so that most are met again; each batch has an id once.
    const batches = fc.array(fc.array(anyIdOf(20), { maxLength: 10 }).map(merged), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(batches, async (all) => {
        const place = await make();
        const expected = merged(all.flat());
        for (const round of [all, [...all].reverse()]) {
          await using(place, async (archive) => {
            for (const batch of round) await archive.merge(batch);
          });
          expect(await recordsOf(place)).toEqual(expected);
        }
        await using(place, async (archive) => {
          expect(new Set(await archive.merge(expected))).toEqual(
            new Set(expected.length === 0 ? [] : ["kept"]),
          );
        });
      }),
      { numRuns: kind === "embedded" ? 100 : 10 },
    );
  });

  test("what was relayed is a repeat afterwards, what was doubtful is doubtful", async () => {
    const records = merged(fc.sample(anyIdOf(), { numRuns: 60, seed: 2 }));
    const from = embeddedPlace();
    await put(from, records);
    const to = await make();
    await move(from, to);
    await withLedger(to, async (ledger) => {
      const doubtful = records.filter(({ doubt }) => doubt !== undefined);
      expect((await ledger.doubts()).map(({ id, changedAt }) => [id, changedAt]).sort()).toEqual(
        doubtful.map(({ key, doubt }) => [encodeBase32(key), doubt?.changedAt]).sort(),
      );
      const requests = records.map(({ key }) => ({ id: encodeBase32(key), digest: digestOf(9) }));
      const results = await ledger.claim(requests);
      const shown = results.map((result) =>
        result.kind === "doubtful"
          ? { kind: "doubtful", firstDate: result.firstDate, digest: result.digest }
          : result,
      );
      expect(shown).toEqual(
        records.map(({ relayed, doubt }) =>
          doubt === undefined
            ? { kind: "repeat", standing: "relayed", digest: relayed?.digest, at: expect.any(Number) }
            : { kind: "doubtful", firstDate: doubt.firstDate, digest: doubt.digest },
        ),
      );
      await ledger.release(results.filter(({ kind }) => kind === "doubtful").map(claimOf));
    });
    // It has been as long in doubt as before.
    expect(await recordsOf(to)).toEqual(records);
  });

  test("what a gateway leaves: relayed and doubtful ids travel, attempts as doubtful, claims do not", async () => {
    const place = await make();
    await withLedger(place, async (ledger) => {
      const names = ["claimed", "attempted", "doubtful", "refused", "relayed", "released"];
      const claims = await Promise.all(names.map((name) => claim(ledger, name)));
      ledger.accepted(claims);
      for (const one of claims.slice(1)) await ledger.attempt(one, `date of ${one.id}`);
      const [, , doubtful, refused, relayed, released] = claims as [Claim, Claim, Claim, Claim, Claim, Claim];
      await ledger.settle(doubtful, "doubtful");
      await ledger.settle(refused, "refused");
      await ledger.settle(relayed, "relayed");
      await ledger.settle(released, "refused");
      await ledger.release([released]);
    });
    const known = await recordsOf(place);
    const shown = known.map(({ key, relayed, doubt }) => [
      encodeBase32(key),
      relayed?.digest,
      doubt && { firstDate: doubt.firstDate, digest: doubt.digest },
    ]);
    const doubt = (name: string) => ({ firstDate: `date of ${idOf(name)}`, digest: digestOf(1) });
    expect(shown.sort()).toEqual(
      [
        [idOf("attempted"), undefined, doubt("attempted")],
        [idOf("doubtful"), undefined, doubt("doubtful")],
        [idOf("relayed"), digestOf(1), undefined],
      ].sort(),
    );
    for (const { relayed, doubt } of known) {
      expect(Math.abs((relayed?.time ?? doubt?.changedAt ?? 0) - Date.now())).toBeLessThan(600_000);
    }
  });
});

describe.each(["postgres", "dynamodb"])("%s, used meanwhile", (kind) => {
  const make = KINDS[kind] as () => Promise<ArchivePlace>;
  const relayed = (name: string, time: number): ArchiveRecord => ({
    key: decodeBase32(idOf(name)),
    relayed: { time, digest: digestOf(3) },
  });

  test("an id that a live gateway holds is left alone and reported; after its relaying it is known", async () => {
    const place = await make();
    const at = Date.now() - LEASE_MS;
    const from = embeddedPlace();
    await put(from, [relayed("held", at), relayed("other", at)]);
    await withLedger(place, async (ledger) => {
      const held = await claim(ledger, "held");
      ledger.accepted([held]);
      expect(await move(from, place)).toMatchObject({ added: 1, held: 1, heldIds: [idOf("held")] });
      // The claim is as live as before.
      expect(await ledger.attempt(held, "date")).toBe("attempted");
      expect(await move(from, place)).toMatchObject({ kept: 1, held: 1 });
      expect(await ledger.settle(held, "relayed")).toBe("settled");
      expect(await move(from, place)).toMatchObject({ kept: 2, held: 0 });
    });
    expect(
      (await recordsOf(place)).find(({ key }) => encodeBase32(key) === idOf("held"))?.relayed?.digest,
    ).toEqual(digestOf(1));
  });

  test("what a gateway held in an earlier life gives way, and its late holder changes nothing", async () => {
    const place = await make();
    const at = Date.now() - LEASE_MS;
    const from = embeddedPlace();
    await put(from, [relayed("claimed", at), relayed("attempted", at)]);
    const before = await place.ledger("same");
    const claims = [await claim(before, "claimed"), await claim(before, "attempted")] as const;
    before.accepted(claims);
    await before.attempt(claims[1], "date");
    // The next life of the gateway, after which the earlier is dead at once.
    await (await place.ledger("same")).close();
    expect(await move(from, place)).toMatchObject({ strengthened: 2, held: 0 });
    expect(await before.attempt(claims[0], "date").catch(() => "stale")).toBe("stale");
    await before.close();
    expect(await recordsOf(place)).toEqual(merged([relayed("claimed", at), relayed("attempted", at)]));
  });
});
