// An archive of a ledger: its lines, which of two records counts, and that one which is not whole is refused.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Archive, type ArchiveRecord, stronger, unexpired } from "../../src/ledger/archive/archive.ts";
import { exportArchive } from "../../src/ledger/archive/export.ts";
import { importArchive } from "../../src/ledger/archive/import.ts";
import { readArchive } from "../../src/ledger/archive/lines.ts";
import { embeddedPlace, plain, RETENTION_MS, using } from "../support/archive-places.ts";
import { anyRecord, merged } from "../support/archive-records.ts";
import { collect } from "../support/storage.ts";

const NOW = Date.parse("2026-01-31T12:00:00Z");
const record = anyRecord(NOW - RETENTION_MS, NOW);

/** An archive of records that are there. */
const archiveOf = (records: readonly ArchiveRecord[]): Archive => ({
  kind: "embedded",
  async *records() {
    yield* records;
  },
  merge: () => Promise.reject(new Error("only read")),
  now: async () => NOW,
  async close() {},
});

const written = async (records: readonly ArchiveRecord[]): Promise<Buffer> =>
  Buffer.concat(await collect(exportArchive(archiveOf(records), () => {})));

async function* chunked(octets: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < octets.length; at += size) yield octets.subarray(at, at + size);
}

const read = (octets: Uint8Array, size = 100): Promise<ArchiveRecord[]> =>
  collect(readArchive(chunked(octets, size)));

describe("an archive", () => {
  test("is lines of JSON, the first and the last about the others", async () => {
    const key = new Uint8Array(20);
    const digest = new Uint8Array(16).fill(0xab);
    const doubt = { firstDate: "Fri, 20 Dec 2013 10:13:06 +0000", changedAt: 1_387_534_386_500, digest };
    const relayed = { time: 1_387_534_386_000, digest };
    const archive = await written([
      { key, relayed },
      { key, doubt },
      { key, relayed, doubt },
    ]);
    const id = "a".repeat(32);
    const hex = "ab".repeat(16);
    const dated = `"doubt":{"firstDate":"${doubt.firstDate}","changedAt":1387534386500},"digest":"${hex}"`;
    expect(archive.toString().split("\n")).toEqual([
      '{"format":"mailonce-ledger","version":1,"kind":"embedded","exportedAt":"2026-01-31T12:00:00.000Z"}',
      `{"id":"${id}","at":1387534386000,"digest":"${hex}"}`,
      `{"id":"${id}",${dated}}`,
      `{"id":"${id}",${dated},"earlier":{"at":1387534386000,"digest":"${hex}"}}`,
      expect.stringMatching(/^\{"end":true,"relayed":1,"doubtful":2,"crc32":"[0-9a-f]{8}"\}$/),
      "",
    ]);
  });

  test("gives back what was written, however it comes in pieces", async () => {
    const pieces = fc.integer({ min: 1, max: 5_000 });
    await fc.assert(
      fc.asyncProperty(fc.array(record), pieces, async (records, size) => {
        expect((await read(await written(records), size)).map(plain)).toEqual(records.map(plain));
      }),
    );
  });

  test("is refused when it is cut off anywhere", async () => {
    const records = fc.sample(record, { numRuns: 5, seed: 6 });
    const whole = await written(records);
    for (let length = 0; length < whole.length; length++) {
      await expect(read(whole.subarray(0, length)), `${length} octets`).rejects.toThrow(
        /cut off|not an export/,
      );
    }
  });

  test("is refused when one octet of it is another", async () => {
    const whole = await written(fc.sample(record, { numRuns: 5, seed: 6 }));
    // Of the first line only the format and the version count, and the checksum.
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const altered = Buffer.from(whole);
        altered[at] = (altered[at] as number) ^ flip;
        await expect(read(altered)).rejects.toThrow(/line \d+|archive/);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ["something else", "hello\n", "line 1: this is not an export of a ledger"],
    ["nothing", "", "the archive is cut off after line 0"],
    ["a later version", '{"format":"mailonce-ledger","version":2}\n', "line 1: written in version 2"],
  ])("%s is refused", async (_, text, message) => {
    await expect(read(Buffer.from(text))).rejects.toThrow(message);
  });

  test("a bad line is refused with its number", async () => {
    const lines = (await written(fc.sample(record, { numRuns: 3, seed: 6 }))).toString().split("\n");
    const bad = (line: string) => Buffer.from([...lines.slice(0, 2), line, ...lines.slice(2)].join("\n"));
    for (const [line, fault] of [
      ["{}", "id: not an id"],
      ["[]", "not an object"],
      ["", "not JSON"],
      [`{"id":"${"a".repeat(32)}","at":-1}`, "at: not a number of milliseconds"],
      [`{"id":"${"a".repeat(32)}","at":1,"digest":"ab"}`, "digest: not a digest of 16 octets"],
      [`{"id":"${"a".repeat(32)}","at":1,"digest":"${"ab".repeat(16)}","more":1}`, "more: not known"],
      ["x".repeat(5_000), "too long"],
    ] as const) {
      await expect(read(bad(line)), line).rejects.toThrow(`line 3: ${fault}`);
    }
    await expect(read(Buffer.from(`${lines.join("\n")}${lines[1]}\n`))).rejects.toThrow(
      `line ${lines.length}: the archive has ended in the line before`,
    );
  });
});

describe("of two records of an id", () => {
  const pair = fc.tuple(record, record).map(([one, other]) => [one, { ...other, key: one.key }] as const);

  const times = ({ relayed, doubt }: ArchiveRecord) => [relayed?.time, doubt?.changedAt];

  test("the same times count in any order, and again", () => {
    fc.assert(
      fc.property(pair, ([one, other]) => {
        const counts = stronger(one, other);
        expect(stronger(counts, other)).toBe(counts);
        expect(times(stronger(other, counts))).toEqual(times(counts));
        expect(times(stronger(other, one))).toEqual(times(counts));
      }),
      { numRuns: 1_000 },
    );
  });

  test("of those with the same times what stands already stays", () => {
    fc.assert(
      fc.property(pair, ([one, other]) => {
        const { relayed, doubt } = one;
        const alike = {
          ...one,
          relayed: relayed && { ...relayed, digest: other.relayed?.digest ?? new Uint8Array(16) },
          doubt: doubt && { ...doubt, firstDate: other.doubt?.firstDate ?? "" },
        };
        expect(stronger(one, alike)).toBe(one);
        expect(stronger(alike, one)).toBe(alike);
      }),
    );
  });

  test("a relaying is not replaced by a doubt that does not know of it, nor by an earlier one", () => {
    fc.assert(
      fc.property(pair, ([one, other]) => {
        const at = one.relayed?.time;
        const winner = stronger(one, other);
        expect(winner.relayed?.time ?? 0).toBe(Math.max(at ?? 0, other.relayed?.time ?? 0));
        if (at !== undefined && one.doubt === undefined && other.relayed === undefined) {
          expect(winner).toBe(one);
        }
      }),
    );
  });

  test("what has expired of one is left out", () => {
    const key = new Uint8Array(20);
    const digest = new Uint8Array(16);
    const doubt = { firstDate: "", changedAt: 20, digest };
    expect(unexpired({ key, relayed: { time: 9, digest } }, 10)).toBeUndefined();
    expect(unexpired({ key, relayed: { time: 9, digest }, doubt }, 10)).toEqual({ key, doubt });
    expect(unexpired({ key, doubt }, 21)).toBeUndefined();
  });
});

describe("an import", () => {
  const importInto = (archive: Archive, octets: Uint8Array) =>
    importArchive(archive, { source: chunked(octets, 1_000), retentionMs: RETENTION_MS, onProgress() {} });

  test("of an archive that is cut off rejects, leaves what it had, and can be made whole", async () => {
    const records = merged(fc.sample(record, { numRuns: 2_500, seed: 7 }));
    const whole = await written(records);
    const place = embeddedPlace(NOW, 4_096);
    await using(place, async (archive) => {
      const half = whole.subarray(0, whole.length / 2);
      await expect(importInto(archive, half)).rejects.toThrow(/^line \d+: the archive is cut off within it$/);
    });
    await using(place, async (archive) => {
      const { added, kept, read: all, held } = await importInto(archive, whole);
      expect({ all, held, known: added + kept }).toEqual({
        all: records.length,
        held: 0,
        known: records.length,
      });
      expect(kept).toBeGreaterThanOrEqual(1_000);
    });
  });

  test("leaves out what has expired, and says how much", async () => {
    const key = (n: number) => new Uint8Array(20).fill(n);
    const digest = new Uint8Array(16);
    const old = { key: key(1), relayed: { time: NOW - RETENTION_MS - 1, digest } };
    const young = { key: key(2), relayed: { time: NOW - RETENTION_MS, digest } };
    await using(embeddedPlace(NOW), async (archive) => {
      const imported = await importInto(archive, await written([old, young]));
      expect(imported).toMatchObject({ read: 2, added: 1, expired: 1 });
    });
  });

  test("holds a bounded number of records, however fast they come", async () => {
    let held = 0;
    let most = 0;
    const slow: Archive = {
      ...archiveOf([]),
      async merge(batch) {
        held += batch.length;
        most = Math.max(most, held);
        await new Promise(setImmediate);
        held -= batch.length;
        return batch.map(() => "added");
      },
    };
    const records = merged(fc.sample(record, { numRuns: 20_000, seed: 8 }));
    expect(await importInto(slow, await written(records))).toMatchObject({ added: records.length });
    expect(most).toBeLessThanOrEqual(4_000);
  });
});
