// What is wrong with a configuration is said at once, all of it, each fault with its place, with exit code 2.
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { ConfigError, loadConfig } from "../../src/config/config.ts";
import { type Place, test } from "../support/place.ts";
import { environmentOf, run, type Settings } from "../support/process.ts";

function configFile({ folder }: Place, text: string): string {
  const file = join(folder, "mailonce.toml");
  writeFileSync(file, text);
  return file;
}

/** What `serve` and `check-config` print, a line each. */
function faultsOf(file: string, settings: Settings = {}): readonly string[] {
  try {
    loadConfig({ file, environment: environmentOf(settings) });
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).faults;
  }
}

// Both commands load the configuration in the same way: what each prints of it is shown by one that has many faults, and
// the others are tested on loading alone.
describe("a configuration file", () => {
  test("an unknown key and a wrong type, from file and environment, in one go", async ({ place }) => {
    const file = configFile(place, 'data_dir = 5\n[smtp]\nport = "x"\nprot = 1\n[upstream]\nkind = "smpt"\n');
    for (const command of ["serve", "check-config"]) {
      const settings = { SMTP_PROT: "1", SMTP_RECIPIENTS_MAX: "many" };
      const { code, stderr } = await run([command, "--config", file], settings);
      expect(code).toBe(2);
      expect(stderr.trimEnd().split("\n")).toEqual([
        "mailonce: MAILONCE_SMTP_PROT: no such key",
        `mailonce: ${file}: data_dir: Invalid input: expected string, received number`,
        `mailonce: ${file}: smtp.port: Invalid input: expected number, received string`,
        "mailonce: MAILONCE_SMTP_RECIPIENTS_MAX: Invalid input: expected number, received string",
        `mailonce: ${file}: smtp.prot: no such key`,
        `mailonce: ${file}: upstream.kind: Invalid option: expected one of "maildir"|"smtp"|"ses"`,
      ]);
    }
  });

  test("TOML that can't be parsed: line and column", ({ place }) => {
    const file = configFile(place, "[smtp]\nport = \n");
    expect(faultsOf(file)[0]).toMatch(new RegExp(`^${file}:2:\\d+: not TOML: `));
  });

  test("a file that can't be read", ({ place }) => {
    const missing = join(place.folder, "missing.toml");
    expect(faultsOf(missing)[0]).toContain(`${missing}: can't be read: ENOENT`);
  });

  test("a folder instead of a file", ({ place }) => {
    expect(faultsOf(place.folder)[0]).toContain("can't be read");
  });

  test("an address beyond loopback", ({ place }) => {
    expect(faultsOf(configFile(place, '[smtp]\nhost = "0.0.0.0"\n'))).toEqual([
      expect.stringMatching(/smtp\.host: 0\.0\.0\.0 can be reached from other machines/),
    ]);
  });

  test("a retention that a transmission in the spool can outlive (P11)", ({ place }) => {
    const text = '[ledger]\nretention = "2d"\n[spool]\nlifetime = "2d"\n';
    expect(faultsOf(configFile(place, text))).toEqual([
      expect.stringMatching(/ledger\.retention: must be longer than spool\.lifetime/),
    ]);
  });

  test("an SMTP upstream without a host, and a user name without a password", ({ place }) => {
    const text = '[upstream]\nkind = "smtp"\n[upstream.smtp]\nusername = "me"\n';
    expect(faultsOf(configFile(place, text))).toHaveLength(2);
  });
});

describe.each(["serve", "check-config"])("%s", (command) => {
  test("a Maildir that is a link, or that others can write in", async ({ place: { folder } }) => {
    const faultOf = async (path: string): Promise<string> => {
      const { code, stderr } = await run([command], { UPSTREAM_MAILDIR_PATH: path });
      expect(code).toBe(2);
      return stderr;
    };
    const real = join(folder, "real");
    const link = join(folder, "link");
    mkdirSync(join(real, "new"), { recursive: true });
    symlinkSync(real, link);
    expect(await faultOf(link)).toBe(
      `mailonce: upstream.maildir.path: ${link} is a link; name the folder itself\n`,
    );
    chmodSync(join(real, "new"), 0o777);
    expect(await faultOf(real)).toBe(
      `mailonce: upstream.maildir.path: ${join(real, "new")} can be written by others; chmod go-w ${join(real, "new")}\n`,
    );
    writeFileSync(join(real, "file"), "");
    expect(await faultOf(join(real, "file"))).toBe(
      `mailonce: upstream.maildir.path: ${join(real, "file")} is no folder\n`,
    );
  });
});

test("check-config prints every key and no secret", async () => {
  const { code, stdout } = await run(["check-config"], { IDENTITY_SECRET: "s3cret", SMTP_PORT: "2626" });
  expect(code).toBe(0);
  expect(stdout).toContain("smtp.port = 2626\n");
  expect(stdout).toContain('identity.secret = "(set)"\n');
  expect(stdout).not.toContain("s3cret");
});

test("an unknown command and an unknown option are refused", async () => {
  expect((await run(["sevre"])).code).toBe(2);
  expect((await run(["serve", "--prot", "1"])).code).toBe(2);
});

test("id agrees with the frozen vector, and names what is wrong", async () => {
  const task = "a9e5a73a-4d4a-4995-a91c-90295e27100a";
  const { stdout } = await run([
    "id",
    "--task",
    task,
    "--to",
    "user@example.com",
    "--from",
    "x@difio.example",
  ]);
  expect(stdout).toBe("<lcks3wwstomfwm4avx64lrefbcg4tatq@difio.example>\n");
  const bad = await run(["id", "--task", "a\nb", "--to", "nobody"]);
  expect(bad.code).toBe(2);
  expect(bad.stderr).toMatch(/^mailonce: /);
});

test("a port in use is said plainly", async ({ place }) => {
  const gateway = await place.start();
  const second = await run(["serve"], { DATA_DIR: join(place.folder, "two"), SMTP_PORT: gateway.port });
  expect(second.code).toBe(1);
  expect(second.stderr).toBe(`mailonce: smtp.port: 127.0.0.1:${gateway.port} is in use by another program\n`);
  const third = await run(["serve"], { DATA_DIR: place.data, SMTP_PORT: 0 });
  expect(third.code).toBe(1);
  expect(third.stderr).toContain("is in use by another mailonce");
  expect(await gateway.stop()).toBe(0);
});

test.skipIf(process.getuid?.() === 0)("a data folder that can't be written", async ({ place }) => {
  const path = join(place.folder, "readonly");
  mkdirSync(path);
  chmodSync(path, 0o500);
  const { code, stderr } = await run(["serve"], { DATA_DIR: join(path, "data"), SMTP_PORT: 0 });
  expect(code).toBe(1);
  expect(stderr).toMatch(/can't use .*EACCES/);
});

test.each([
  ["https://me:s3cret@email.example.com/path", "https://(concealed)@email.example.com/path"],
  ["https://s3cret@email.example.com", "https://(concealed)@email.example.com"],
  // What should have been encoded.
  ["https://me:s3@cret@email.example.com", "https://(concealed)@email.example.com"],
  ['https://me:s3" cret@email.example.com', "https://(concealed)@email.example.com"],
])("check-config conceals the user info of every URL: %s", async (url, shown) => {
  const { code, stdout, stderr } = await run(["check-config"], {
    UPSTREAM_KIND: "ses",
    UPSTREAM_SES_REGION: "eu-west-1",
    UPSTREAM_SES_ENDPOINT: url,
    LEDGER_DYNAMODB_ENDPOINT: url,
  });
  expect(code).toBe(0);
  expect(stdout + stderr).not.toMatch(/s3|cret@/);
  expect(stdout).toContain(`upstream.ses.endpoint = "${shown}"\n`);
  expect(stdout).toContain(`ledger.dynamodb.endpoint = "${shown}"\n`);
});

test("check-config says what may not be meant", async () => {
  const { code, stderr } = await run(["check-config"], { IDENTITY_ENVID: "true" });
  expect(code).toBe(0);
  expect(stderr).toContain('warning: identity.envid: true is read as "uuid"');
});
