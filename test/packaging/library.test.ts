// What somebody gets who installs the packed tarball into an empty folder: few packages, the command, the library for both
// kinds of modules with its types, and the licences of what is bundled.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { messageId } from "../../src/index.ts";
import { readMaildir } from "../support/maildir.ts";
import { freePort } from "../support/peers.ts";
import { environmentOf, makeFolder, startProcess } from "../support/process.ts";

const { path: folder, remove } = makeFolder();
afterAll(remove);

const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

beforeAll(() => {
  const [{ filename }] = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
      encoding: "utf8",
    }),
  );
  writeFileSync(join(folder, "package.json"), "{}");
  // No script of a package runs, so nothing is compiled.
  run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", join(folder, filename));
});

test("it comes with few packages", () => {
  const { packages } = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8"));
  const names = Object.keys(packages).flatMap((path) => path.split("node_modules/").at(-1) || []);
  expect(names.sort()).toEqual(
    [
      ...[
        "abstract-level",
        "bcryptjs",
        "buffer",
        "base64-js",
        "classic-level",
        "ieee754",
        "is-buffer",
      ].sort(),
      ...["level-supports", "level-transcoder", "mailonce", "maybe-combine-errors", "module-error"],
      ...["napi-macros", "node-gyp-build"],
    ].sort(),
  );
});

test("the command is there", () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  expect(run("npx", "mailonce", "--version")).toBe(`${version}\n`);
});

test("one command runs the gateway there, another one shows that it drops repeats", async () => {
  const port = await freePort();
  const environment = { DATA_DIR: join(folder, "data"), SMTP_PORT: port, HTTP_PORT: 0 };
  const main = join(folder, "node_modules/.bin/mailonce");
  const gateway = await startProcess(environment, { main });
  const env = environmentOf(environment);
  const demo = execFileSync("npx", ["mailonce", "demo"], { cwd: folder, encoding: "utf8", env });
  expect(demo.match(/queued as/g)).toHaveLength(3);
  expect(demo.match(/repeat of .*, not relayed again/g)).toHaveLength(3);
  expect(readMaildir(join(folder, "data/outbox"))).toHaveLength(3);
  expect(await gateway.stop()).toBe(0);
});

describe("the library", () => {
  const options = { task: "7f3", to: "user@example.com", from: "app@sender.example" };
  const line = `process.stdout.write(messageId(${JSON.stringify(options)}))`;

  test.each([
    ["import", "a.mjs", `import { messageId } from "mailonce"; ${line}`],
    ["require", "a.cjs", `const { messageId } = require("mailonce"); ${line}`],
  ])("for %s", (_, file, text) => {
    writeFileSync(join(folder, file), text);
    expect(run(process.execPath, file)).toBe(messageId(options));
  });

  test("has types for both", () => {
    const text = (call: string) =>
      `import { messageId } from "mailonce";\nexport const id: string = ${call};\n`;
    for (const file of ["right.mts", "right.cts"]) {
      writeFileSync(join(folder, file), text('messageId({ task: "1", to: "a@example.com" })'));
    }
    const compile = (...files: string[]) =>
      run(
        process.execPath,
        resolve("node_modules/typescript/bin/tsc"),
        "--noEmit",
        "--strict",
        "--module",
        "node20",
        ...files,
      );
    compile("right.mts", "right.cts");
    for (const file of ["wrong.mts", "wrong.cts"]) {
      writeFileSync(join(folder, file), text("messageId({ task: 1 })"));
      expect(() => compile(file), file).toThrow();
    }
  });
});

test("the licence of each bundled package is named, and lets us", () => {
  const text = readFileSync(join(folder, "node_modules/mailonce/dist/licenses.txt"), "utf8");
  const found = new Map(
    text.split(/^-{80}$/m).map((one) => {
      const [, name = "", licence = ""] = /^\s*(\S+) \S+: (.+)\n/.exec(one) ?? [];
      return [name, { licence, text: one }] as const;
    }),
  );
  const { devDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  for (const name of [
    "nodemailer",
    "smtp-server",
    "mailparser",
    "@aws-sdk/client-sesv2",
    "zod",
    "pg",
    "hono",
  ]) {
    expect(devDependencies).toHaveProperty([name]);
    expect([...found.keys()]).toContain(name);
  }
  const allowed = /^(MIT|\(MIT OR EUPL-1\.1\+\)|MIT-0|ISC|0BSD|BSD-[23]-Clause|Apache-2\.0|BlueOak-1\.0\.0)$/;
  expect(
    [...found]
      .filter(([, { licence }]) => !allowed.test(licence))
      .map(([name, { licence }]) => [name, licence]),
  ).toEqual([]);
});

test("no file is there that the package does not need", () => {
  const parts = readdirSync(join(folder, "node_modules/mailonce"));
  expect(parts.sort()).toEqual(
    [
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "dist",
      "docs",
      "examples",
      "integrations",
      "package.json",
      "packaging",
    ].sort(),
  );
});
