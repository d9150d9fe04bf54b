// The one log. Every decision about a message is one line with an `event`; addresses stay out of it
// unless asked for. pino is imported here and nowhere else.
import { type DestinationStream, pino } from "pino";
import { systemClock } from "./clock.ts";
import { createLogOutput, isSameFile, neverWaitForReader, STDERR, STDOUT, survive } from "./log-output.ts";
import { sentenceOf } from "./log-sentence.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

/** `event` is a stable dotted name (`transmission.relayed`), `fields` its facts. Never throws. */
export type Log = Readonly<Record<LogLevel, (event: string, fields?: LogFields) => void>>;

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

export interface LogOptions {
  readonly level: LogLevel | "silent";
  readonly format: "pretty" | "json";
}

/** Lines with facts that nobody could find out later: they are written late rather than never. */
const KEPT = /^(transmission\.doubtful|ledger\.doubtful_expired|operator\..*)$/;

/** In words, for standard error. */
const CAUSES: Readonly<Record<string, string>> = {
  ENOSPC: "no space left",
  EPIPE: "its reader has gone",
  EAGAIN: "its reader has stopped",
};

/**
 * Lines are written before the call returns: a line that precedes a deed (a doubtful mail about to be
 * transmitted again) must be out even when the process dies in the deed. log-output.ts handles lines that
 * can't be written.
 *
 * @param destination where lines go; standard output unless given
 */
export async function openLog(options: LogOptions, destination?: DestinationStream): Promise<Log> {
  const colorize = destination === undefined && process.stdout.isTTY === true;
  const toPretty = options.format === "pretty" ? await createPretty(colorize) : undefined;
  const render = createRenderer(options, toPretty);
  if (destination !== undefined) return logTo(render, (line) => destination.write(line));
  neverWaitForReader();
  survive(process.stderr);
  const output = createLogOutput({
    fd: STDOUT,
    clock: systemClock,
    resumed(missed) {
      let line = "";
      const log = logTo(render, (made) => {
        line = made;
      });
      log.warn("log.resumed", { ...missed });
      return line;
    },
    complain(cause) {
      if (isSameFile(STDOUT, STDERR)) return;
      const why = CAUSES[cause] ?? cause;
      process.stderr.write(
        `mailonce: the log can't be written: ${why}; mail goes on, and lines are missed\n`,
      );
    },
  });
  process.once("exit", output.end);
  return logTo(render, (line, event) => output.write(line, KEPT.test(event)));
}

/** The line of an event, with its line end; undefined when its level is not logged. */
type Render = (level: LogLevel, event: string, fields: LogFields | undefined) => string | undefined;

type ToPretty = (line: string) => string;

function createRenderer({ level: least }: LogOptions, toPretty: ToPretty | undefined): Render {
  let made: string | undefined;
  const logger = pino(
    {
      level: least,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      write(line) {
        made = line;
      },
    },
  );
  return (level, event, fields) => {
    made = undefined;
    logger[level]({ event, ...fields });
    return made === undefined || toPretty === undefined ? made : toPretty(made);
  };
}

/** Loaded only where a person reads the log. */
async function createPretty(colorize: boolean): Promise<ToPretty> {
  const { prettyFactory } = await import("pino-pretty");
  return prettyFactory({
    colorize,
    // The sentence says all of it.
    hideObject: true,
    messageFormat({ level, time, event, ...facts }) {
      return sentenceOf(String(event), facts);
    },
    translateTime: "SYS:HH:MM:ss",
    customPrettifiers: { time: String },
  });
}

function logTo(render: Render, write: (line: string, event: string) => void): Log {
  const line = (level: LogLevel) => (event: string, fields?: LogFields) => {
    const made = render(level, event, fields);
    if (made !== undefined) write(made, event);
  };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}
