// The data folder is one process's until its last seal is written, whatever has become of the lock's own files.
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Log, silentLog } from "../../src/runtime/log.ts";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { StorageError, type Store } from "../../src/storage/storage.ts";
import { octets, temporaryFolder } from "../support/storage.ts";

const STORE = "spool/queue";

/** Opens the store as soon as nobody has it. */
async function openOnceFree(folder: string, log: Log): Promise<Store> {
  for (;;) {
    try {
      return await createDiskStorage(folder, log).openStore(STORE);
    } catch (error) {
      if (!(error instanceof StorageError && error.code === "locked")) throw error;
    }
  }
}

test("who waits for it finds it sealed, each time", async () => {
  const folder = await temporaryFolder();
  const lines: unknown[] = [];
  const note: Log["warn"] = (event, fields) => void lines.push([event, fields]);
  const log: Log = { ...silentLog, warn: note, error: note };
  let store = await createDiskStorage(folder, log).openStore(STORE);
  for (let turn = 0; turn < 25; turn++) {
    await store.commit([{ type: "put", key: octets(`${turn}`), value: octets("kept") }]);
    [store] = await Promise.all([openOnceFree(folder, log), store.close()]);
  }
  await store.close();
  expect(lines).toEqual([]);
});

test("who comes meanwhile is told", async () => {
  const folder = await temporaryFolder();
  const store = await createDiskStorage(folder).openStore(STORE);
  await expect(createDiskStorage(folder).openStore("ledger/state")).rejects.toMatchObject({
    code: "locked",
    message: `${folder} is in use by another mailonce`,
  });
  await store.close();
  await (await createDiskStorage(folder).openStore("ledger/state")).close();
});

test("a store that can't be opened leaves the folder to others", async () => {
  const folder = await temporaryFolder();
  const storage = createDiskStorage(folder);
  await (await storage.openStore(STORE)).close();
  await rm(join(folder, STORE, "CURRENT"));
  await expect(storage.openStore(STORE)).rejects.toMatchObject({ code: "damaged" });
  await expect(createDiskStorage(folder).openStore(STORE)).rejects.toMatchObject({ code: "damaged" });
});

test.each(["removed", "emptied", "of other content"])("a file of the lock is %s", async (damage) => {
  const folder = await temporaryFolder();
  const open = async () => await createDiskStorage(folder).openStore(STORE);
  await (await open()).close();
  const files = await readdir(join(folder, "lock"));
  expect(files).toContain("CURRENT");
  for (const file of files) {
    const path = join(folder, "lock", file);
    if (damage === "removed") await rm(path, { force: true });
    else await writeFile(path, damage === "emptied" ? "" : "nothing of LevelDB's\n");
    const store = await open();
    await expect(open()).rejects.toMatchObject({ code: "locked" });
    await store.close();
  }
});
