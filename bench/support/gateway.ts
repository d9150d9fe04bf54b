// The built gateway as one of the relays, with its log in a file, as it is in production.
import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
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
  const [relay] = await startProcess([main, "serve"], folder, [{ folder, settings, sink: otherSink }]);
  return relay as Relay;
}

/** One of several gateways in one process. */
export interface Lodger {
  readonly settings: Settings;
  /** The program: this build unless given. */
  readonly main?: string;
}

/**
 * Starts them in one process, so that what differs between two processes, by a tenth and more, is the same for all: what the
 * compiler has made of the program, and where it is in memory. Processor time is that of all: one works at a time. Each
 * `stop` ends all of them.
 *
 * @param folder for their data, empty
 */
export async function startTogether(folder: string, lodgers: readonly Lodger[]): Promise<readonly Relay[]> {
  const placed = lodgers.map((lodger, at) => ({ ...lodger, folder: join(folder, String(at)) }));
  return await startProcess([HOST], folder, placed);
}

const HOST = fileURLToPath(new URL("several-gateways.js", import.meta.url));

interface Placed extends Lodger {
  readonly folder: string;
  readonly sink?: Sink | undefined;
}

async function startProcess(
  program: readonly string[],
  folder: string,
  placed: readonly Placed[],
): Promise<readonly Relay[]> {
  const started = await Promise.all(
    placed.map(async ({ folder: own, settings, main = MAIN, sink: other }) => {
      mkdirSync(own, { recursive: true });
      const sink = other ?? (await startSink(own));
      const { SMTP_PORT: port = await freePort(), ...others } = settings ?? {};
      const environment = {
        // A file names its listeners itself.
        ...(others.CONFIG === undefined ? { SMTP_PORT: port } : {}),
        ...{ DATA_DIR: join(own, "data"), HOSTNAME: "gateway.example" },
        // As the peers, which have no limit on connections; the load is at the default's.
        SMTP_CONNECTIONS_MAX: 2_000,
        ...{ UPSTREAM_KIND: "smtp", UPSTREAM_SMTP_HOST: "127.0.0.1", UPSTREAM_SMTP_PORT: sink.port },
        ...{ UPSTREAM_SMTP_TLS: "none", ...others },
      };
      return { sink, port: Number(port), main, environment };
    }),
  );
  const log = openSync(join(folder, "log"), "w");
  const several = started.map(({ main, environment }) => ({ main, environment: environmentOf(environment) }));
  const child = spawn(process.execPath, [...program], {
    env:
      program[0] === HOST ? { ...process.env, GATEWAYS: JSON.stringify(several) } : several[0]?.environment,
    stdio: ["ignore", log, "inherit"],
  });
  closeSync(log);
  const ended = atExit(() => child.kill());
  const pid = child.pid as number;
  const cpu = createCpuGroup(`gateway-${pid}`, [pid]);
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await endProcess(child);
    ended();
    await cpu.remove();
    await Promise.all(started.map(({ sink }) => sink.stop()));
  };
  for (const { port } of started) await greets(port);
  return started.map(({ port, sink }) => ({
    ...{ name: mailonce.name, port, sink, cpu, pid },
    memory: () => residentMemory(pid).peak,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  }));
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
