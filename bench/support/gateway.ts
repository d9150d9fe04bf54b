// The built gateway as one of the relays, with its log in a file, as it is in production.
import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { residentMemory } from "../../test/support/large-mail.ts";
import { endProcess, freePort, greets } from "../../test/support/peers.ts";
import { environmentOf, MAIN, makeFolder, type Settings } from "../../test/support/process.ts";
import { atExit } from "./at-exit.ts";
import { createCpuGroup } from "./cpu-group.ts";
import type { Contestant, Relay } from "./relay.ts";
import { type Sink, startSink } from "./sink.ts";

export const mailonce: Contestant = {
  name: "mailonce",
  setUp:
    "its defaults, with a log line for each decision. It syncs twice more until a mail is done, and remembers its id.",
  version: () => execFileSync(process.execPath, [MAIN, "--version"], { encoding: "utf8" }).trim(),
  start: (folder) => startGateway(folder),
};

/**
 * @param folder for its data, empty
 * @param otherSink where the settings say that it relays to; smtp-sink unless given
 * @param main the program: this build unless given
 */
export async function startGateway(
  folder: string,
  settings: Settings = {},
  otherSink?: Sink,
  main = MAIN,
): Promise<Relay> {
  mkdirSync(folder, { recursive: true });
  const sink = otherSink ?? (await startSink(folder));
  const port = await freePort();
  const log = openSync(join(folder, "log"), "w");
  const child = spawn(process.execPath, [main, "serve"], {
    env: environmentOf({
      ...{ SMTP_PORT: port, DATA_DIR: join(folder, "data"), HOSTNAME: "gateway.example" },
      // As the peers, which have no limit on connections; the load is at the default's.
      SMTP_CONNECTIONS_MAX: 2_000,
      ...{ UPSTREAM_KIND: "smtp", UPSTREAM_SMTP_HOST: "127.0.0.1", UPSTREAM_SMTP_PORT: sink.port },
      ...{ UPSTREAM_SMTP_TLS: "none", ...settings },
    }),
    stdio: ["ignore", log, "inherit"],
  });
  closeSync(log);
  const ended = atExit(() => child.kill());
  const pid = child.pid as number;
  const cpu = createCpuGroup(`gateway-${pid}`, [pid]);
  await greets(port);
  return {
    ...{ name: mailonce.name, port, sink, cpu, pid },
    memory: () => residentMemory(pid).peak,
    async stop() {
      await endProcess(child);
      ended();
      await cpu.remove();
      await sink.stop();
    },
  };
}

/** A gateway of its own for what `work` measures. */
export async function withGateway<Measured>(work: (gateway: Relay) => Promise<Measured>): Promise<Measured> {
  const folder = makeFolder();
  const gateway = await startGateway(folder.path);
  try {
    return await work(gateway);
  } finally {
    await gateway.stop();
    folder.remove();
  }
}
