// A data folder that is not as it was left: damaged, incomplete, of another version, or in use. Nothing of
// it may look like a fresh start that knows no id.
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { type Build, build, type TestedGateway } from "./gateway-process.ts";
import { createPlace, type Place, stopTested, submitNumbered, upTo } from "./place.ts";

let built: Build;
beforeAll(() => {
  built = build();
});
afterAll(() => built.remove());

/** Relayed in the folder that is then damaged. */
const RELAYED = upTo(30);
/** In the queue of that folder: the upstream refuses for now. */
const QUEUED = [100, 101];
const STORES = ["ledger/state", "ledger/generation-000001", "spool/queue"] as const;

/** A folder with ids, doubt and a queue, each store with a table, stopped in order. */
async function used(): Promise<Place> {
  const place = await createPlace(built);
  const settings = { LEDGER_DOUBTFUL: "hold" };
  const first = await place.start({}, settings);
  await submitNumbered(first, RELAYED);
  await first.logged("transmission.relayed", RELAYED.length);
  place.upstream.play("drop-untaken");
  await submitNumbered(first, [99]);
  await first.logged("transmission.doubtful");
  place.upstream.play("refuse-rcpt-4");
  await submitNumbered(first, QUEUED);
  expect(await stopTested(first)).toBe(0);
  // At the next start what lies in the logs goes into tables.
  expect(await stopTested(await place.start({}, settings))).toBe(0);
  place.upstream.play("accept");
  return place;
}

const filesOf = (folder: string, wanted: RegExp): string[] =>
  readdirSync(folder)
    .filter((name) => wanted.test(name))
    .sort()
    .map((name) => join(folder, name));

function overwrite(file: string, share: readonly [from: number, to: number]): void {
  const octets = readFileSync(file);
  octets.fill(0xaa, Math.floor(octets.length * share[0]), Math.floor(octets.length * share[1]));
  writeFileSync(file, octets);
}

async function startOn(place: Place, dataFolder: string): Promise<TestedGateway> {
  return await place.start({}, { DATA_DIR: dataFolder, LEDGER_DOUBTFUL: "hold" });
}

/** It has said one line about the store, with what to do, and nothing else has happened. */
async function expectRefusal(gateway: TestedGateway, path: string): Promise<void> {
  expect(await gateway.exited).toBe(1);
  expect(gateway.stderr()).toMatch(/^mailonce: [^\n]+\n$/);
  expect(gateway.stderr()).toContain(path);
  expect(gateway.stderr()).toContain(
    "restore the whole data folder from a backup, or run mailonce data accept",
  );
  expect(gateway.port).toBeUndefined();
}

describe.each(STORES)("%s", (store) => {
  const damages: [string, (folder: string) => void][] = [
    ["without CURRENT", (folder) => rmSync(join(folder, "CURRENT"))],
    [
      "with half a MANIFEST",
      (folder) => {
        for (const file of filesOf(folder, /^MANIFEST-/))
          truncateSync(file, Math.floor(statSync(file).size / 2));
      },
    ],
    [
      "without its MANIFEST",
      (folder) => {
        for (const file of filesOf(folder, /^MANIFEST-/)) rmSync(file);
      },
    ],
    ["without a table", (folder) => rmSync(filesOf(folder, /\.ldb$/)[0] as string)],
  ];

  test("damaged in any way that LevelDB can notice: refused at the start, for as long as it is", async () => {
    const place = await used();
    for (const [name, damage] of damages) {
      const folder = place.copy(name.replaceAll(" ", "-"));
      damage(join(folder, store));
      for (let start = 0; start < 2; start++) {
        await expectRefusal(await startOn(place, folder), join(folder, store));
      }
    }
  });
});

test.each([
  ["ledger/state", "attempts without an answer may be forgotten, and their mails relayed again"],
  ["ledger/generation-000001", "ids relayed before may be forgotten, and their mails relayed again"],
  ["spool/queue", "the mail that it held is then lost"],
])("%s is gone: refused, also when an empty folder is made there", async (store, consequence) => {
  const place = await used();
  rmSync(join(place.dataFolder, store), { recursive: true });
  const refused = await startOn(place, place.dataFolder);
  await expectRefusal(refused, store);
  expect(refused.stderr()).toContain(consequence);
  mkdirSync(join(place.dataFolder, store));
  // An empty folder says no more than a missing one.
  await expectRefusal(await startOn(place, place.dataFolder), store);
});

test.each<[string, readonly [number, number], boolean]>([
  ["its end overwritten, after a clean stop", [0.9, 1], false],
  ["its beginning overwritten, after a clean stop", [0, 0.4], false],
  ["its end overwritten, with no filter", [0.9, 1], true],
])("a table of ids with %s: no id in it is taken for new", async (_, share, loseFilter) => {
  const place = await used();
  const generation = join(place.dataFolder, "ledger/generation-000001");
  for (const file of filesOf(generation, /\.ldb$/)) overwrite(file, share);
  if (loseFilter) rmSync(`${generation}.filter`);
  const gateway = await startOn(place, place.dataFolder);
  // It may refuse to start, which forgets nothing either.
  if (gateway.port !== undefined) {
    for (const reply of await submitNumbered(gateway, RELAYED))
      expect(reply).toMatch(/repeat of|^451 4\.3\.0 /);
    expect(gateway.lines.some((line) => JSON.stringify(line).includes(generation))).toBe(true);
  }
  expect(place.upstream.repeated()).toEqual([]);
});

test.each([
  ["cut short", (file: string) => truncateSync(file, 1000)],
  ["empty", (file: string) => truncateSync(file, 0)],
  ["with a bit flipped", (file: string) => overwrite(file, [0.5, 0.5 + 1e-6])],
  ["with bits lost", (file: string) => writeZeros(file)],
  ["not a filter", (file: string) => writeFileSync(file, "From: somebody else\n".repeat(1000))],
  ["of an older version", (file: string) => writeVersion(file, 0)],
  ["of a newer version", (file: string) => writeVersion(file, 2)],
  ["another's", (file: string) => copyFileSync(new URL(import.meta.url).pathname, file)],
])("a filter file that is %s: built anew in the background, no id forgotten", async (_, damage) => {
  const place = await used();
  damage(join(place.dataFolder, "ledger/generation-000001.filter"));
  const gateway = await startOn(place, place.dataFolder);
  for (const reply of await submitNumbered(gateway, RELAYED)) expect(reply).toContain("repeat of");
  await gateway.logged("ledger.filter_rebuilt");
  for (const reply of await submitNumbered(gateway, RELAYED)) expect(reply).toContain("repeat of");
  expect(await stopTested(gateway)).toBe(0);
  const again = await startOn(place, place.dataFolder);
  for (const reply of await submitNumbered(again, RELAYED)) expect(reply).toContain("repeat of");
  expect(again.lines.some(({ event }) => event === "ledger.filter_rebuilt")).toBe(false);
});

/** A whole filter file in all but its bits. */
function writeZeros(file: string): void {
  const octets = readFileSync(file);
  octets.fill(0, 28, octets.length - 4);
  writeFileSync(file, octets);
}

function writeVersion(file: string, version: number): void {
  const octets = readFileSync(file);
  octets.writeUInt32BE(version, 8);
  writeFileSync(file, octets);
}

test("a second gateway on the folder of one that runs: refused, and the first goes on", async () => {
  const place = await createPlace(built);
  const first = await place.start();
  await submitNumbered(first, [1]);
  const second = await place.start();
  expect(await second.exited).toBe(1);
  expect(second.stderr()).toBe(`mailonce: ${place.dataFolder} is in use by another mailonce\n`);
  await submitNumbered(first, [1, 2]);
  await first.logged("transmission.relayed", 2);
  expect(place.upstream.repeated()).toEqual([]);
});

test.each(["ledger/state", "spool/queue"])(
  "%s that a newer version wrote: refused, and left as it is",
  async (name) => {
    const place = await used();
    const store = await createDiskStorage(place.dataFolder).openStore(name);
    await store.commit([{ type: "put", key: Uint8Array.of(0x76), value: Uint8Array.of(9) }]);
    await store.close();
    for (let start = 0; start < 2; start++) {
      const gateway = await startOn(place, place.dataFolder);
      expect(await gateway.exited).toBe(1);
      expect(gateway.stderr()).toBe(
        `mailonce: ${name} has format 9; this version of mailonce knows only format 2\n`,
      );
    }
  },
);
