// Runs an installed gateway as packaging/ would have it: an ordinary user without capabilities, and, where the
// system allows mounting, a file system on which everything but one folder is read-only.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import type { LogLine } from "../support/process.ts";

/** A user that nothing else runs as, so that what it owns is ours. */
export const USER = 60_000 + (process.pid % 5_000);

export const isRoot = process.geteuid?.() === 0;

const MOUNTS = ["unshare", "--mount", "--propagation", "private", "sh", "-ec"];

/** Within a mount namespace of its own: $1 stays writable, all else that is mounted does not. */
const READ_ONLY = `
  data=$1
  shift
  mount --bind "$data" "$data"
  while read -r _ place _; do
    [ "$place" = "$data" ] || mount -o remount,bind,ro "$place" 2>/dev/null || :
  done < /proc/self/mounts
  exec "$@"`;

const PRIVILEGES = `setpriv --reuid=${USER} --regid=${USER} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all`;

/** The command that runs another one with nothing writable but the folder; undefined where that is impossible. */
export function readOnlyBut(data: string): string[] | undefined {
  if (!isRoot) return undefined;
  const command = [...MOUNTS, READ_ONLY, "sh", data];
  const [program = "", ...args] = command;
  return spawnSync(program, [...args, "true"]).status === 0 ? command : undefined;
}

export function makeDataFolder(path: string): void {
  mkdirSync(path);
  chmodSync(path, 0o700);
  if (isRoot) chownSync(path, USER, USER);
}

/** What the user owns outside the folder; only root's look is complete. */
export function ownedElsewhere(folder: string): string[] {
  const places = ["/", "/tmp", "/var/tmp", "/dev/shm", "/run"];
  const args = [...places, "-xdev", "-uid", String(USER), "-not", "-path", `${folder}/*`];
  // What vanishes meanwhile makes find complain.
  const { stdout } = spawnSync("find", args, { encoding: "utf8", maxBuffer: 2 ** 26 });
  return [...new Set(stdout.split("\n").filter((line) => line !== ""))];
}

export interface Running {
  readonly pid: number;
  readonly port: number;
  readonly lines: readonly LogLine[];
  readonly stderr: () => string;
  logged(event: string): Promise<LogLine>;
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>;
}

/**
 * Starts a program of an installation, and waits until it listens. The environment is all that it gets.
 *
 * @param writable the folder that it may write into, where that is another than the data folder
 */
export async function startInstalled(
  main: string,
  data: string,
  environment: NodeJS.ProcessEnv,
  args: readonly string[] = ["serve"],
  writable = data,
): Promise<Running> {
  const command = [process.execPath, main, ...args];
  if (isRoot) command.unshift(...PRIVILEGES.split(" "));
  command.unshift(...(readOnlyBut(writable) ?? []));
  const [program = "", ...rest] = command;
  const child = spawn(program, rest, {
    cwd: "/",
    env: {
      ...{ PATH: process.env.PATH, ...environment, MAILONCE_DATA_DIR: data },
      ...{ MAILONCE_SMTP_PORT: "0", MAILONCE_HTTP_PORT: "0" },
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const lines: LogLine[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => lines.push(JSON.parse(line) as LogLine));
  const closed = once(child, "close") as Promise<[number | null]>;
  const logged = async (event: string): Promise<LogLine> => {
    for (;;) {
      const found = lines.find((line) => line.event === event);
      if (found !== undefined) return found;
      const ended = closed.then(([code]) => {
        throw new Error(`ended (${code}) without ${event}: ${stderr}`);
      });
      await Promise.race([once(reader, "line"), ended]);
    }
  };
  const { port } = await logged("gateway.listening");
  return {
    pid: child.pid as number,
    port: port as number,
    lines,
    stderr: () => stderr,
    logged,
    async stop() {
      child.kill("SIGTERM");
      return (await closed)[0];
    },
  };
}

/** Runs a line of shell as a build would, and fails with what it said. */
export function runStep(line: string, cwd: string): void {
  // The packages that this tree was installed from are in npm's cache.
  const env = { ...process.env, npm_config_prefer_offline: "true" };
  execFileSync("sh", ["-ec", line], { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
}
