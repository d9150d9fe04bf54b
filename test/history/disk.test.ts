// Whatever becomes of the history's store, it keeps no gateway from starting and takes no more memory than it may.
import { readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { readSeals } from "../../src/storage/seal.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";
import { smallDisk, temporaryFolder } from "../support/storage.ts";
import { idOf } from "../support/transmission.ts";
import { allOf, keepHistory, settled } from "./place.ts";

const STORE = "history/events";
const MAIL = { submission: "s1", client: "192.0.2.1" };
const to = (number: number) => ({ id: idOf(number), recipient: "r@example.net" });

test("a full disk: one warning, and what was noted meanwhile is written when there is room", async () => {
  const storage = createMemoryStorage();
  const { history, lines, pass } = await keepHistory(storage);
  storage.fail({ call: "write", name: STORE, code: "full", times: 5 });
  for (let second = 0; second < 4; second++) {
    history.repeated(idOf(1));
    await pass(1_000);
  }
  expect(lines).toMatchObject([{ event: "history.unavailable" }]);
  await pass(5_000);
  expect(lines).toMatchObject([{ event: "history.unavailable" }, { event: "history.resumed", missed: 0 }]);
  const events = await allOf(history, idOf(1));
  expect(events.reduce((sum, event) => sum + (event.kind === "repeats" ? event.count : 0), 0)).toBe(4);
});

test("a write that took effect and said it failed is there once", async () => {
  const storage = createMemoryStorage();
  const { history, pass } = await keepHistory(storage);
  storage.fail({ call: "write", name: STORE, takesEffect: true });
  history.repeated(idOf(1));
  await pass(3_000);
  expect(await allOf(history, idOf(1))).toMatchObject([{ kind: "repeats", count: 1 }]);
});

test("a disk that never comes back: memory is bounded, and what did not fit is counted", async () => {
  const storage = createMemoryStorage();
  const { history, lines, pass } = await keepHistory(storage);
  storage.fail({ call: "write", name: STORE, code: "full", times: 1e9 });
  for (let number = 0; number < 50_000; number++) history.repeated(idOf(number));
  for (let number = 0; number < 50_000; number++) history.accepted(MAIL, [to(1)]);
  await pass(60_000);
  expect(lines.map(({ event }) => event)).toEqual(["history.unavailable"]);
  storage.mend();
  await pass(60_000);
  const resumed = lines.find(({ event }) => event === "history.resumed");
  // 40,000 wait.
  expect(resumed?.missed).toBe(60_000);
  expect(await allOf(history, idOf(1))).toMatchObject([{ kind: "repeats", count: 1 }]);
});

test.each(["full", "unavailable"] as const)(
  "a disk that is %s at the start takes nothing away",
  async (code) => {
    const storage = createMemoryStorage();
    const before = await keepHistory(storage);
    before.history.repeated(idOf(1));
    await before.history.close();
    storage.fail({ call: "openStore", name: STORE, code });
    const { history, events, pass } = await keepHistory(storage);
    expect(events()).toEqual(["history.unavailable"]);
    history.repeated(idOf(1));
    await pass(1_000);
    expect(events()).toEqual(["history.unavailable", "history.resumed"]);
    expect(await allOf(history, idOf(1))).toMatchObject([{ count: 1 }, { count: 1 }]);
  },
);

test("a store that is found damaged while it is used is made anew, and what waits is written into it", async () => {
  const storage = createMemoryStorage();
  const { history, events, pass } = await keepHistory(storage);
  history.repeated(idOf(1));
  await pass(1_000);
  storage.fail({ call: "write", name: STORE, code: "damaged" });
  history.repeated(idOf(2));
  await pass(2_000);
  expect(events()).toEqual(["history.unavailable", "history.made_anew", "history.resumed"]);
  expect(await allOf(history, idOf(1))).toEqual([]);
  expect(await allOf(history, idOf(2))).toHaveLength(1);
});

test("a format of a later version: it is made anew", async () => {
  const storage = createMemoryStorage();
  const store = await storage.openStore(STORE);
  await store.write([{ type: "put", key: Buffer.from("v"), value: Uint8Array.of(9) }]);
  await store.close();
  const { history, events } = await keepHistory(storage);
  expect(events()).toEqual(["history.made_anew"]);
  history.repeated(idOf(1));
  expect(await allOf(history, idOf(1))).toHaveLength(1);
});

test("gone, where a gateway has run before: one warning", async () => {
  expect((await keepHistory(createMemoryStorage(), { wasRunBefore: async () => true })).events()).toEqual([
    "history.made_anew",
  ]);
});

test("records that are no events, and kinds of a later version, are left out", async () => {
  const storage = createMemoryStorage();
  const { history } = await keepHistory(storage);
  history.repeated(idOf(1));
  history.repeated(idOf(2));
  await history.close();
  const store = await storage.openStore(STORE);
  const later = '[{"kind":"repeats","at":1,"count":1,"more":2},{"kind":"opened","at":2}]';
  const values = [Buffer.from(later), Buffer.from("\u0000{")];
  for await (const key of store.keys({ gte: Buffer.from("i"), lt: Buffer.from("j") })) {
    await store.write([{ type: "put", key, value: values.pop() ?? Buffer.from("") }]);
  }
  await store.close();
  const again = await keepHistory(storage);
  const found = [await allOf(again.history, idOf(1)), await allOf(again.history, idOf(2))];
  expect(found).toContainEqual([{ kind: "repeats", at: 1, count: 1, more: 2 }]);
  expect(found).toContainEqual([]);
});

/** With enough in it for a table. */
async function folderWithHistory(): Promise<string> {
  const folder = await temporaryFolder();
  for (const run of [1, 2]) {
    const { history } = await keepHistory(createDiskStorage(folder));
    for (let number = 0; number < 100; number++) history.accepted(MAIL, [to(number)]);
    await history.close();
    expect(run).toBeLessThan(3);
  }
  return folder;
}

const filesOf = (folder: string, name: RegExp): string[] =>
  readdirSync(join(folder, STORE))
    .filter((file) => name.test(file))
    .map((file) => join(folder, STORE, file));

test("it is in no seal, so nothing that becomes of it keeps a gateway from starting", async () => {
  const folder = await temporaryFolder();
  const storage = createDiskStorage(folder);
  const spool = await storage.openStore("spool/queue", "short");
  const { history } = await keepHistory(storage);
  history.repeated(idOf(1));
  await history.close();
  await spool.close();
  const { seal } = await readSeals(folder);
  expect(Object.keys(seal?.stores ?? {})).toEqual(["spool/queue"]);
});

test.each<[string, (folder: string) => void]>([
  ["CURRENT is gone", (folder) => rmSync(join(folder, STORE, "CURRENT"))],
  ["CURRENT is empty", (folder) => truncateSync(join(folder, STORE, "CURRENT"))],
  [
    "the manifest is gone",
    (folder) => {
      for (const file of filesOf(folder, /^MANIFEST/)) rmSync(file);
    },
  ],
  [
    "the manifest is garbage",
    (folder) => {
      for (const file of filesOf(folder, /^MANIFEST/)) writeFileSync(file, "x".repeat(1_000));
    },
  ],
  [
    "a table is gone",
    (folder) => {
      for (const file of filesOf(folder, /\.(ldb|sst)$/)) rmSync(file);
    },
  ],
])("on a real disk, %s: it is made anew with one warning, and works", async (_, damage) => {
  const folder = await folderWithHistory();
  damage(folder);
  const { history, events } = await keepHistory(createDiskStorage(folder));
  expect(events()).toEqual(["history.made_anew"]);
  history.repeated(idOf(7));
  expect(await allOf(history, idOf(7))).toMatchObject([{ kind: "repeats" }]);
  await history.close();
  const again = await keepHistory(createDiskStorage(folder));
  expect(again.events()).toEqual([]);
  expect(await allOf(again.history, idOf(7))).toMatchObject([{ kind: "repeats" }]);
  await again.history.close();
});

test("a disk that is really full: nothing is thrown, and it goes on when there is room", async (context) => {
  const folder = await smallDisk(4 * 2 ** 20);
  if (folder === undefined) return context.skip();
  const { history, events, clock } = await keepHistory(createDiskStorage(folder));
  history.repeated(idOf(1));
  expect(await allOf(history, idOf(1))).toHaveLength(1);
  const ballast = join(folder, "ballast");
  for (let octets = 4 * 2 ** 20; octets >= 1; octets = octets >> 1) {
    try {
      writeFileSync(ballast, Buffer.alloc(octets), { flag: "a" });
    } catch {
      // Half as much may fit.
    }
  }
  for (let number = 0; number < 5_000; number++) history.accepted(MAIL, [to(number)]);
  const said = async (event: string): Promise<void> => {
    for (let turn = 0; !events().includes(event); turn++) {
      expect(turn).toBeLessThan(1_000);
      clock.advance(1_000);
      await settled();
    }
  };
  await said("history.unavailable");
  rmSync(ballast);
  await said("history.resumed");
  expect(await allOf(history, idOf(4_999))).toMatchObject([{ kind: "accepted" }]);
  await history.close();
});
