// Secrets that are set anywhere appear nowhere: not on standard output or error, whatever goes wrong and at
// whatever level, not in the arguments of the process, and not in the data folder.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect } from "vitest";
import { ConfigError, loadConfig } from "../../src/config/config.ts";
import { type Place, test } from "../support/place.ts";
import { run, type Settings } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const USER = "relay-user";
const SECRET = "kanarie-identity-5f1c";
const PASSWORD = "kanarie-password-77ab";
const AWS_KEY = "kanarieAwsSecretAccessKey0123456789abcdef";
const AWS_TOKEN = "kanarie-aws-session-token";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** Each secret as it is, and as AUTH LOGIN and AUTH PLAIN write it. */
const FORMS = [SECRET, PASSWORD, AWS_KEY, AWS_TOKEN].flatMap((secret) => [
  secret,
  base64(secret),
  base64(`\0${USER}\0${secret}`),
]);

/** In a log of JSON, and in one for people. */
const PAUSED = /dispatch\.paused|Nothing is relayed to /;

const leaksIn = (text: string): string[] => FORMS.filter((form) => text.includes(form));

function configFile({ folder }: Place, text: string): string {
  const file = join(folder, `${randomUUID()}.toml`);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

/** `serve` with every octet that it says. */
interface Served {
  readonly pid: number;
  readonly output: () => string;
  /** Resolves when the text has been said so often; rejects when the process ends first. */
  said(text: string | RegExp): Promise<RegExpExecArray>;
  /** SIGTERM, unless it has ended; the exit code. */
  end(): Promise<number | null>;
}

function serve(
  { data, atEnd }: Place,
  settings: Settings,
  args: readonly string[] = [],
  more: NodeJS.ProcessEnv = {},
): Served {
  const set = Object.entries({ DATA_DIR: data, SMTP_PORT: 0, HTTP_PORT: 0, LOG_LEVEL: "debug", ...settings });
  const environment = Object.fromEntries(set.map(([name, value]) => [`MAILONCE_${name}`, String(value)]));
  const child = spawn(process.execPath, [resolve("dist/main.js"), "serve", ...args], {
    env: { PATH: process.env.PATH, ...environment, ...more },
  });
  let output = "";
  const closed = once(child, "close") as Promise<[number | null]>;
  atEnd(() => child.kill("SIGKILL"));
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      for (const check of [...waiting]) check();
    });
  }
  return {
    pid: child.pid as number,
    output: () => output,
    said: (text) =>
      new Promise((fulfil, reject) => {
        const check = (): void => {
          const found = new RegExp(text).exec(output);
          if (found === null || !waiting.delete(check)) return;
          fulfil(found);
        };
        waiting.add(check);
        void closed.then(
          () => waiting.delete(check) && reject(new Error(`ended without ${text}: ${output}`)),
        );
        check();
      }),
    async end() {
      child.kill("SIGTERM");
      return (await closed)[0];
    },
  };
}

async function submit(output: Served): Promise<void> {
  const [, port] = await output.said(/(?:gateway\.listening.*?"port":|listens on \S+:)(\d+)/);
  await submitMail(Number(port), { to: ["user@example.com"], content: taskMail(randomUUID()) });
}

/** Everything in the data folder, file after file. */
const stored = ({ data }: Place): string =>
  readdirSync(data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n");

/** A file of its own, as an operator makes one. */
function secretFile({ folder }: Place, secret: string): string {
  const file = join(folder, randomUUID());
  writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  return file;
}

/** The same secrets in four places. */
const sources = {
  environment: (_: Place, port: number): readonly [Settings, string] => [
    {
      IDENTITY_SECRET: SECRET,
      UPSTREAM_KIND: "smtp",
      UPSTREAM_SMTP_HOST: "127.0.0.1",
      UPSTREAM_SMTP_PORT: port,
      UPSTREAM_SMTP_TLS: "none",
      UPSTREAM_SMTP_USERNAME: USER,
      UPSTREAM_SMTP_PASSWORD: PASSWORD,
    },
    "",
  ],
  file: (_: Place, port: number): readonly [Settings, string] => [
    {},
    `[identity]\nsecret = "${SECRET}"\n[upstream]\nkind = "smtp"\n[upstream.smtp]\nhost = "127.0.0.1"\n` +
      `port = ${port}\ntls = "none"\nusername = "${USER}"\npassword = "${PASSWORD}"\n`,
  ],
  "files of their own": (place: Place, port: number): readonly [Settings, string] => [
    {
      IDENTITY_SECRET_FILE: secretFile(place, SECRET),
      UPSTREAM_KIND: "smtp",
      UPSTREAM_SMTP_HOST: "127.0.0.1",
      UPSTREAM_SMTP_PORT: port,
      UPSTREAM_SMTP_TLS: "none",
      UPSTREAM_SMTP_USERNAME: USER,
      UPSTREAM_SMTP_PASSWORD_FILE: secretFile(place, PASSWORD),
    },
    "",
  ],
  "file with several upstreams": (_: Place, port: number): readonly [Settings, string] => [
    {},
    `[identity]\nsecret = "${SECRET}"\n[upstreams.one]\nkind = "smtp"\n[upstreams.one.smtp]\n` +
      `host = "127.0.0.1"\nport = ${port}\ntls = "none"\nusername = "${USER}"\npassword = "${PASSWORD}"\n` +
      '[[routes]]\nupstreams = ["one"]\n',
  ],
} as const;

describe.each(Object.entries(sources))("secrets from the %s", (_, settingsFor) => {
  test.for(["json", "pretty"])("a wrong password, log %s at level debug", async (format, { place }) => {
    const server = await place.smtp({ auth: { username: USER, password: "another" } });
    const [settings, toml] = settingsFor(place, server.port);
    const args = toml === "" ? [] : ["--config", configFile(place, toml)];
    const all = { ...settings, LOG_FORMAT: format, LOG_ADDRESSES: "true" };
    const gateway = serve(place, all, args);
    await submit(gateway);
    await gateway.said(PAUSED);
    expect(server.commands).toContain("AUTH PLAIN");

    const commandLine = `/proc/${gateway.pid}/cmdline`;
    if (process.platform === "linux") expect(leaksIn(readFileSync(commandLine, "utf8"))).toEqual([]);
    // The format is of the log, and these three have none.
    if (format === "json") {
      const commands = [
        await run(["check-config", ...args], { ...all, DATA_DIR: place.data }),
        await run(["doubtful", "list", ...args], { ...all, DATA_DIR: place.data }),
        await run(["id", "--task", "t", "--to", "a@b.example", "--from", "a@b.example", ...args], all),
      ];
      expect(commands.map(({ code }) => code)).toEqual([0, 0, 0]);
      for (const { stdout, stderr } of commands) expect(leaksIn(stdout + stderr)).toEqual([]);
      expect(commands[0]?.stdout).toMatch(/^identity\.secret = "\(set\)"$/m);
      expect(commands[0]?.stdout).toMatch(/smtp\.password = "\(set\)"$/m);
    }

    expect(await gateway.end()).toBe(0);
    expect(leaksIn(gateway.output())).toEqual([]);
    expect(leaksIn(stored(place))).toEqual([]);
  });

  test("a data folder that is a file", async ({ place }) => {
    const [settings, toml] = settingsFor(place, 25);
    writeFileSync(place.data, "");
    const args = toml === "" ? [] : ["--config", configFile(place, toml)];
    const { code, stdout, stderr } = await run(["serve", ...args], {
      ...settings,
      DATA_DIR: place.data,
      SMTP_PORT: 0,
      LOG_LEVEL: "debug",
    });
    expect(code).toBe(1);
    expect(stderr).toContain(place.data);
    expect(leaksIn(stdout + stderr)).toEqual([]);
  });
});

test("credentials of AWS that SES refuses", async ({ place }) => {
  const ses = await place.ses({ script: "bad-signature" });
  const settings = { UPSTREAM_KIND: "ses", UPSTREAM_SES_ENDPOINT: ses.endpoint, LOG_FORMAT: "json" };
  const gateway = serve(place, settings, [], {
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
    AWS_SECRET_ACCESS_KEY: AWS_KEY,
    AWS_SESSION_TOKEN: AWS_TOKEN,
  });
  await submit(gateway);
  await gateway.said(PAUSED);
  expect(await gateway.end()).toBe(0);
  expect(leaksIn(gateway.output())).toEqual([]);
});

/** Mistakes at each key that holds a secret, as people make them. */
const identity = (line: string): string => `[identity]\n${line}\n`;
const smtp = (line: string): string =>
  `[upstream]\nkind = "smtp"\n[upstream.smtp]\nhost = "h"\nusername = "u"\n${line}\n`;
const mistakes: Readonly<Record<string, string>> = {
  "no end of the string": identity(`secret = "${SECRET}`),
  "no quotes": identity(`secret = ${SECRET}`),
  "a bad escape": identity(`secret = "${SECRET}\\q"`),
  "a control character": identity(`secret = "${SECRET}\u0001"`),
  "something behind it": identity(`secret = "${SECRET}" ${SECRET}`),
  "twice the same key": identity(`secret = "${SECRET}"\nsecret = "${SECRET}"`),
  "a table of the same name": identity(`secret = "${SECRET}"\n[identity.secret]`),
  "in a list": identity(`secret = ["${SECRET}"]`),
  "in a table": identity(`secret = { value = "${SECRET}" }`),
  "a key that does not exist": identity(`secrte = "${SECRET}"`),
  "in the wrong section": `[ledger]\nsecret = "${SECRET}"\n`,
  "at the top": `secret = "${SECRET}"\n`,
  "another fault beside it": identity(`secret = "${SECRET}"\nunkeyed = "no"`),
  "a password without quotes": smtp(`password = ${PASSWORD}`),
  "a password in a list": smtp(`password = ["${PASSWORD}"]`),
  "a password without a user": `[upstream]\nkind = "smtp"\n[upstream.smtp]\nhost = "h"\npassword = "${PASSWORD}"\n`,
  "a password of an upstream without a route":
    `[upstreams.a]\nkind = "smtp"\n[upstreams.a.smtp]\nusername = "u"\npassword = "${PASSWORD}"\n` +
    '[upstreams.b]\n[[routes]]\nupstreams = ["b"]\n',
};

/** What both commands print of a configuration that can't be: its faults, a line each, and nothing else. */
test.for(Object.entries(mistakes))("a mistake: %s", ([_, toml], { place }) => {
  const faults = faultsOf(configFile(place, toml));
  expect(faults.length).toBeGreaterThan(0);
  expect(leaksIn(faults.join("\n"))).toEqual([]);
});

function faultsOf(file: string): readonly string[] {
  try {
    loadConfig({ file, environment: {} });
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).faults;
  }
}

describe.each(["serve", "check-config"])("%s", (command) => {
  test("a mistake in the file: its faults, and nothing else", async ({ place }) => {
    const file = configFile(place, mistakes["no end of the string"] as string);
    const { code, stdout, stderr } = await run([command, "--config", file]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toBe(
      faultsOf(file)
        .map((fault) => `mailonce: ${fault}\n`)
        .join(""),
    );
    expect(stderr).toMatch(/^mailonce: /);
    expect(leaksIn(stdout + stderr)).toEqual([]);
  });

  test("variables that are misspelt, misplaced or incomplete", async () => {
    const { code, stdout, stderr } = await run([command], {
      IDENTITY_SECRTE: SECRET,
      SECRET: SECRET,
      UPSTREAM_SMTP_PASSWORD: PASSWORD,
      UPSTREAM_PASSWORD: PASSWORD,
      UPSTREAM_KIND: "smpt",
    });
    expect(code).toBe(2);
    expect(stderr).toContain("MAILONCE_IDENTITY_SECRTE: no such key\n");
    expect(leaksIn(stdout + stderr)).toEqual([]);
  });
});
