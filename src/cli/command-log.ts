// The log of a command that opens the data folder: on standard error, since no gateway runs that has a log.
import type { Config } from "../config/config.ts";
import { type Log, openLog, silentLog } from "../runtime/log.ts";

/** Only events that the next start does not report again, such as decisions and repairs. */
const SAID_ONCE = /^(operator\.|data\.|ledger\.doubtful_expired$)/;

export async function openCommandLog({ level, format }: Config["log"]): Promise<Log> {
  const isTerminal = process.stderr.isTTY === true;
  const log = await openLog(
    { level, format: format ?? (isTerminal ? "pretty" : "json") },
    { write: (line) => void process.stderr.write(line) },
  );
  const warn: Log["warn"] = (event, fields) => {
    if (SAID_ONCE.test(event)) log.warn(event, fields);
  };
  return { ...silentLog, warn, error: log.error };
}
