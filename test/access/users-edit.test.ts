import { chmod, lstat, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dropUser, putUser } from "../../src/access/users-edit.ts";
import { makeFolder } from "../support/process.ts";

const hash = (n: number): string => `$scrypt$ln=15,r=8,p=3$${"A".repeat(22)}$${String(n).padStart(42, "A")}A`;

let folder: ReturnType<typeof makeFolder>;
let path: string;
beforeEach(() => {
  folder = makeFolder();
  path = join(folder.path, "users");
});
afterEach(() => folder.remove());

const text = (): Promise<string> => readFile(path, "utf8");
const modeOf = async (): Promise<number> => (await stat(path)).mode & 0o777;

test("the first user makes the file, for its owner only", async () => {
  expect(await putUser(path, "app", hash(1), false)).toBe("added");
  expect(await text()).toBe(`app:${hash(1)}\n`);
  expect(await modeOf()).toBe(0o600);
  expect(await readdir(folder.path)).toEqual(["users"]);
});

test("one line changes, all others and their order stay", async () => {
  const before = `# mailers\n\napp:${hash(1)}\n# the shop\nshop:${hash(2)}\napps:${hash(3)}`;
  await writeFile(path, before, { mode: 0o600 });
  expect(await putUser(path, "app", hash(4), false)).toBe("exists");
  expect(await text()).toBe(before);
  expect(await putUser(path, "app", hash(4), true)).toBe("replaced");
  expect(await text()).toBe(`${before.replace(hash(1), hash(4))}\n`);
  expect(await putUser(path, "new", hash(5), true)).toBe("added");
  expect(await dropUser(path, "shop")).toBe(true);
  expect(await dropUser(path, "shop")).toBe(false);
  expect(await text()).toBe(`# mailers\n\napp:${hash(4)}\n# the shop\napps:${hash(3)}\nnew:${hash(5)}\n`);
  expect(await readdir(folder.path)).toEqual(["users"]);
});

test("the group's rights stay, those of others go", async () => {
  await writeFile(path, "", { mode: 0o640 });
  await putUser(path, "app", hash(1), false);
  expect(await modeOf()).toBe(0o640);
  await chmod(path, 0o644);
  await putUser(path, "shop", hash(2), false);
  expect(await modeOf()).toBe(0o600);
});

test("a link stays a link", async () => {
  await writeFile(join(folder.path, "real"), "", { mode: 0o600 });
  await symlink("real", path);
  await putUser(path, "app", hash(1), false);
  expect((await lstat(path)).isSymbolicLink()).toBe(true);
  expect(await text()).toBe(`app:${hash(1)}\n`);
});

test("a file with a fault is left alone", async () => {
  await writeFile(path, "hunter2\n", { mode: 0o600 });
  await expect(putUser(path, "app", hash(1), false)).rejects.toThrow(`${path}: line 1: has no ":"`);
  await expect(dropUser(path, "hunter2")).rejects.toThrow("line 1");
  expect(await text()).toBe("hunter2\n");
  expect(await readdir(folder.path)).toEqual(["users"]);
});

test("there is nobody to remove from no file", async () => {
  await expect(dropUser(path, "app")).rejects.toThrow("ENOENT");
  expect(await readdir(folder.path)).toEqual([]);
});

test("of edits at the same time none undoes another: what was not refused is there", async () => {
  const names = Array.from({ length: 8 }, (_, n) => `user-${n}`);
  const edits = await Promise.allSettled(names.map((name, n) => putUser(path, name, hash(n), false)));
  const done = names.filter((_, n) => edits[n]?.status === "fulfilled");
  expect(done.length).toBeGreaterThan(0);
  const there = (await text()).split("\n").filter(Boolean);
  expect(there.map((line) => line.split(":")[0]).sort()).toEqual(done);
  for (const edit of edits)
    if (edit.status === "rejected") expect(String(edit.reason)).toContain("under way");
});

test("any edits leave what a map would hold, in the order of the additions", async () => {
  const name = fc.constantFrom("a", "b", "c.d", "$x");
  const edits = fc.array(fc.record({ name, n: fc.nat(9), replace: fc.boolean(), drop: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(edits, async (steps) => {
      await writeFile(path, "# head\n", { mode: 0o600 });
      const model = new Map<string, string>();
      for (const { name, n, replace, drop } of steps) {
        if (drop) expect(await dropUser(path, name)).toBe(model.delete(name));
        else {
          const had = model.has(name);
          if (!had || replace) model.set(name, hash(n));
          expect(await putUser(path, name, hash(n), replace)).toBe(
            had ? (replace ? "replaced" : "exists") : "added",
          );
        }
      }
      expect(await text()).toBe(`# head\n${[...model].map(([key, value]) => `${key}:${value}\n`).join("")}`);
    }),
    { numRuns: 40 },
  );
});
