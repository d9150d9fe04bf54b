// What is wrong with a configuration is said at once, all of it, each fault with its place, with exit code 2.
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { makeFolder, run, startProcess } from "../support/process.ts";

const folder = makeFolder();
afterAll(() => folder.remove());

let files = 0;
function configFile(text: string): string {
  const file = join(folder.path, `config${files++}.toml`);
  writeFileSync(file, text);
  return file;
}

describe.each(["serve", "check-config"])("%s", (command) => {
  const faultsOf = async (config: string, settings = {}): Promise<string[]> => {
    const { code, stderr } = await run([command, "--config", config], settings);
    expect(code).toBe(2);
    return stderr.trimEnd().split("\n");
  };

  test("an unknown key and a wrong type, from file and environment, in one go", async () => {
    const file = configFile('data_dir = 5\n[smtp]\nport = "x"\nprot = 1\n[upstream]\nkind = "smpt"\n');
    expect(await faultsOf(file, { SMTP_PROT: "1", SMTP_RECIPIENTS_MAX: "many" })).toEqual([
      "mailonce: MAILONCE_SMTP_PROT: no such key",
      `mailonce: ${file}: data_dir: Invalid input: expected string, received number`,
      `mailonce: ${file}: smtp.port: Invalid input: expected number, received string`,
      "mailonce: MAILONCE_SMTP_RECIPIENTS_MAX: Invalid input: expected number, received string",
      `mailonce: ${file}: smtp.prot: no such key`,
      `mailonce: ${file}: upstream.kind: Invalid option: expected one of "maildir"|"smtp"|"ses"`,
    ]);
  });

  test("TOML that can't be parsed: line and column", async () => {
    const file = configFile("[smtp]\nport = \n");
    expect((await faultsOf(file))[0]).toMatch(new RegExp(`^mailonce: ${file}:2:\\d+: not TOML: `));
  });

  test("a file that can't be read", async () => {
    const missing = join(folder.path, "missing.toml");
    expect((await faultsOf(missing))[0]).toContain(`${missing}: can't be read: ENOENT`);
  });

  test("a folder instead of a file", async () => {
    const path = join(folder.path, "folder.toml");
    mkdirSync(path, { recursive: true });
    expect((await faultsOf(path))[0]).toContain("can't be read");
  });

  test("an address beyond loopback", async () => {
    expect(await faultsOf(configFile('[smtp]\nhost = "0.0.0.0"\n'))).toEqual([
      expect.stringMatching(/smtp\.host: 0\.0\.0\.0 can be reached from other machines/),
    ]);
  });

  test("a retention that a transmission in the spool can outlive (P11)", async () => {
    expect(await faultsOf(configFile('[ledger]\nretention = "2d"\n[spool]\nlifetime = "2d"\n'))).toEqual([
      expect.stringMatching(/ledger\.retention: must be longer than spool\.lifetime/),
    ]);
  });

  test("a Maildir that is a link, or that others can write in", async () => {
    const real = join(folder.path, `real-${command}`);
    const link = join(folder.path, `link-${command}`);
    mkdirSync(join(real, "new"), { recursive: true });
    symlinkSync(real, link);
    const file = configFile("");
    expect(await faultsOf(file, { UPSTREAM_MAILDIR_PATH: link })).toEqual([
      `mailonce: upstream.maildir.path: ${link} is a link; name the folder itself`,
    ]);
    chmodSync(join(real, "new"), 0o777);
    expect(await faultsOf(file, { UPSTREAM_MAILDIR_PATH: real })).toEqual([
      `mailonce: upstream.maildir.path: ${join(real, "new")} can be written by others; chmod go-w ${join(real, "new")}`,
    ]);
    writeFileSync(join(real, "file"), "");
    expect(await faultsOf(file, { UPSTREAM_MAILDIR_PATH: join(real, "file") })).toEqual([
      `mailonce: upstream.maildir.path: ${join(real, "file")} is no folder`,
    ]);
  });

  test("an SMTP upstream without a host, and a user name without a password", async () => {
    const file = configFile('[upstream]\nkind = "smtp"\n[upstream.smtp]\nusername = "me"\n');
    expect(await faultsOf(file)).toHaveLength(2);
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

test("a port in use is said plainly", async () => {
  const gateway = await startProcess({ DATA_DIR: join(folder.path, "one") });
  const second = await run(["serve"], { DATA_DIR: join(folder.path, "two"), SMTP_PORT: gateway.port });
  expect(second.code).toBe(1);
  expect(second.stderr).toBe(`mailonce: smtp.port: 127.0.0.1:${gateway.port} is in use by another program\n`);
  const third = await run(["serve"], { DATA_DIR: join(folder.path, "one"), SMTP_PORT: 0 });
  expect(third.code).toBe(1);
  expect(third.stderr).toContain("is in use by another mailonce");
  expect(await gateway.stop()).toBe(0);
});

test.skipIf(process.getuid?.() === 0)("a data folder that can't be written", async () => {
  const path = join(folder.path, "readonly");
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
