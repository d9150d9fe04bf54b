// The tokens file and `mailonce token`: a token is shown once, and the file has only what can't be turned back into it.
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AccessFileError } from "../../src/access/access-file.ts";
import { openTokensFile, readTokens } from "../../src/access/tokens-file.ts";
import { digestOf, parseTokens } from "../../src/access/tokens-lines.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { makeFolder, type Run, run } from "../support/process.ts";

let folder: ReturnType<typeof makeFolder>;
let file: string;
beforeEach(() => {
  folder = makeFolder();
  file = join(folder.path, "tokens");
});
afterEach(() => folder.remove());

const DIGEST = "0".repeat(64);

describe("the lines", () => {
  test("names with role and digest, comments and blank lines", () => {
    const text = `# scrapers\n\nprometheus:read:${DIGEST}\r\nann:operate:${"f".repeat(64)}\n`;
    const result = parseTokens(text);
    expect(result.ok && [...result.values]).toEqual([
      ["prometheus", { role: "read", digest: DIGEST }],
      ["ann", { role: "operate", digest: "f".repeat(64) }],
    ]);
  });

  test.each([
    ["prometheus", 'line 1: has no ":" between name and role'],
    ["ann:admin:x", 'line 1: the role is neither "read" nor "operate"'],
    ["ann:read", "line 1: behind the role is no SHA-256 in 64 lower-case hexadecimal digits"],
    ["ann:read:mailonce_secret", "line 1: behind the role is no SHA-256"],
    [`ann:read:${DIGEST}:more`, "line 1: behind the role is no SHA-256"],
    [`ann:read:${"F".repeat(64)}`, "line 1: behind the role is no SHA-256"],
    [`ann:read:${DIGEST}\nann:operate:${DIGEST}`, 'line 2: "ann" is on line 1 already'],
    [`a b:read:${DIGEST}`, "line 1: the name is not"],
  ])("%j is refused, without what may be a token", (text, fault) => {
    const result = parseTokens(text);
    expect(result.ok ? [] : result.faults).toEqual([expect.stringContaining(fault)]);
    expect(JSON.stringify(result)).not.toContain("secret");
  });
});

describe("the file", () => {
  test("that others can read is refused", async () => {
    writeFileSync(file, `ann:read:${DIGEST}\n`);
    chmodSync(file, 0o644);
    await expect(readTokens(file)).rejects.toBeInstanceOf(AccessFileError);
  });

  test("is followed: a holder counts as long as the line is there", async () => {
    const clock = createManualClock();
    const events: string[] = [];
    const log = { info: (event: string) => events.push(event), error: (event: string) => events.push(event) };
    writeFileSync(file, `ann:read:${digestOf("token")}\n`, { mode: 0o600 });
    const tokens = await openTokensFile(file, clock, log);
    const holder = tokens.find("token");
    expect(holder).toMatchObject({ name: "ann", role: "read" });
    expect([tokens.find("tokem"), tokens.find(""), tokens.find(digestOf("token"))]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    writeFileSync(file, `ann:operate:${digestOf("token")}\n`);
    while (!events.includes("tokens.reloaded")) {
      clock.advance(2_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(holder?.valid()).toBe(false);
    expect(tokens.find("token")).toMatchObject({ role: "operate" });
    tokens.close();
  });
});

describe("mailonce token", () => {
  const token = (...args: string[]): Promise<Run> => run(["token", ...args, "--file", file]);

  test("makes one, shows it once, and keeps its digest for the owner only", async () => {
    const added = await token("add", "ann", "--role", "operate");
    expect(added).toMatchObject({ code: 0, stderr: "" });
    expect(added.stdout).toMatch(/^mailonce_[a-z2-7]{56}\n$/);
    const secret = added.stdout.trim();
    expect(readFileSync(file, "utf8")).toBe(`ann:operate:${digestOf(secret)}\n`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await token("list")).toEqual({
      code: 0,
      stderr: "",
      stdout: '{"token":"ann","role":"operate"}\n',
    });
  });

  test("replaces one only when asked, and removes it", async () => {
    await token("add", "ann", "--role", "read");
    const before = readFileSync(file, "utf8");
    expect(await token("add", "ann", "--role", "read")).toEqual({
      ...{ code: 1, stdout: "", stderr: "mailonce: ann is there; --replace gives another token\n" },
    });
    expect(readFileSync(file, "utf8")).toBe(before);
    expect((await token("add", "ann", "--role", "operate", "--replace")).code).toBe(0);
    expect(readFileSync(file, "utf8")).toMatch(/^ann:operate:/);
    expect(await token("remove", "ann")).toMatchObject({ code: 0, stdout: "ann removed\n" });
    expect(await token("remove", "ann")).toMatchObject({
      code: 1,
      stderr: "mailonce: there is no token ann\n",
    });
  });

  test("wants a name, a role and a file", async () => {
    expect(await token("add", "ann", "--role", "admin")).toMatchObject({
      ...{ code: 2, stderr: "mailonce: --role: expected read or operate\n" },
    });
    expect((await token("add", "ann")).code).toBe(2);
    expect((await token("add", "a:b", "--role", "read")).code).toBe(2);
    expect(await run(["token", "list"])).toMatchObject({
      ...{
        code: 2,
        stderr: "mailonce: there is no tokens file: set http.tokens_file, or name one with --file\n",
      },
    });
  });
});
