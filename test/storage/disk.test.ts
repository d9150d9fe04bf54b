import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createDiskStorage } from "../../src/storage/disk.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { collect, octets, smallDisk, temporaryFolder } from "../support/storage.ts";

const text = (value: Uint8Array | undefined) =>
  value === undefined ? undefined : Buffer.from(value).toString("latin1");

const put = (key: string, value: string) =>
  ({ type: "put", key: octets(key), value: octets(value) }) as const;
const del = (key: string) => ({ type: "del", key: octets(key) }) as const;

async function writeWhole(storage: Storage, name: string, content: string): Promise<void> {
  const file = await storage.createFile(name);
  await file.append(octets(content));
  await file.close();
}

async function readWhole(storage: Storage, name: string): Promise<string> {
  return Buffer.concat(await collect(storage.readFile(name))).toString("latin1");
}

describe("a store on the disk", () => {
  const aKey = fc.string({ unit: fc.constantFrom("a", "b", "\u0000", "z"), minLength: 1, maxLength: 3 });
  const anOperation = fc.oneof(
    fc.record({ key: aKey, value: fc.string({ maxLength: 4 }) }).map(({ key, value }) => put(key, value)),
    aKey.map(del),
  );
  const aStep = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        does: fc.constantFrom("commit", "write"),
        operations: fc.array(anOperation, { maxLength: 4 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ does: fc.constantFrom("reopen", "rest"), operations: fc.constant([]) }),
    },
  );

  test("that rests has nothing left to recover at the next start", async () => {
    const folder = await temporaryFolder();
    const store = await createDiskStorage(folder).openStore("s");
    await store.commit([put("a", "b".repeat(100_000))]);
    const logged = async () => {
      const logs = (await readdir(join(folder, "s"))).filter((name) => name.endsWith(".log"));
      return (await Promise.all(logs.map((name) => stat(join(folder, "s", name))))).map(({ size }) => size);
    };
    expect(Math.max(...(await logged()))).toBeGreaterThan(100_000);
    await store.rest();
    expect(await logged()).toEqual([0]);
    expect(text(await store.get(octets("a")))).toHaveLength(100_000);
    await store.close();
  });

  test("holds what an ordered map would, whatever is committed, written and reopened", async () => {
    const storage = createDiskStorage(await temporaryFolder());
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(aStep, { maxLength: 12 }), aKey, aKey, async (steps, gte, lt) => {
        const name = `run-${run++}`;
        const model = new Map<string, string>();
        let store = await storage.openStore(name);
        for (const { does, operations } of steps) {
          // Not awaited one by one: later calls must follow earlier ones without that.
          if (does === "commit") await Promise.all(operations.map((one) => store.commit([one])));
          else if (does === "write") await Promise.all(operations.map((one) => store.write([one])));
          else if (does === "rest") await store.rest();
          else {
            await store.close();
            store = await storage.openStore(name);
          }
          for (const operation of operations) {
            const key = text(operation.key) ?? "";
            if (operation.type === "put") model.set(key, text(operation.value) ?? "");
            else model.delete(key);
          }
          for (const { key } of operations) {
            expect(text(await store.get(key))).toBe(model.get(text(key) ?? ""));
          }
        }
        const expected = [...model]
          .filter(([key]) => key >= gte && key < lt)
          .sort(([a], [b]) => (a < b ? -1 : 1));
        const range = { gte: octets(gte), lt: octets(lt) };
        const entries = await collect(store.entries(range));
        expect(entries.map(([key, value]) => [text(key), text(value)])).toEqual(expected);
        const keys = await collect(store.keys(range));
        expect(keys.map(text)).toEqual(expected.map(([key]) => key));
        await store.close();
        await storage.removeStore(name);
      }),
      { numRuns: 40 },
    );
  });

  test("an iteration keeps the view it began with", async () => {
    const storage = createDiskStorage(await temporaryFolder());
    const store = await storage.openStore("s");
    await store.commit([put("a", "1"), put("b", "2")]);
    const seen: string[] = [];
    for await (const [key] of store.entries()) {
      await store.commit([put("c", "3"), del("b")]);
      seen.push(text(key) ?? "");
    }
    expect(seen).toEqual(["a", "b"]);
    await store.close();
  });

  test("more entries than one fetch brings all come, and leaving early is no error", async () => {
    const storage = createDiskStorage(await temporaryFolder());
    const store = await storage.openStore("s");
    const keys = Array.from({ length: 2500 }, (_, i) => String(i).padStart(5, "0"));
    await store.write(keys.map((key) => put(key, "v".repeat(200))));
    expect((await collect(store.keys())).map(text)).toEqual(keys);
    expect((await collect(store.entries())).length).toBe(2500);
    for await (const _ of store.keys()) break;
    await store.close();
  });

  test("is refused to a second opener, who hears which folder it is about", async () => {
    const folder = await temporaryFolder();
    const store = await createDiskStorage(folder).openStore("ledger/state");
    await expect(createDiskStorage(folder).openStore("ledger/state")).rejects.toMatchObject({
      name: "StorageError",
      code: "locked",
      message: `${folder} is in use by another mailonce`,
    });
    await store.close();
    const again = await createDiskStorage(folder).openStore("ledger/state");
    await again.close();
  });

  test("can't be used once closed", async () => {
    const store = await createDiskStorage(await temporaryFolder()).openStore("s");
    const last = store.commit([put("a", "1")]);
    await Promise.all([store.close(), last]);
    await expect(store.get(octets("a"))).rejects.toMatchObject({ code: "unavailable" });
    await expect(store.commit([put("a", "1")])).rejects.toMatchObject({ code: "unavailable" });
    await expect(collect(store.keys())).rejects.toMatchObject({ code: "unavailable" });
    await store.close();
  });

  test("that is damaged is said to be", async () => {
    const folder = await temporaryFolder();
    const storage = createDiskStorage(folder);
    const store = await storage.openStore("s");
    await store.commit([put("a", "1")]);
    await store.close();
    for (const name of await readdir(join(folder, "s"))) {
      if (name.startsWith("MANIFEST-")) await writeFile(join(folder, "s", name), "garbage");
    }
    await expect(storage.openStore("s")).rejects.toMatchObject({
      code: "damaged",
      message: expect.stringContaining(`${folder}/s`),
    });
  });

  test("that lost its head is not taken for a new one", async () => {
    const folder = await temporaryFolder();
    const storage = createDiskStorage(folder);
    const store = await storage.openStore("s");
    await store.commit([put("a", "1")]);
    await store.close();
    await rm(join(folder, "s", "CURRENT"));
    await expect(storage.openStore("s")).rejects.toMatchObject({ code: "damaged" });
  });

  test("is gone when removed, and makes room for a new one", async () => {
    const storage = createDiskStorage(await temporaryFolder());
    const store = await storage.openStore("ledger/s");
    await store.commit([put("a", "1")]);
    await store.close();
    await storage.removeStore("ledger/s");
    await storage.removeStore("ledger/s");
    await storage.removeStore("nowhere/s");
    expect(await storage.list("ledger")).toEqual([]);
    const anew = await storage.openStore("ledger/s");
    expect(await anew.get(octets("a"))).toBeUndefined();
    await anew.close();
  });
});

describe("a full disk", () => {
  test("fails commits as full, and the same store works again when there is space", async ({ skip }) => {
    const folder = await smallDisk(2 ** 20);
    if (folder === undefined) return skip("mounting a small file system is not allowed here");
    const store = await createDiskStorage(folder).openStore("s");
    await store.commit([put("before", "1")]);
    await writeFile(join(folder, "ballast"), new Uint8Array(900 * 1024));

    const large = "x".repeat(64 * 1024);
    const fill = async () => {
      for (let i = 0; i < 32; i++) await store.commit([put(`large-${i}`, large)]);
    };
    await expect(fill()).rejects.toMatchObject({ name: "StorageError", code: "full" });
    await expect(fill()).rejects.toMatchObject({ code: "full" });

    await rm(join(folder, "ballast"));
    await store.commit([put("after", "2")]);
    expect(text(await store.get(octets("before")))).toBe("1");
    expect(text(await store.get(octets("after")))).toBe("2");
    await store.close();
  });

  test("fails a file as full and leaves nothing under its name", async ({ skip }) => {
    const folder = await smallDisk(256 * 1024);
    if (folder === undefined) return skip("mounting a small file system is not allowed here");
    const storage = createDiskStorage(folder);
    const file = await storage.createFile("files/large");
    await expect(file.append(new Uint8Array(512 * 1024))).rejects.toMatchObject({ code: "full" });
    await file.discard();
    expect(await storage.list("files")).toEqual([]);
    await writeWhole(storage, "files/small", "fits");
    expect(await readWhole(storage, "files/small")).toBe("fits");
  });
});

describe("files on the disk", () => {
  test("appear whole and only when closed", async () => {
    const storage = createDiskStorage(await temporaryFolder());
    const file = await storage.createFile("spool/content/one");
    await file.append(octets("first "));
    await file.append(octets("second"));
    expect(await storage.list("spool/content")).toEqual([]);
    await file.close();
    expect(await storage.list("spool/content")).toEqual(["one"]);
    expect(await readWhole(storage, "spool/content/one")).toBe("first second");
  });

  test("replace an existing file only when closed, and not when discarded", async () => {
    const storage = createDiskStorage(await temporaryFolder());
    await writeWhole(storage, "f", "old");
    const discarded = await storage.createFile("f");
    await discarded.append(octets("never"));
    await discarded.discard();
    await discarded.discard();
    const file = await storage.createFile("f");
    await file.append(octets("new"));
    expect(await readWhole(storage, "f")).toBe("old");
    await file.close();
    expect(await readWhole(storage, "f")).toBe("new");
    await storage.removeFile("f");
    await storage.removeFile("f");
    await storage.removeFile("nowhere/f");
    expect(await storage.list("")).toEqual([]);
    expect(await storage.list("nowhere")).toEqual([]);
  });

  test("that are not there fail on the first chunk", async () => {
    const storage = createDiskStorage(await temporaryFolder());
    await expect(readWhole(storage, "nothing")).rejects.toMatchObject({
      name: "StorageError",
      code: "unavailable",
    });
  });

  test("larger than a chunk come back whole", async () => {
    const storage = createDiskStorage(await temporaryFolder());
    const content = Buffer.alloc(200_000, "0123456789").toString("latin1");
    await writeWhole(storage, "f", content);
    expect(await readWhole(storage, "f")).toBe(content);
  });

  test("are for their owner only", async () => {
    const folder = join(await temporaryFolder(), "data");
    const storage = createDiskStorage(folder);
    await writeWhole(storage, "a/f", "x");
    expect((await stat(join(folder, "a"))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, "a/f"))).mode & 0o777).toBe(0o600);
  });

  test("left half-written by a dead process never show and are cleared away", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "a"));
    await writeFile(join(folder, "a/.tmp-dead-1"), "half");
    const storage = createDiskStorage(folder);
    expect(await storage.list("a")).toEqual([]);
    const own = await storage.createFile("a/f");
    await writeWhole(storage, "a/g", "x");
    await own.close();
    expect((await readdir(join(folder, "a"))).sort()).toEqual(["f", "g"]);
  });
});
