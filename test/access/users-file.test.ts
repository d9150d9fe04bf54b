import { chmod, mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AccessFileError } from "../../src/access/access-file.ts";
import { openUsersFile, type UsersFile } from "../../src/access/users-file.ts";
import { parseUsers } from "../../src/access/users-lines.ts";
import type { LogFields } from "../../src/runtime/log.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { makeFolder } from "../support/process.ts";

const SALT = "A".repeat(22);
/** Hashes of nothing in particular, which differ. */
const hash = (n: number): string => `$scrypt$ln=15,r=8,p=3$${SALT}$${String(n).padStart(42, "A")}A`;

const faultsOf = (text: string): readonly string[] => {
  const result = parseUsers(text);
  return result.ok ? [] : result.faults;
};

describe("the lines", () => {
  test("users, comments and blank lines, with line ends of every kind", () => {
    const result = parseUsers(`# mailers\n\napp:${hash(1)}\r\n  # old\n  \nshop@example.com:${hash(2)}`);
    expect(result.ok && [...result.values].map(([name, { text }]) => [name, text])).toEqual([
      ["app", hash(1)],
      ["shop@example.com", hash(2)],
    ]);
  });

  test("every fault is named with its line, and no secret", () => {
    const text = [
      `app:${hash(1)}`,
      "hunter2",
      "shop:hunter2",
      `app:${hash(2)}`,
      `two words:${hash(3)}`,
      `:${hash(4)}`,
      `Zürich:${hash(5)}`,
      `${"x".repeat(256)}:${hash(6)}`,
      `${hash(7)}:shop`,
    ].join("\n");
    const faults = faultsOf(text);
    expect(faults.map((fault) => fault.slice(0, 20))).toEqual([
      'line 2: has no ":" b',
      "line 3: the hash is ",
      'line 4: "app" is on ',
      "line 5: the name is ",
      "line 6: the name is ",
      "line 7: the name is ",
      "line 8: the name is ",
      "line 9: the hash is ",
    ]);
    expect(faults.join()).not.toMatch(/hunter2|ln=15|AAAA/);
  });

  test("whatever stands there is read or refused, and what is refused is not repeated", () => {
    const line = fc.oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.stringMatching(/^[ -~]{0,12}:[ -~]{0,40}$/),
      fc.constantFrom("", "# x", `a:${hash(1)}`, `b:${hash(2)}`),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        const faults = faultsOf(lines.join("\n"));
        const count = lines.join("\n").split("\n").length;
        for (const fault of faults) {
          expect(fault).toMatch(/^line \d+: (?:the (?:name|hash) |"[ab]" is on |has no ":")/);
          expect(Number(/\d+/.exec(fault)?.[0])).toBeLessThanOrEqual(count);
        }
      }),
    );
  });
});

describe("the file", () => {
  let folder: ReturnType<typeof makeFolder>;
  let path: string;
  let clock: ReturnType<typeof createManualClock>;
  let lines: [event: string, fields: LogFields][];
  let file: UsersFile | undefined;
  beforeEach(() => {
    folder = makeFolder();
    path = join(folder.path, "users");
    clock = createManualClock();
    lines = [];
  });
  afterEach(() => {
    file?.close();
    folder.remove();
  });

  const line = (event: string, fields: LogFields = {}) => void lines.push([event, fields]);
  const write = (text: string, to = path) => writeFile(to, text, { mode: 0o600 });
  const openFile = async (at = path): Promise<UsersFile> => {
    file = await openUsersFile(at, clock, { info: line, error: line });
    return file;
  };
  const refusal = async (at = path): Promise<string> => {
    const error = await openUsersFile(at, clock, { info: line, error: line }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(AccessFileError);
    return error.faults.join("\n");
  };

  /** One look at the file, to its end: when the next is due. */
  async function look(): Promise<void> {
    clock.advance(2_000);
    while (clock.untilNext() === undefined) await new Promise((resolve) => setImmediate(resolve));
  }

  test("a file with a fault, or none, refuses the start with all that is wrong", async () => {
    expect(await refusal()).toMatch(/users: can't be read: ENOENT/);
    await write("a\nb\n");
    expect(await refusal()).toBe(
      `${path}: line 1: has no ":" between name and hash\n${path}: line 2: has no ":" between name and hash`,
    );
    expect(await refusal(folder.path)).toContain("regular file");
    await write("#".repeat(9 * 1024 * 1024));
    expect(await refusal()).toContain("larger than 8 MiB");
  });

  test.each([0o604, 0o602, 0o646])("a file that others can use is refused: %o", async (mode) => {
    await write(`app:${hash(1)}\n`);
    await chmod(path, mode);
    expect(await refusal()).toContain(`chmod 600 ${path}`);
    await chmod(path, 0o640);
    expect((await openFile()).get("app")?.text).toBe(hash(1));
  });

  test("a changed file is read once it has come to rest", async () => {
    await write(`app:${hash(1)}\n`);
    const users = await openFile();
    await look();
    expect(lines).toEqual([]);
    await write(`app:${hash(2)}\n# more to come`);
    await look();
    await write(`app:${hash(2)}\nshop:${hash(3)}\n`);
    await look();
    expect(users.get("app")?.text).toBe(hash(1));
    await look();
    expect(lines).toEqual([["users.reloaded", { users: 2 }]]);
    expect(users.get("app")?.text).toBe(hash(2));
    expect(users.get("shop")?.text).toBe(hash(3));
    await look();
    expect(lines).toHaveLength(1);
  });

  test("a file that replaces it is seen, as an editor or a container's secret does it", async () => {
    for (const version of ["1", "2"]) await mkdir(join(folder.path, version));
    await write(`app:${hash(1)}\n`, join(folder.path, "1", "users"));
    await write(`app:${hash(2)}\n`, join(folder.path, "2", "users"));
    await symlink("1", join(folder.path, "data"));
    await symlink(join("data", "users"), path);
    const users = await openFile();
    await symlink("2", join(folder.path, "next"));
    await rename(join(folder.path, "next"), join(folder.path, "data"));
    await look();
    await look();
    expect(users.get("app")?.text).toBe(hash(2));
    await write(`app:${hash(3)}\n`, join(folder.path, "other"));
    await rename(join(folder.path, "other"), path);
    await look();
    await look();
    expect(users.get("app")?.text).toBe(hash(3));
  });

  test("a bad new file leaves the users as they are, and is complained about once", async () => {
    await write(`app:${hash(1)}\n`);
    const users = await openFile();
    await write(`app:${hash(1)}\n${"x\n".repeat(12)}`);
    for (let n = 0; n < 4; n++) await look();
    await rm(path);
    for (let n = 0; n < 4; n++) await look();
    await write(`app:${hash(1)}\n`);
    await chmod(path, 0o644);
    for (let n = 0; n < 4; n++) await look();
    expect(lines.map(([event]) => event)).toEqual(Array(3).fill("users.reload_failed"));
    const [faulty, missing, open] = lines.map(([, fields]) => String(fields.error));
    expect(faulty).toMatch(/line 11: has no ":" between name and hash; 2 more$/);
    expect(missing).toContain("ENOENT");
    expect(open).toContain("chmod 600");
    expect(users.get("app")?.text).toBe(hash(1));
    await chmod(path, 0o600);
    await look();
    await look();
    expect(lines.at(-1)).toEqual(["users.reloaded", { users: 1 }]);
  });

  test("reload reads at once, and says whether it took", async () => {
    await write(`app:${hash(1)}\n`);
    const users = await openFile();
    await write(`shop:${hash(2)}\n`);
    expect(await users.reload()).toBe(true);
    expect(users.get("app")).toBeUndefined();
    await write("nonsense");
    expect(await Promise.all([users.reload(), users.reload()])).toEqual([false, false]);
    expect(users.get("shop")?.text).toBe(hash(2));
    expect(await readFile(path, "utf8")).toBe("nonsense");
  });

  test("after close nothing is looked at", async () => {
    await write(`app:${hash(1)}\n`);
    (await openFile()).close();
    expect(clock.untilNext()).toBeUndefined();
  });
});
