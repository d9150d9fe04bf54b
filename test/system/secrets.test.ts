// Secrets that are set anywhere appear nowhere: not on standard output or error, whatever goes wrong and at
// whatever level, not in the arguments of the process, and not in the data folder.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeFolder, run, type Settings } from "../support/process.ts";
import { createScriptedSes, type ScriptedSes } from "../support/scripted-ses.ts";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

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

let folder: ReturnType<typeof makeFolder>;
let upstream: ScriptedSmtp | ScriptedSes | undefined;
let gateway: Served | undefined;

beforeEach(() => {
  folder = makeFolder();
});
afterEach(async () => {
  await gateway?.end();
  await upstream?.close();
  gateway = undefined;
  upstream = undefined;
  folder.remove();
});

const dataFolder = (): string => join(folder.path, "data");

function configFile(text: string): string {
  const file = join(folder.path, `${randomUUID()}.toml`);
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

function serve(settings: Settings, args: readonly string[] = [], more: NodeJS.ProcessEnv = {}): Served {
  const set = Object.entries({ DATA_DIR: dataFolder(), SMTP_PORT: 0, LOG_LEVEL: "debug", ...settings });
  const environment = Object.fromEntries(set.map(([name, value]) => [`MAILONCE_${name}`, String(value)]));
  const child = spawn(process.execPath, [resolve("dist/main.js"), "serve", ...args], {
    env: { PATH: process.env.PATH, ...environment, ...more },
  });
  let output = "";
  const closed = once(child, "close") as Promise<[number | null]>;
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
  const client = await connectSmtp(Number(port));
  await client.submit({ to: ["user@example.com"], content: taskMail(randomUUID()) });
  await client.quit();
}

/** Everything in the data folder, file after file. */
const stored = (): string =>
  readdirSync(dataFolder(), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n");

/** A file of its own, as an operator makes one. */
function secretFile(secret: string): string {
  const file = join(folder.path, randomUUID());
  writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  return file;
}

/** The same secrets in four places. */
const places = {
  environment: (port: number): readonly [Settings, string] => [
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
  file: (port: number): readonly [Settings, string] => [
    {},
    `[identity]\nsecret = "${SECRET}"\n[upstream]\nkind = "smtp"\n[upstream.smtp]\nhost = "127.0.0.1"\n` +
      `port = ${port}\ntls = "none"\nusername = "${USER}"\npassword = "${PASSWORD}"\n`,
  ],
  "files of their own": (port: number): readonly [Settings, string] => [
    {
      IDENTITY_SECRET_FILE: secretFile(SECRET),
      UPSTREAM_KIND: "smtp",
      UPSTREAM_SMTP_HOST: "127.0.0.1",
      UPSTREAM_SMTP_PORT: port,
      UPSTREAM_SMTP_TLS: "none",
      UPSTREAM_SMTP_USERNAME: USER,
      UPSTREAM_SMTP_PASSWORD_FILE: secretFile(PASSWORD),
    },
    "",
  ],
  "file with several upstreams": (port: number): readonly [Settings, string] => [
    {},
    `[identity]\nsecret = "${SECRET}"\n[upstreams.one]\nkind = "smtp"\n[upstreams.one.smtp]\n` +
      `host = "127.0.0.1"\nport = ${port}\ntls = "none"\nusername = "${USER}"\npassword = "${PASSWORD}"\n` +
      '[[routes]]\nupstreams = ["one"]\n',
  ],
} as const;

describe.each(Object.entries(places))("secrets from the %s", (_, settingsFor) => {
  test.each(["json", "pretty"])("a wrong password at the upstream, log %s at level debug", async (format) => {
    const server = await createScriptedSmtp({ auth: { username: USER, password: "another" } });
    upstream = server;
    const [settings, toml] = settingsFor(server.port);
    const args = toml === "" ? [] : ["--config", configFile(toml)];
    const all = { ...settings, LOG_FORMAT: format, LOG_ADDRESSES: "true" };
    gateway = serve(all, args);
    await submit(gateway);
    await gateway.said(PAUSED);
    expect(server.commands).toContain("AUTH PLAIN");

    const commandLine = `/proc/${gateway.pid}/cmdline`;
    if (process.platform === "linux") expect(leaksIn(readFileSync(commandLine, "utf8"))).toEqual([]);
    const commands = [
      await run(["check-config", ...args], { ...all, DATA_DIR: dataFolder() }),
      await run(["doubtful", "list", ...args], { ...all, DATA_DIR: dataFolder() }),
      await run(["id", "--task", "t", "--to", "a@b.example", "--from", "a@b.example", ...args], all),
    ];
    expect(commands.map(({ code }) => code)).toEqual([0, 0, 0]);
    for (const { stdout, stderr } of commands) expect(leaksIn(stdout + stderr)).toEqual([]);
    expect(commands[0]?.stdout).toMatch(/^identity\.secret = "\(set\)"$/m);
    expect(commands[0]?.stdout).toMatch(/smtp\.password = "\(set\)"$/m);

    expect(await gateway.end()).toBe(0);
    expect(leaksIn(gateway.output())).toEqual([]);
    expect(leaksIn(stored())).toEqual([]);
  });

  test("a data folder that is a file", async () => {
    const [settings, toml] = settingsFor(25);
    writeFileSync(dataFolder(), "");
    const args = toml === "" ? [] : ["--config", configFile(toml)];
    const { code, stdout, stderr } = await run(["serve", ...args], {
      ...settings,
      DATA_DIR: dataFolder(),
      SMTP_PORT: 0,
      LOG_LEVEL: "debug",
    });
    expect(code).toBe(1);
    expect(stderr).toContain(dataFolder());
    expect(leaksIn(stdout + stderr)).toEqual([]);
  });
});

test("credentials of AWS that SES refuses", async () => {
  const ses = await createScriptedSes({ script: "bad-signature" });
  upstream = ses;
  gateway = serve({ UPSTREAM_KIND: "ses", UPSTREAM_SES_ENDPOINT: ses.endpoint, LOG_FORMAT: "json" }, [], {
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

describe.each(["serve", "check-config"])("%s", (command) => {
  test.each(Object.entries(mistakes))("%s", async (_, toml) => {
    const { code, stdout, stderr } = await run([command, "--config", configFile(toml)]);
    expect(code).toBe(2);
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
