// The log of a command that opens the data folder: on standard error, since no gateway runs that has a log.
import type { Config } from "../config/config.ts";
import { createLog, type Log, silentLog } from "../runtime/log.ts";

/** Only events that the next start does not report again, such as decisions and repairs. */
const SAID_ONCE = /^(operator\.|data\.|ledger\.doubtful_expired$)/;

export function createCommandLog({ level, format }: Config["log"]): Log {
  const isTerminal = process.stderr.isTTY === true;
  const log = createLog(
    { level, format: format ?? (isTerminal ? "pretty" : "json") },
    { write: (line) => void process.stderr.write(line) },
  );
  const warn: Log["warn"] = (event, fields) => {
    if (SAID_ONCE.test(event)) log.warn(event, fields);
  };
  return { ...silentLog, warn, error: log.error };
}
