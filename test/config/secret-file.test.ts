// Files that hold a secret: what is read, what is refused, and that no refusal tells the content.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { readSecretFile, tooOpen } from "../../src/runtime/secret-file.ts";
import { makeFolder } from "../support/process.ts";

const folder = makeFolder();
afterAll(() => folder.remove());

let files = 0;
function file(content: string | Uint8Array, mode = 0o600): string {
  const path = join(folder.path, `secret${files++}`);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function faultOf(path: string): string {
  try {
    readSecretFile(path);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`${path} was read`);
}

const SECRET = "kHq7-canary";

describe("what is read", () => {
  test("the content without its last line end, and nothing else off it", () => {
    expect(readSecretFile(file(SECRET))).toBe(SECRET);
    expect(readSecretFile(file(`${SECRET}\n`))).toBe(SECRET);
    expect(readSecretFile(file(`${SECRET}\r\n`))).toBe(SECRET);
    expect(readSecretFile(file(`${SECRET}\n\n`))).toBe(`${SECRET}\n`);
    expect(readSecretFile(file(` ${SECRET}\t\n`))).toBe(` ${SECRET}\t`);
  });

  test("whatever text it is", () => {
    const text = fc.string({ unit: "binary", minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(text, (secret) => {
        // With the line feed behind it this would be a line end of Windows.
        fc.pre(!secret.endsWith("\r"));
        expect(readSecretFile(file(`${secret}\n`))).toBe(secret);
      }),
      { numRuns: 200 },
    );
  });

  test("64 KiB, through a symbolic link", () => {
    const link = join(folder.path, "link");
    symlinkSync(file("x".repeat(64 * 1024)), link);
    expect(readSecretFile(link)).toHaveLength(64 * 1024);
  });
});

describe("what is refused", () => {
  test("a file that is not there, and a folder", () => {
    const missing = join(folder.path, "missing");
    expect(faultOf(missing)).toBe(
      `${missing}: can't be read: ENOENT: no such file or directory, open '${missing}'`,
    );
    const path = join(folder.path, "folder");
    mkdirSync(path);
    expect(faultOf(path)).toBe(`${path}: is not a regular file`);
  });

  test("a pipe, without waiting for it", () => {
    const path = join(folder.path, "pipe");
    execFileSync("mkfifo", ["-m", "600", path]);
    expect(faultOf(path)).toBe(`${path}: is not a regular file`);
  });

  test.each(["", "\n", "\r\n"])("an empty one: %j", (content) => {
    const path = file(content);
    expect(faultOf(path)).toBe(`${path}: is empty`);
  });

  test("one octet more than 64 KiB", () => {
    const path = file(SECRET.padEnd(64 * 1024 + 1, "x"));
    expect(faultOf(path)).toBe(`${path}: is larger than 64 KiB`);
  });

  test("what is not UTF-8", () => {
    const path = file(Buffer.concat([Buffer.from(SECRET), Buffer.from([0xff])]));
    expect(faultOf(path)).toBe(`${path}: is not UTF-8`);
  });
});

describe("rights", () => {
  const what = (mode: number): string | undefined => {
    const others = mode & 0o007;
    if (others === 0) return undefined;
    if (others === 0o001) return "others have rights to it";
    const rights = [...(others & 4 ? ["read"] : []), ...(others & 2 ? ["change"] : [])];
    return `others can ${rights.join(" and ")} it`;
  };

  test("every mode: none for others, whatever the group may do", () => {
    const path = file(SECRET);
    // Owner and group don't count, so three settings of theirs stand for all.
    for (const rest of [0o600, 0o440, 0o770]) {
      for (let others = 0; others <= 0o007; others++) {
        chmodSync(path, rest | others);
        const said = what(others);
        const fault = said && `${path}: ${said}; chmod 600 ${path}`;
        expect(tooOpen(path)).toBe(fault);
        if (fault !== undefined) expect(faultOf(path)).toBe(fault);
        else expect(readSecretFile(path)).toBe(SECRET);
      }
    }
  });

  test("a symbolic link has those of its file, and what is not there has none", () => {
    const link = join(folder.path, "open-link");
    symlinkSync(file(SECRET, 0o644), link);
    expect(tooOpen(link)).toBe(`${link}: others can read it; chmod 600 ${link}`);
    expect(tooOpen(join(folder.path, "missing"))).toBeUndefined();
  });
});

test("no refusal tells the content", () => {
  const all = [
    file(SECRET, 0o644),
    file(SECRET, 0o602),
    file(SECRET.padEnd(70_000, "x")),
    file(Buffer.concat([Buffer.from(SECRET), Buffer.from([0xc3])])),
  ];
  for (const path of all) expect(faultOf(path)).not.toContain(SECRET);
});
