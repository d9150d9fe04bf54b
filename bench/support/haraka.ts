// Haraka from npm as one of the relays: its outbound queue, which syncs each file before 250 is said. Installed
// apart from the dependencies, since nobody but this benchmark needs its hundred packages.
import { execFileSync, spawn } from "node:child_process";
import { closeSync, cpSync, existsSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { endProcess, freePort, greets } from "../../test/support/peers.ts";
import { atExit } from "./at-exit.ts";
import { createCpuGroup } from "./cpu-group.ts";
import type { Contestant, Relay } from "./relay.ts";
import { startSink } from "./sink.ts";

const VERSION = "3.3.4";
const PREFIX = resolve("build/peers");
const HARAKA = join(PREFIX, "node_modules/Haraka");

export const haraka: Contestant = {
  name: "Haraka",
  setUp: "syncs each file of its outbound queue; a process for each core, 50 connections to the sink.",
  version,
  start,
};

/** Without a network it can't be installed. */
function version(): string | undefined {
  if (existsSync(HARAKA)) return VERSION;
  mkdirSync(PREFIX, { recursive: true });
  const options = ["--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "--loglevel", "error"];
  try {
    execFileSync("npm", ["install", "--prefix", PREFIX, ...options, `Haraka@${VERSION}`], {
      stdio: "inherit",
    });
    return VERSION;
  } catch {
    return undefined;
  }
}

/** Everybody may relay, and all mail goes to the sink. */
const plugin = (port: number): string => `
exports.hook_connect = (next, connection) => { connection.relaying = true; next(); };
exports.hook_rcpt = (next) => next(OK);
exports.hook_get_mx = (next) => next(OK, { exchange: "127.0.0.1", port: ${port}, priority: 0 });
`;

async function start(folder: string): Promise<Relay> {
  for (const path of ["plugins", "queue"]) mkdirSync(join(folder, path), { recursive: true });
  cpSync(join(HARAKA, "config"), join(folder, "config"), { recursive: true });
  const sink = await startSink(folder);
  const port = await freePort();
  const files = {
    "config/smtp.ini": `listen=127.0.0.1:${port}\nnodes=${availableParallelism()}\n`,
    "config/outbound.ini": "concurrency_max=50\nenable_tls=false\nlocal_mx_ok=true\n",
    "config/log.ini": "[main]\nlevel=NOTICE\n",
    "config/me": "haraka.example\n",
    "config/plugins": "relay_to_sink\n",
    "plugins/relay_to_sink.js": plugin(sink.port),
  };
  for (const [path, content] of Object.entries(files)) writeFileSync(join(folder, path), content);
  const log = openSync(join(folder, "log"), "w");
  const child = spawn(process.execPath, [join(HARAKA, "haraka.js")], {
    env: { ...process.env, HARAKA: folder },
    cwd: folder,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const ended = atExit(() => child.kill());
  const pid = child.pid as number;
  const cpu = createCpuGroup(`haraka-${pid}`, [pid]);
  await greets(port);
  return {
    ...{ name: haraka.name, port, sink, cpu },
    async stop() {
      await endProcess(child);
      ended();
      await cpu.remove();
      await sink.stop();
    },
  };
}
