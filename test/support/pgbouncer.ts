// PgBouncer between gateways and a PostgreSQL of a test.
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { endProcess, findProgram, freePort } from "./peers.ts";
import { makeFolder } from "./process.ts";

export interface PgBouncer {
  /** The same database by way of it. */
  urlOf(url: string): string;
  stop(): Promise<void>;
}

/** MAILONCE_TEST_PGBOUNCER names another than the installed one. Undefined where there is none. */
export const pgbouncerProgram = process.env.MAILONCE_TEST_PGBOUNCER ?? findProgram("pgbouncer");

/** Whether it keeps prepared statements for its clients when it is told to: since version 1.21. */
export function keepsPrepared(program: string): boolean {
  const text = execFileSync(program, ["--version"], { encoding: "utf8" });
  const [, major, minor] = /PgBouncer (\d+)\.(\d+)/.exec(text) ?? [];
  return Number(major) > 1 || Number(minor) >= 21;
}

/** @param settings of its section [pgbouncer], beside where it listens */
export async function startPgBouncer(
  program: string,
  serverPort: number,
  settings: Readonly<Record<string, string | number>>,
): Promise<PgBouncer> {
  const folder = makeFolder();
  const port = await freePort();
  const file = join(folder.path, "pgbouncer.ini");
  // It asks a server that was away again after a second, instead of fifteen.
  const all = {
    server_login_retry: 1,
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "any",
    ...settings,
  };
  const lines = [
    "[databases]",
    `* = host=127.0.0.1 port=${serverPort} user=postgres password=password`,
    "[pgbouncer]",
    ...Object.entries(all).map(([name, value]) => `${name} = ${value}`),
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  // It does not run as root.
  chmodSync(folder.path, 0o755);
  const user = process.getuid?.() === 0 ? ["--user=nobody"] : [];
  const child = spawn(program, [...user, file], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  await listens(port, () => {
    if (child.exitCode !== null) throw new Error(said);
  });
  return {
    urlOf(url) {
      const through = new URL(url);
      through.hostname = "127.0.0.1";
      through.port = String(port);
      return through.href;
    },
    async stop() {
      await endProcess(child);
      folder.remove();
    },
  };
}

/** @param assertRuns throws when there is nothing to wait for any more */
async function listens(port: number, assertRuns: () => void): Promise<void> {
  for (;;) {
    assertRuns();
    const socket = connect(port, "127.0.0.1");
    const isUp = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
