// What the tests of the integrations share: a Redis, programs of job frameworks, and a gateway whose upstream keeps what
// it took.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { findProgram, freePort } from "../support/peers.ts";
import { type Place, smtpAt } from "../support/place.ts";
import type { GatewayProcess, Settings } from "../support/process.ts";
import type { ScriptedSmtp, ScriptedSmtpOptions } from "../support/scripted-smtp.ts";

/** The files that users copy, and the programs of the tests that use them. */
export const INTEGRATIONS = resolve("integrations");
export const PROGRAMS = resolve("test/integrations/programs");

/** Debian's own, which has Debian's Celery and Django. */
export const PYTHON = "/usr/bin/python3";

/** Whether a command succeeds; in CI nothing may be missing. For a framework that a language has or has not. */
export function has(what: string, program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    if (process.env.CI !== undefined) throw new Error(`${what} is not installed`);
    return false;
  }
}

export interface Running {
  readonly pid: number;
  /** Standard output and error so far. */
  output(): string;
  /** Resolves with the match when the output has so many of the pattern; rejects when the program ends without. */
  said(pattern: RegExp, count?: number): Promise<RegExpMatchArray>;
  /** Resolves with the exit code, or the signal that ended the program. */
  readonly exited: Promise<number | string>;
  /** To the program and all that it started. */
  signal(name: NodeJS.Signals): void;
  /** SIGTERM to the program alone, and its end; SIGKILL for what it leaves behind. */
  stop(): Promise<number | string>;
}

export interface ProgramOptions {
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Starts a program in a group of its own, which is killed when the place ends. */
export function startProgram(
  place: Place,
  program: string,
  args: readonly string[],
  { cwd = place.folder, environment = {} }: ProgramOptions = {},
): Running {
  const child = spawn(program, args, {
    ...{ cwd, detached: true, stdio: ["ignore", "pipe", "pipe"] },
    env: { ...process.env, ...environment },
  });
  let output = "";
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      for (const check of [...waiting]) check();
    });
  }
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(-(child.pid as number), name);
    } catch {
      // All of it has ended.
    }
  };
  const exited = once(child, "exit").then(
    ([code, by]) => (code ?? by ?? "unknown") as number | string,
    (error: Error) => error.message,
  );
  const stop = async (): Promise<number | string> => {
    child.kill("SIGTERM");
    const code = await exited;
    signal("SIGKILL");
    return code;
  };
  place.atEnd(async () => {
    signal("SIGKILL");
    await exited;
  });
  return {
    pid: child.pid as number,
    output: () => output,
    said: (pattern, count = 1) =>
      new Promise((done, fail) => {
        const all = new RegExp(pattern.source, `${pattern.flags.replace("g", "")}g`);
        const check = (): void => {
          const match = [...output.matchAll(all)][count - 1];
          if (match === undefined) return;
          waiting.delete(check);
          done(match);
        };
        waiting.add(check);
        void exited.then((code) => {
          check();
          if (waiting.delete(check)) fail(new Error(`ended (${code}) without ${pattern}: ${output}`));
        });
        check();
      }),
    ...{ exited, signal, stop },
  };
}

export interface Redis {
  readonly port: number;
  readonly url: string;
}

const redisServer = findProgram("redis-server");
export const hasRedis = redisServer !== undefined;

/** A Redis of its own, empty, which keeps nothing on disk. */
export async function startRedis(place: Place): Promise<Redis> {
  const port = await freePort();
  const redis = startProgram(place, redisServer as string, [
    ...["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
    ...["--loglevel", "notice", "--logfile", ""],
  ]);
  await redis.said(/Ready to accept connections/);
  return { port, url: `redis://127.0.0.1:${port}/0` };
}

/** One mail that the upstream took. */
export interface Mail {
  readonly to: readonly string[];
  readonly subject: string;
  readonly content: string;
  /** The value of a header field; undefined where it is missing. */
  field(name: string): string | undefined;
}

export interface Mails {
  readonly gateway: GatewayProcess;
  readonly upstream: ScriptedSmtp;
  /** What the upstream took so far, in order. */
  mails(): Mail[];
  /** Of each submission that was answered, in order: its task, where it had one, and what became of it. */
  submissions(): Submitted[];
  /** Resolves when so many submissions have been answered, and what was new of them is relayed. */
  answered(count: number): Promise<void>;
}

export interface Submitted {
  readonly task?: string;
  /** "queued" where at least one recipient's mail was new. */
  readonly became: "queued" | "repeat" | "refused" | "failed";
}

const BECAME = new Map<string, Submitted["became"]>([
  ["submission.accepted", "queued"],
  ["transmission.repeat", "repeat"],
  ["submission.refused", "refused"],
  ["submission.conflict", "refused"],
  ["submission.failed", "failed"],
]);

/** A gateway on its defaults, but for what is given, with an upstream that keeps contents. */
export async function startMails(
  place: Place,
  settings: Settings = {},
  peer: ScriptedSmtpOptions = {},
): Promise<Mails> {
  const upstream = await place.smtp({ keepContents: true, ...peer });
  const gateway = await place.start({ LOG_ADDRESSES: "true", ...smtpAt(upstream.port), ...settings });
  const submissions = (): Submitted[] => {
    const found = new Map<unknown, Submitted>();
    for (const { event, submission, task } of gateway.lines) {
      const became = BECAME.get(event);
      if (became === undefined || submission === undefined) continue;
      const before = found.get(submission);
      // A mail to several may be a repeat for one of them.
      if (before === undefined || before.became === "repeat")
        found.set(submission, { ...(typeof task === "string" && { task }), ...before, became });
    }
    return [...found.values()];
  };
  const queued = (): number =>
    gateway.said("submission.accepted").reduce((sum, { queued }) => sum + Number(queued), 0);
  return {
    ...{ gateway, upstream, submissions },
    mails: () => upstream.taken.map(({ octets, recipients }) => readMail(octets, recipients)),
    async answered(count) {
      await gateway.until(() => submissions().length >= count, `${count} answers`);
      await gateway.until(
        () => gateway.said("transmission.relayed").length >= queued(),
        "all that was new is relayed",
      );
    },
  };
}

function readMail(octets: Uint8Array, to: readonly string[]): Mail {
  const content = Buffer.from(octets).toString("latin1");
  const header = content.split("\r\n\r\n")[0]?.replace(/\r\n(?=[ \t])/g, "") ?? "";
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(header)?.[1];
  return { to, content, field, subject: field("Subject") ?? "" };
}
