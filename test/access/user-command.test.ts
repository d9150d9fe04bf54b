// `mailonce user`, as a script and as a person at a terminal use it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { hashSync } from "bcryptjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseHash, verifyPassword } from "../../src/access/password.ts";
import { makeFolder, type Run } from "../support/process.ts";

const MAIN = resolve("dist/main.js");

let folder: ReturnType<typeof makeFolder>;
let file: string;
beforeEach(() => {
  folder = makeFolder();
  file = join(folder.path, "users");
});
afterEach(() => folder.remove());

/** Runs a program; `answer` is called with all its output so far, and says what to type next. */
async function converse(
  command: string,
  args: readonly string[],
  answer: (output: string) => string | Buffer | undefined,
): Promise<Run> {
  const child = spawn(command, args, { env: { PATH: process.env.PATH } });
  let stdout = "";
  let stderr = "";
  const listen = (): void => {
    const text = answer(stdout + stderr);
    if (text !== undefined) child.stdin.write(text);
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    listen();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    listen();
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** With standard input that is no terminal. */
async function user(args: readonly string[], input: string | Buffer = ""): Promise<Run> {
  const child = spawn(process.execPath, [MAIN, "user", ...args], { env: { PATH: process.env.PATH } });
  const run = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (run.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (run.stderr += text));
  // It may have ended before it read.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...run };
}

/** Does the file hold the password? As `user verify` asks, without a process for it. */
async function holds(name: string, password: string): Promise<boolean> {
  const line = readFileSync(file, "utf8")
    .split("\n")
    .find((one) => one.startsWith(`${name}:`));
  const parsed = parseHash(line?.slice(name.length + 1) ?? "");
  if (!parsed.ok) throw new Error(parsed.fault);
  return await verifyPassword(password, parsed.hash);
}

const inFile = (...args: string[]): string[] => [...args, "--file", file];

describe("from a script", () => {
  test("add, verify, list, replace, remove", async () => {
    expect(await user(inFile("add", "app"), "first\n")).toEqual({
      code: 0,
      stdout: "app added\n",
      stderr: "",
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await user(inFile("verify", "app"), "first")).code).toBe(0);
    expect((await user(inFile("verify", "app"), "second\n")).code).toBe(1);
    expect((await user(inFile("verify", "nobody"), "first\n")).code).toBe(1);

    expect((await user(inFile("add", "app"), "second\n")).stderr).toMatch(/app is there; --replace/);
    expect((await user(inFile("add", "app", "--replace"), "second\r\nthird\n")).code).toBe(0);
    expect(await holds("app", "second")).toBe(true);
    expect(await holds("app", "first")).toBe(false);

    await user(inFile("add", "shop@example.com"), "pässword\n");
    expect((await user(inFile("list"))).stdout).toBe(
      '{"user":"app","hash":"scrypt"}\n{"user":"shop@example.com","hash":"scrypt"}\n',
    );
    expect((await user(inFile("remove", "app"))).code).toBe(0);
    expect((await user(inFile("remove", "app"))).code).toBe(1);
    expect((await user(inFile("list"))).stdout).toBe('{"user":"shop@example.com","hash":"scrypt"}\n');
  });

  test("a bcrypt hash that was brought along", async () => {
    writeFileSync(file, `# from aws-smtp-relay\nrelay:${hashSync("secret", 10)}\n`, { mode: 0o600 });
    expect((await user(inFile("verify", "relay"), "secret\n")).code).toBe(0);
    expect((await user(inFile("verify", "relay"), "wrong\n")).code).toBe(1);
    expect((await user(inFile("list"))).stdout).toBe('{"user":"relay","hash":"bcrypt"}\n');
  });

  test.each([
    ["nothing", ""],
    ["an empty line", "\nsecret\n"],
    ["too much", "x".repeat(1_025)],
    ["a NUL", "a\0b\n"],
  ])("%s is no password", async (_, input) => {
    expect((await user(inFile("add", "app"), input)).code).toBe(1);
    expect(existsSync(file)).toBe(false);
  });

  test("a password of any length that is allowed arrives whole", async () => {
    const password = "ü".repeat(512);
    await user(inFile("add", "app"), `${password}\n`);
    expect((await user(inFile("verify", "app"), `${password}\n`)).code).toBe(0);
    expect(await holds("app", password.slice(1))).toBe(false);
  });

  test("what is wrong with name or file is code 2, and no hash is shown", async () => {
    expect(await user(inFile("add", "two words"), "x\n")).toMatchObject({ code: 2 });
    expect(await user(["list"])).toMatchObject({ code: 2 });
    expect(await user(inFile("list"))).toMatchObject({ code: 2 });
    writeFileSync(file, "hunter2\nshop:hunter3\n", { mode: 0o600 });
    const { code, stderr } = await user(inFile("verify", "shop"), "x\n");
    expect(code).toBe(2);
    expect(stderr).toMatch(/line 1: .*\n.*line 2: /);
    expect(stderr).not.toContain("hunter");
    chmodSync(file, 0o644);
    expect((await user(inFile("list"))).stderr).toContain("chmod 600");
  });

  test("the file that the configuration names", async () => {
    const config = join(folder.path, "mailonce.toml");
    writeFileSync(
      config,
      `[smtp]\ntls = "required"\n[tls]\ncert_file = "cert.pem"\nkey_file = "key.pem"\n` +
        `[access]\nusers_file = ${JSON.stringify(file)}\n`,
      { mode: 0o600 },
    );
    expect((await user(["add", "app", "--config", config], "secret\n")).code).toBe(0);
    expect(await holds("app", "secret")).toBe(true);
  });
});

describe("at a terminal", () => {
  /** Python's pty makes one of our pipes, and hands on the exit code. */
  const PTY = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

  /** @param typed for each question what is typed at it, line end included */
  async function atTerminal(args: readonly string[], typed: readonly string[]): Promise<Run> {
    let asked = 0;
    return await converse("python3", ["-c", PTY, process.execPath, MAIN, "user", ...args], (output) => {
      const questions = output.match(/(?:Password|Again): /g)?.length ?? 0;
      return questions > asked ? typed[asked++] : undefined;
    });
  }

  test("the password is asked for twice, and never shown", async () => {
    const added = await atTerminal(inFile("add", "app"), ["hunter2\r", "hunter2\r"]);
    expect(added.code).toBe(0);
    expect(added.stdout.replaceAll("\r", "")).toBe("Password: \nAgain: \napp added\n");
    const verified = await atTerminal(inFile("verify", "app"), ["hunter2\r"]);
    expect(verified.code).toBe(0);
    expect(verified.stdout.replaceAll("\r", "")).toBe("Password: \nthe password is right\n");
    expect(readFileSync(file, "utf8")).not.toContain("hunter2");
  });

  test("backspace and control-U edit the line; what was typed ahead counts", async () => {
    await atTerminal(inFile("add", "app"), ["nonsense\u0015huntex\u007fr2\rhunter2\r"]);
    expect(await holds("app", "hunter2")).toBe(true);
  });

  test("two that differ are none, nor is giving up", async () => {
    const differ = await atTerminal(inFile("add", "app"), ["hunter2\r", "hunter3\r"]);
    expect(differ).toMatchObject({ code: 1 });
    expect(differ.stdout).toContain("not the same");
    for (const key of ["\u0003", "\u0004"]) {
      expect(await atTerminal(inFile("add", "app"), ["hunter2\r", key])).toMatchObject({ code: 1 });
    }
    expect(existsSync(file)).toBe(false);
  });

  test("a user who is there is refused before a password is asked for", async () => {
    await user(inFile("add", "app"), "secret\n");
    const { code, stdout } = await atTerminal(inFile("add", "app"), []);
    expect(code).toBe(1);
    expect(stdout).not.toContain("Password");
  });
});
