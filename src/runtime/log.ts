// The one log. Every decision about a message is one line with an `event`; addresses stay out of it
// unless asked for. pino is imported here and nowhere else.
import { type DestinationStream, pino } from "pino";
import pretty from "pino-pretty";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

/** `event` is a stable dotted name (`transmission.relayed`), `fields` its facts. Never throws. */
export type Log = Readonly<Record<LogLevel, (event: string, fields?: LogFields) => void>>;

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

export interface LogOptions {
  readonly level: LogLevel | "silent";
  readonly format: "pretty" | "json";
}

/**
 * Lines are written before the call returns: a line that precedes a deed (a doubtful mail about to be
 * transmitted again) must be out even when the process dies in the deed.
 *
 * @param destination where lines go; standard output unless given
 */
export function createLog(options: LogOptions, destination?: DestinationStream): Log {
  const out = destination ?? pino.destination({ fd: 1, sync: true });
  const stream =
    options.format === "pretty"
      ? pretty({
          colorize: destination === undefined && process.stdout.isTTY === true,
          sync: true,
          singleLine: true,
          ignore: "event",
          messageFormat: "{event}",
          translateTime: "SYS:HH:MM:ss.l",
          destination: out,
        })
      : out;
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  const line = (level: LogLevel) => (event: string, fields?: LogFields) => {
    logger[level]({ event, ...fields });
  };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}
