// The data folder is its user's alone: others' rights and another owner are refused before anything is
// put into it.
import { chmod, chown, mkdir, readdir, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { temporaryFolder } from "../support/storage.ts";

const isRoot = process.geteuid?.() === 0;

async function folderWith(mode: number): Promise<string> {
  const folder = join(await temporaryFolder(), "data");
  await mkdir(folder);
  await chmod(folder, mode);
  return folder;
}

async function isUsable(folder: string): Promise<void> {
  const storage = createDiskStorage(folder);
  await (await storage.openStore("spool/queue")).close();
  const file = await storage.createFile("spool/bodies/one");
  await file.close();
}

describe("a folder that is there", () => {
  test.each([0o701, 0o705, 0o710, 0o750, 0o755, 0o770, 0o777, 0o1777])("mode %o is refused", async (mode) => {
    const folder = await folderWith(mode);
    const storage = createDiskStorage(folder);
    const rights = `0${(mode & 0o777).toString(8)}`;
    const refused = {
      name: "StorageError",
      code: "unavailable",
      message: `${folder} is open to other users (mode ${rights}); chmod 700 ${folder}`,
    };
    await expect(storage.openStore("spool/queue")).rejects.toMatchObject(refused);
    await expect(storage.createFile("spool/bodies/one")).rejects.toMatchObject(refused);
    expect(await readdir(folder)).toEqual([]);
    expect((await stat(folder)).mode & 0o7777).toBe(mode);

    await chmod(folder, 0o700);
    await (await storage.openStore("spool/queue")).close();
  });

  // Setgid comes from a parent, as in a volume of Kubernetes, and gives nobody a right.
  test.each([0o700, 0o2700])("mode %o is taken", async (mode) => {
    await isUsable(await folderWith(mode));
  });

  test("behind a symbolic link counts itself, as in systemd's state directories", async () => {
    const folder = await folderWith(0o700);
    const link = join(folder, "..", "link");
    await symlink(folder, link);
    await isUsable(link);
    await chmod(folder, 0o755);
    await expect(isUsable(link)).rejects.toMatchObject({ code: "unavailable" });
  });

  test.skipIf(!isRoot)("of another user is refused, even by root", async () => {
    const folder = await folderWith(0o700);
    await chown(folder, 65_534, 65_534);
    await expect(isUsable(folder)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(
        /data belongs to user 65534, and this is user 0; run mailonce as the user/,
      ),
    });
    expect(await readdir(folder)).toEqual([]);
  });
});

test("a folder that is made is closed to others, whatever the umask", async () => {
  const parent = await temporaryFolder();
  const before = process.umask(0);
  try {
    await isUsable(join(parent, "new", "data"));
  } finally {
    process.umask(before);
  }
  for (const folder of ["new", "new/data", "new/data/spool"]) {
    expect((await stat(join(parent, folder))).mode & 0o777).toBe(0o700);
  }
});
