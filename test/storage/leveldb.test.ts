// Our readers of LevelDB's files: what LevelDB writes is whole to them, and no octet of it can change unseen.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openLevelStore } from "../../src/storage/level-store.ts";
import { crc32c } from "../../src/storage/leveldb/crc32c.ts";
import {
  currentManifest,
  logName,
  logNumbers,
  manifestName,
  tableName,
} from "../../src/storage/leveldb/files.ts";
import { lastSequenceOf, walkLog } from "../../src/storage/leveldb/log-file.ts";
import { readManifest } from "../../src/storage/leveldb/manifest.ts";
import { checkTable } from "../../src/storage/leveldb/table.ts";
import { temporaryFolder } from "../support/storage.ts";

test("CRC-32C: the vectors of RFC 3720, appendix B.4", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  expect(crc32c(ascending)).toBe(0x46dd794e);
  expect(crc32c(ascending.toReversed())).toBe(0x113fdb5c);
  expect(crc32c(Buffer.from("..123456789.."), 2, 11)).toBe(0xe3069283);
});

/** Entries of many sizes, so that records and blocks end in all places. */
async function written(): Promise<string> {
  const folder = await temporaryFolder();
  for (let opening = 0; opening < 2; opening++) {
    const store = await openLevelStore(folder, "short");
    for (let entry = 0; entry < 600; entry++) {
      const key = Buffer.from(`key ${opening} ${entry}`);
      await store.write([{ type: "put", key, value: new Uint8Array((entry * entry) % 9_000).fill(entry) }]);
    }
    await store.close();
  }
  return folder;
}

test("a log is whole up to its end, and any changed octet ends it there", async () => {
  const folder = await written();
  const log = readFileSync(join(folder, logName((await logNumbers(folder)).at(-1) as number)));
  const ends: number[] = [];
  let changes = 0;
  expect(
    walkLog(log, (record) => {
      changes++;
      ends.push(lastSequenceOf(record));
    }),
  ).toEqual({ wholeUntil: log.length, fault: undefined });
  expect(changes).toBeGreaterThan(20);
  expect(ends).toEqual(ends.map((_, index) => (ends[0] as number) + index));
  for (let at = 0; at < log.length; at += 7919) {
    const changed = Buffer.from(log);
    changed[at] = (changed[at] as number) ^ 4;
    const { wholeUntil, fault } = walkLog(changed);
    expect(wholeUntil, `octet ${at}`).toBeLessThanOrEqual(at);
    expect(fault, `octet ${at}`).toBeDefined();
  }
  expect(walkLog(log.subarray(0, -1))).toMatchObject({ fault: expect.stringContaining("cut off") });
});

test("a manifest names the tables, and each octet of a table is covered by a checksum", async () => {
  const folder = await written();
  const { tables, fault } = readManifest(
    readFileSync(join(folder, manifestName((await currentManifest(folder)) as number))),
  );
  expect(fault).toBeUndefined();
  expect(tables.size).toBeGreaterThan(0);
  for (const [number, octets] of tables) {
    const path = join(folder, tableName(number));
    expect(await checkTable(path, octets)).toBeUndefined();
    const whole = readFileSync(path);
    for (const at of [...Array(20).keys()]
      .map((index) => Math.floor((index / 20) * octets))
      .concat(octets - 20, octets - 1)) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 64;
      writeFileSync(path, changed);
      expect(await checkTable(path, octets), `octet ${at} of ${octets}`).toBeDefined();
    }
    writeFileSync(path, whole);
  }
});
