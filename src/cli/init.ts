// `mailonce init`: asks four questions and writes a configuration that has been checked. Everything else has a default that
// is meant for use.
import { access, open, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { createInterface } from "node:readline";
import { parseNetwork } from "../address/networks.ts";
import { ConfigError, loadConfig } from "../config/config.ts";
import { warningsOf } from "../config/warnings.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { processTerminal, type Terminal } from "./password-input.ts";

export interface InitOptions {
  readonly config?: string;
}

interface Question {
  readonly text: string;
  /** What an empty line means. */
  readonly fallback: string;
  /** Undefined when the answer will do. */
  faultOf(answer: string): string | undefined;
}

const oneOf =
  (...words: readonly string[]) =>
  (answer: string): string | undefined =>
    words.includes(answer) ? undefined : `one of ${words.join(", ")}`;

const UPSTREAM: Question = {
  text: `1. Where does mail go?
   folder                  into a folder, to try things out
   ses REGION              to Amazon SES
   smtp HOST:PORT [USER]   to an SMTP server`,
  fallback: "folder",
  faultOf: (answer) =>
    upstreamOf(answer) === undefined ? "folder, ses REGION, or smtp HOST:PORT [USER]" : undefined,
};

const CLIENTS: Question = {
  text: `2. Who submits mail?
   here                    programs of this machine
   10.0.0.0/8 192.0.2.7    those of these networks too, without a password`,
  fallback: "here",
  faultOf(answer) {
    if (answer === "here") return undefined;
    const wrong = networksIn(answer).find((one) => !parseNetwork(one).ok);
    return wrong === undefined ? undefined : `here, or networks; ${JSON.stringify(wrong)} is none`;
  },
};

const DOUBT: Question = {
  text: `3. The upstream may have taken a mail, and its answer was lost. What then?
   resend                  send it again: a person may get it twice
   hold                    keep it until you decide
   drop                    count it as sent: a person may miss it`,
  fallback: "resend",
  faultOf: oneOf("resend", "hold", "drop"),
};

const UNKEYED: Question = {
  text: `4. What becomes of a mail without a task id?
   relay                   it goes out as it is, repeats too
   fingerprint             the same content again within 10 minutes is dropped
   reject                  it is refused, so that you find each mailer that sets none`,
  fallback: "relay",
  faultOf: oneOf("relay", "fingerprint", "reject"),
};

const QUESTIONS = [UPSTREAM, CLIENTS, DOUBT, UNKEYED];

/** @param version of the program, whose schema the file names */
export async function init(
  { config: file = "mailonce.toml" }: InitOptions,
  version: string,
  { input, prompts }: Terminal = processTerminal,
): Promise<number> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere) return reportFaults([thereAlready(file)], exitCodes.failed);
  const answers = await ask(input, prompts);
  if (answers === undefined) {
    return reportFaults(["the input ended before the last question; nothing was written"], exitCodes.failed);
  }
  const fault = await writeNew(file, textOf(answers, version));
  if (fault !== undefined) return reportFaults([fault], exitCodes.failed);
  const password = upstreamOf(answers[0] as string)?.user === undefined ? undefined : PASSWORD_VARIABLE;
  try {
    // As a start would read it, but for the secret, which is nobody's yet.
    const environment = password === undefined ? {} : { [password]: "secret" };
    const config = loadConfig({ file, environment });
    for (const { key, warning } of warningsOf(config)) prompts.write(`warning: ${key}: ${warning}\n`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    await rm(file);
    return reportFaults(error.faults, exitCodes.badConfiguration);
  }
  process.stdout.write(
    [
      `${file} is written.`,
      ...(password === undefined ? [] : [`Put the password of the SMTP server into ${password}.`]),
      `Ask the upstream, without sending:  mailonce check-config --online --config ${file}`,
      `Run the gateway:                    mailonce serve --config ${file}`,
      "",
    ].join("\n"),
  );
  return exitCodes.ok;
}

const PASSWORD_VARIABLE = "MAILONCE_UPSTREAM_SMTP_PASSWORD";

/** Asks again what was answered wrongly. @returns an answer to each question; undefined when the input ended */
async function ask(input: Terminal["input"], prompts: Terminal["prompts"]): Promise<string[] | undefined> {
  const lines = createInterface({ input, terminal: false });
  const answers: string[] = [];
  const next = (): Question | undefined => QUESTIONS[answers.length];
  const say = (question: Question): void =>
    void prompts.write(`${question.text}\n   [${question.fallback}] `);
  say(UPSTREAM);
  for await (const line of lines) {
    const question = next();
    if (question === undefined) break;
    const answer = line.trim().replace(/\s+/g, " ") || question.fallback;
    const fault = question.faultOf(answer);
    if (fault !== undefined) prompts.write(`   That is not ${fault}.\n`);
    else answers.push(answer);
    const following = next();
    if (following === undefined) break;
    say(following);
  }
  lines.close();
  return answers.length < QUESTIONS.length ? undefined : answers;
}

type Upstream =
  | { readonly kind: "maildir"; readonly user?: undefined }
  | { readonly kind: "ses"; readonly region: string; readonly user?: undefined }
  | {
      readonly kind: "smtp";
      readonly host: string;
      readonly port: number;
      readonly user: string | undefined;
    };

function upstreamOf(answer: string): Upstream | undefined {
  if (answer === "folder") return { kind: "maildir" };
  const [, region] = /^ses ([a-z]{2}(?:-[a-z]+)+-\d)$/.exec(answer) ?? [];
  if (region !== undefined) return { kind: "ses", region };
  const [, host, port, user] = /^smtp ([A-Za-z0-9.-]+):(\d{1,5})(?: (\S+))?$/.exec(answer) ?? [];
  return host === undefined || Number(port) < 1 || Number(port) > 65_535
    ? undefined
    : { kind: "smtp", host, port: Number(port), user };
}

const networksIn = (answer: string): string[] => answer.split(/[\s,]+/).filter((one) => one !== "");

/** Every string of JSON is one of TOML. */
const quoted = (value: string): string => JSON.stringify(value);

function textOf(
  [upstream = "", clients = "", doubtful = "", unkeyed = ""]: readonly string[],
  version: string,
): string {
  const elsewhere = clients !== "here";
  const networks = ["127.0.0.0/8", "::1", ...networksIn(clients)].map(quoted).join(", ");
  return `#:schema https://unpkg.com/mailonce@${version}/examples/mailonce.schema.json
# Written by mailonce init. Every key: docs/configuration.md.
data_dir = "data"
hostname = ${quoted(hostname())}

[smtp]
host = ${quoted(elsewhere ? "0.0.0.0" : "127.0.0.1")}
port = 2525
${
  elsewhere
    ? `
# Nobody else may connect. Without TLS, mail is readable on the way: [tls], and tls = "required" in [smtp].
[access]
allowed_networks = [${networks}]
trusted_networks = [${networks}]
`
    : ""
}
[identity]
unkeyed = ${quoted(unkeyed)}

[ledger]
doubtful = ${quoted(doubtful)}

[upstream]
${upstreamLines(upstream)}`;
}

function upstreamLines(answer: string): string {
  const upstream = upstreamOf(answer);
  if (upstream?.kind === "ses") {
    return `kind = "ses"\n\n# Credentials are found as every AWS SDK finds them.\n[upstream.ses]\nregion = ${quoted(upstream.region)}\n`;
  }
  if (upstream?.kind !== "smtp") return `kind = "maildir"\n`;
  const { host, port, user } = upstream;
  const login =
    user === undefined ? "" : `# The password comes from ${PASSWORD_VARIABLE}.\nusername = ${quoted(user)}\n`;
  return `kind = "smtp"\n\n[upstream.smtp]\nhost = ${quoted(host)}\nport = ${port}\n${port === 465 ? 'tls = "implicit"\n' : ""}${login}`;
}

const thereAlready = (file: string): string => `${file} is there already; name another file with --config`;

/** @returns why not, or undefined when it is written */
async function writeNew(file: string, text: string): Promise<string | undefined> {
  try {
    const handle = await open(file, "wx", 0o600);
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "EEXIST" ? thereAlready(file) : message;
  }
}
