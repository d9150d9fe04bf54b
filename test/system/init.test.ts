// `mailonce init`: what is answered becomes a file with which the gateway starts, and no file is there unless it does.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { test } from "../support/place.ts";
import { MAIN, type Run, run } from "../support/process.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

/** @param answers a line each */
async function init(folder: string, answers: readonly string[]): Promise<Run> {
  const child = spawn(process.execPath, [MAIN, "init"], { cwd: folder, env: { PATH: process.env.PATH } });
  const said = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.stderr += text));
  // It may have ended before it read.
  child.stdin.on("error", () => {});
  child.stdin.end(answers.map((answer) => `${answer}\n`).join(""));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...said };
}

test("four empty lines are the defaults, with which the gateway runs", async ({ place }) => {
  const { code, stdout } = await init(place.folder, ["", "", "", ""]);
  expect(code).toBe(0);
  expect(stdout).toContain("\nRun the gateway:                    mailonce serve --config mailonce.toml\n");
  const file = join(place.folder, "mailonce.toml");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { data_dir, ...written } = loadConfig({ file, environment: {} });
  expect({ ...written, data_dir }).toEqual(loadConfig({ environment: {} }));
  const gateway = await place.start({ CONFIG: file });
  const client = await connectSmtp(gateway.port);
  expect(await client.submit({ to: ["user@example.com"], content: taskMail("7f3") })).toContain("queued as");
});

test("SES, other networks, and what happens in doubt", async ({ place }) => {
  const { code } = await init(place.folder, ["ses eu-west-1", "10.0.0.0/8, 192.0.2.7", "hold", "reject"]);
  expect(code).toBe(0);
  const config = loadConfig({ file: join(place.folder, "mailonce.toml"), environment: {} });
  expect(config.upstream).toMatchObject({ kind: "ses", ses: { region: "eu-west-1" } });
  const networks = ["127.0.0.0/8", "::1", "10.0.0.0/8", "192.0.2.7"];
  expect(config.access).toMatchObject({ allowed_networks: networks, trusted_networks: networks });
  expect([config.smtp.host, config.ledger.doubtful, config.identity.unkeyed]).toEqual([
    "0.0.0.0",
    "hold",
    "reject",
  ]);
});

test("an SMTP server with a user wants a password, which is in no file", async ({ place }) => {
  const { code, stdout } = await init(place.folder, [
    "smtp mail.example.com:465 me",
    "here",
    "drop",
    "fingerprint",
  ]);
  expect(code).toBe(0);
  expect(stdout).toContain("Put the password of the SMTP server into MAILONCE_UPSTREAM_SMTP_PASSWORD.\n");
  const file = join(place.folder, "mailonce.toml");
  const without = await run(["check-config"], { CONFIG: file });
  expect([without.code, without.stderr]).toEqual([2, expect.stringContaining("password")]);
  const config = loadConfig({ file, environment: { MAILONCE_UPSTREAM_SMTP_PASSWORD: "secret" } });
  expect(config.upstream.smtp).toMatchObject({
    host: "mail.example.com",
    port: 465,
    username: "me",
    tls: "implicit",
  });
});

test("what is no answer is asked again", async ({ place }) => {
  const lines = [
    "ses",
    "smtp host",
    "smtp host:0",
    "folder",
    "10.0.0.0/33",
    "here",
    "perhaps",
    "hold",
    "no",
    "relay",
  ];
  const { code, stderr } = await init(place.folder, lines);
  expect(code).toBe(0);
  expect(stderr.match(/^ {3}.*That is not .*$/gm)).toHaveLength(6);
  expect(stderr).toContain('"10.0.0.0/33" is none');
});

test("nothing is written where the answers end early, and no file is written over", async ({ place }) => {
  const file = join(place.folder, "mailonce.toml");
  const early = await init(place.folder, ["folder", "here"]);
  expect([early.code, existsSync(file)]).toEqual([1, false]);
  expect(early.stderr).toContain("the input ended before the last question; nothing was written");
  writeFileSync(file, "mine");
  const { code, stderr } = await init(place.folder, ["", "", "", ""]);
  expect([code, stderr]).toEqual([
    1,
    "mailonce: mailonce.toml is there already; name another file with --config\n",
  ]);
  expect(readFileSync(file, "utf8")).toBe("mine");
});
