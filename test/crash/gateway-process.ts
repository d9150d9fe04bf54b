// Builds gateway-main.ts and runs it: the gateway under test, with what it says and orders to it.
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Taken } from "../../src/evidence/evidence.ts";
import type { LogLine, Settings } from "../support/process.ts";
import type { Answer, Order, Plan, Proved } from "./plan.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

export interface Build {
  readonly main: string;
  remove(): void;
}

/** Compiles the sources as they are now, with the options of the real build, into a folder of its own. */
export function build(): Build {
  // Compiled already, when this file runs as part of a build.
  if (import.meta.url.endsWith(".js")) {
    return { main: new URL("gateway-main.js", import.meta.url).pathname, remove: () => {} };
  }
  const folder = mkdtempSync(join(tmpdir(), "mailonce-crash-build-"));
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  execFileSync(
    process.execPath,
    [compiler, "-p", join(ROOT, "test/crash/tsconfig.json"), "--outDir", folder],
    {
      stdio: "inherit",
    },
  );
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return {
    main: join(folder, "test/crash/gateway-main.js"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface TestedGateway {
  readonly pid: number;
  /** Undefined when the process ended before it listened. */
  readonly port: number | undefined;
  readonly stderr: () => string;
  readonly lines: readonly LogLine[];
  /** Exit code or signal. All that it logged has been heard then. */
  readonly exited: Promise<number | string>;
  /** Resolves when the process has done it; undefined when it died before. One at a time. */
  order(order: Order): Promise<Answer | undefined>;
  /** The upstream says that it took the id. Any number at a time; undefined when the process died before it answered. */
  prove(id: string): Promise<Taken | undefined>;
  logged(event: string, count?: number): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

export interface GatewayOptions {
  readonly build: Build;
  readonly settings: Settings;
  readonly plan?: Plan;
  /** Of the process, beside its settings. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly heard?: (line: LogLine) => void;
}

/** Resolves when it listens or has ended. */
export async function startTested({
  build,
  settings,
  plan = {},
  environment = {},
  heard,
}: GatewayOptions): Promise<TestedGateway> {
  const variables = Object.entries({
    SMTP_PORT: 0,
    HTTP_PORT: 0,
    HOSTNAME: "gateway.example",
    ...settings,
  });
  const child = fork(build.main, [], {
    env: {
      PATH: process.env.PATH,
      ...environment,
      CRASH_PLAN: JSON.stringify(plan),
      ...Object.fromEntries(variables.map(([name, value]) => [`MAILONCE_${name}`, String(value)])),
    },
    execArgv: [],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const lines: LogLine[] = [];
  const answers: ((answer: Answer | undefined) => void)[] = [];
  const proofs = new Map<number, (said: Taken | undefined) => void>();
  let proofsAsked = 0;
  const checks = new Set<() => void>();
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (text) => {
      const line = JSON.parse(text) as LogLine;
      lines.push(line);
      heard?.(line);
      for (const check of [...checks]) check();
    });
  }
  child.on("message", (answer: Answer | Proved) => {
    if (answer.kind !== "proved") return answers.shift()?.(answer);
    proofs.get(answer.number)?.(answer.said);
    proofs.delete(answer.number);
  });
  // An order to a process that is dying: its end says so.
  child.on("error", () => {});
  const exited = once(child, "close").then(([code, signal]) => {
    for (const answer of answers.splice(0)) answer(undefined);
    for (const answer of proofs.values()) answer(undefined);
    proofs.clear();
    return (code ?? signal ?? "unknown") as number | string;
  });
  const count = (event: string) => lines.filter((line) => line.event === event).length;
  const logged = (event: string, wanted = 1): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = () => {
        if (count(event) < wanted) return;
        checks.delete(check);
        resolve();
      };
      checks.add(check);
      void exited.then((code) => {
        if (checks.delete(check)) reject(new Error(`ended (${code}) without ${wanted} ${event}: ${stderr}`));
      });
      check();
    });

  await Promise.race([logged("gateway.listening").catch(() => {}), exited]);
  const port = lines.find(({ event }) => event === "gateway.listening")?.port as number | undefined;
  return {
    pid: child.pid as number,
    port,
    stderr: () => stderr,
    lines,
    exited,
    order: (order) =>
      new Promise((resolve) => {
        if (!child.connected) return resolve(undefined);
        answers.push(resolve);
        child.send(order, () => {});
      }),
    prove: (id) =>
      new Promise((resolve) => {
        if (!child.connected) return resolve(undefined);
        const number = ++proofsAsked;
        proofs.set(number, resolve);
        child.send({ kind: "prove", number, id } satisfies Order, () => {});
      }),
    logged,
    signal: (name) => void child.kill(name),
  };
}
