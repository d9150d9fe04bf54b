// The built gateway as a process of its own: started, listened to by its log, stopped or killed.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

/** From the package's folder, where npm runs everything; these sources may have been compiled elsewhere. */
export const MAIN = resolve("dist/main.js");

export interface LogLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** Settings as environment variables without their prefix: { UPSTREAM_KIND: "smtp" }. */
export type Settings = Readonly<Record<string, string | number>>;

export interface GatewayProcess {
  readonly pid: number;
  readonly port: number;
  /** Every line logged so far. */
  readonly lines: readonly LogLine[];
  /** Those of the event, and of them those that are wanted. */
  said(event: string, isWanted?: (line: LogLine) => boolean): LogLine[];
  /** Resolves when so many lines of the event, of those that are wanted, have been logged since the start. */
  logged(event: string, count?: number, isWanted?: (line: LogLine) => boolean): Promise<void>;
  /** Resolves when it is so, which is asked now and after each line. `what` is for the error. */
  until(isSo: () => boolean, what: string): Promise<void>;
  /** Resolves with the exit code, or the signal that ended the process. */
  readonly exited: Promise<number | string>;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | string>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

/** A folder that `afterEach` of the caller removes. */
export function makeFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "mailonce-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Of a process of the gateway: this one's, with no other settings than these. */
export function environmentOf(settings: Settings): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("MAILONCE_"));
  const set = Object.entries(settings).map(([name, value]) => [`MAILONCE_${name}`, String(value)]);
  return Object.fromEntries([...clean, ...set]);
}

/** A built gateway; the present one unless given. */
export interface Program {
  /** The path of its main.js. */
  readonly main: string;
  /** Options of Node before it. */
  readonly options?: readonly string[];
  /** Beside this process's own. */
  readonly environment?: NodeJS.ProcessEnv;
}

export const PRESENT: Program = { main: MAIN };

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of the built program to its end. */
export async function run(
  args: readonly string[],
  settings: Settings = {},
  cwd?: string,
  { main, options = [] }: Program = PRESENT,
): Promise<Run> {
  const child = spawn(process.execPath, [...options, main, ...args], { env: environmentOf(settings), cwd });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.end();
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** Starts `serve` on a free port and resolves when it listens; rejects with what it said when it does not. */
export async function startProcess(
  settings: Settings,
  { main, options = [], environment = {} }: Program = PRESENT,
  /** Told each line; of those that are not kept none is among `lines`: a long run has millions. */
  isKept: (line: LogLine) => boolean = () => true,
): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [...options, main, "serve"], {
    // A configuration file names its own listeners.
    env: {
      ...environmentOf({
        ...(settings.CONFIG === undefined ? { SMTP_PORT: 0 } : {}),
        // An older build does not know it.
        ...(main === MAIN ? { HTTP_PORT: 0 } : {}),
        ...{ LOG_FORMAT: "json", HOSTNAME: "gateway.example" },
        ...settings,
      }),
      ...environment,
    },
  });
  const lines: LogLine[] = [];
  const waiting = new Set<() => void>();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const read = JSON.parse(line) as LogLine;
    if (isKept(read)) lines.push(read);
    for (const check of [...waiting]) check();
  });
  const exited = exitOf(child);
  const said: GatewayProcess["said"] = (event, isWanted = () => true) =>
    lines.filter((line) => line.event === event && isWanted(line));

  const until: GatewayProcess["until"] = (isSo, what) =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (!isSo()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      void exited.then((code) => {
        if (waiting.delete(check)) reject(new Error(`ended (${code}) without ${what}: ${stderr}`));
      });
      check();
    });
  const logged: GatewayProcess["logged"] = (event, count = 1, isWanted) =>
    until(() => said(event, isWanted).length >= count, `${count} ${event}`);

  await logged("gateway.listening");
  return {
    pid: child.pid as number,
    port: said("gateway.listening")[0]?.port as number,
    lines,
    said,
    logged,
    until,
    exited,
    stop() {
      child.kill("SIGTERM");
      return exited;
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    signal: (name) => child.kill(name),
  };
}

async function exitOf(child: ChildProcessWithoutNullStreams): Promise<number | string> {
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return code ?? signal ?? "unknown";
}
