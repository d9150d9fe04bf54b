// `mailonce serve`: the gateway as a process, until a signal ends it.
import { setFlagsFromString } from "node:v8";
import { ConfigError, loadConfig } from "../config/config.ts";
import { startGateway } from "../gateway.ts";
import { SettingsError } from "../ledger/shared/settings.ts";
import { createCounters } from "../metrics/counters.ts";
import { HttpListenError } from "../operator/http/open.ts";
import { systemClock } from "../runtime/clock.ts";
import { createFleet } from "../runtime/fleet.ts";
import { type Log, openLog } from "../runtime/log.ts";
import { systemRandom } from "../runtime/random.ts";
import { createDiskStorage } from "../storage/disk.ts";
import { StorageError } from "../storage/storage.ts";
import { createUpstreams } from "../upstream/open.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { ignoredProxy, proxyRemark } from "./proxy-variables.ts";
import { welcome } from "./welcome.ts";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * V8 lets the old generation grow to four times what is live in it. Here most of that is mail which has left, and each
 * object of it holds buffers outside the heap; twice is as fast, and takes 40 MB less with 1,000 connections. Read by
 * V8 whenever it sets the next limit, so it may be set in a process that runs.
 */
const HEAP_FLAG = "--heap-growing-percent=100";

/**
 * Resolves with the exit code when the gateway has stopped, or could not start.
 *
 * @param version of the program
 */
export async function serve(options: { config?: string }, version: string): Promise<number> {
  let log: Log | undefined;
  setFlagsFromString(HEAP_FLAG);
  try {
    const config = loadConfig({ file: options.config, environment: process.env });
    const format = config.log.format ?? (process.stdout.isTTY === true ? "pretty" : "json");
    log = await openLog({ level: config.log.level, format });
    // From here on a signal is ours: one that comes during the start stops the gateway after it.
    const signal = firstSignal();
    const proxy = ignoredProxy(config, process.env);
    if (proxy !== undefined) log.warn("proxy.ignored", { variable: proxy, remark: proxyRemark(proxy) });
    const fleet = createFleet();
    const counters = createCounters();
    const upstreams = await createUpstreams(config, systemClock, log, fleet);
    const gateway = await startGateway(config, {
      version,
      storage: createDiskStorage(config.data_dir, log, counters),
      counters,
      upstreams,
      fleet,
      clock: systemClock,
      random: systemRandom,
      log,
    });
    if (format === "pretty" && config.log.level !== "silent") {
      const names = [...upstreams.values()].map(({ name }) => name);
      const { addresses } = gateway;
      const signInUrl = process.stdout.isTTY === true ? gateway.signInUrl() : undefined;
      process.stdout.write(welcome(config, { version, addresses, upstreams: names, signInUrl }));
    }
    process.on("SIGHUP", () => void gateway.reload());
    await Promise.race([signal, gateway.drained]);
    await gateway.stop();
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof ConfigError) return reportFaults(error.faults, exitCodes.badConfiguration);
    if (error instanceof SettingsError) return reportFaults(error.faults, exitCodes.badConfiguration);
    if (error instanceof StorageError || error instanceof HttpListenError) {
      return reportFaults([error.message], exitCodes.failed);
    }
    if (isListenError(error)) return reportFaults([listenFault(error)], exitCodes.failed);
    throw error;
  }
}

/**
 * The first signal stops the gateway in order. A second ends the process at once: what is durable stays
 * so, and an attempt under way is doubtful at the next start.
 */
function firstSignal(): Promise<void> {
  return new Promise((resolve) => {
    const first = (): void => {
      for (const name of SIGNALS) {
        process.off(name, first);
        process.on(name, () => process.exit(exitCodes.interrupted));
      }
      resolve();
    };
    for (const name of SIGNALS) process.on(name, first);
  });
}

interface ListenError extends NodeJS.ErrnoException {
  readonly address?: string;
  readonly port?: number;
}

/** The system's calls behind listening: the address is looked up, then taken. */
const LISTEN_CALLS: ReadonlySet<string> = new Set(["listen", "bind", "getaddrinfo"]);

const isListenError = (error: unknown): error is ListenError =>
  error instanceof Error && "syscall" in error && LISTEN_CALLS.has(String(error.syscall));

const listenFault = ({ code, address, port, message }: ListenError): string =>
  code === "EADDRINUSE"
    ? `smtp.port: ${address}:${port} is in use by another program`
    : `smtp.host, smtp.port: can't listen: ${message}`;
