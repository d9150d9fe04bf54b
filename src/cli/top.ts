// `mailonce top`: the state of the gateway each second, until "q" or ctrl-c. The terminal is then as it was.
import { GatewayError, NoGatewayError } from "../operator/http/client.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { operate } from "./operate.ts";
import { askStatus, type StatusOptions } from "./status.ts";
import { statusScreen } from "./status-screen.ts";

/** The terminal's second screen, without a cursor; and back. */
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
/** To the upper left; what is right of a line, and below the last, is cleared. */
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

const CTRL_C = "\x03";
const EVERY_MS = 1_000;
const SIGNALS = ["SIGTERM", "SIGHUP", "SIGINT"] as const;

/** Of a terminal that says 0, or nothing. */
const ROWS = 24;
const COLUMNS = 80;

export async function showTop({ config: file }: StatusOptions): Promise<number> {
  const { stdin, stdout } = process;
  if (stdin.isTTY !== true || stdout.isTTY !== true) {
    const fault = "top needs a terminal; `mailonce status` prints the same once";
    return reportFaults([fault], exitCodes.badConfiguration);
  }
  return await operate(file, async ({ data_dir: dataDir }) => {
    const screen = async (): Promise<string> => {
      try {
        return statusScreen(await askStatus(dataDir), Date.now(), stdout.columns || COLUMNS);
      } catch (error) {
        if (error instanceof NoGatewayError) return `no gateway runs on ${dataDir}\n`;
        if (error instanceof GatewayError) return `${error.message}\n`;
        throw error;
      }
    };
    stdout.write(ENTER);
    try {
      await untilLeft(async () => {
        const width = stdout.columns || COLUMNS;
        const lines = `${await screen()}\nq: leave`.split("\n").flatMap((line) => wrapped(line, width));
        const shown = lines.slice(0, (stdout.rows || ROWS) - 1);
        stdout.write(HOME + shown.map((line) => `${line}${CLEAR_LINE}\r\n`).join("") + CLEAR_BELOW);
      });
    } finally {
      stdout.write(LEAVE);
    }
    return exitCodes.ok;
  });
}

/** A line of the screen is no longer than the terminal is wide. */
function wrapped(line: string, width: number): string[] {
  const characters = [...line];
  const rows = Math.max(1, Math.ceil(characters.length / width));
  return Array.from({ length: rows }, (_, row) => characters.slice(row * width, (row + 1) * width).join(""));
}

/** Shows at once, each second, and when the terminal has another size. Resolves when the user wants to leave. */
async function untilLeft(show: () => Promise<void>): Promise<void> {
  const { stdin, stdout } = process;
  let isOver = false;
  let wake = (): void => {};
  const leave = (): void => {
    isOver = true;
    wake();
  };
  const read = (keys: string): void => {
    if (/[qQ]/.test(keys) || keys.includes(CTRL_C)) leave();
  };
  const resized = (): void => wake();
  stdin.setRawMode(true);
  stdin.setEncoding("utf8").on("data", read).once("end", leave).resume();
  stdout.on("resize", resized);
  for (const signal of SIGNALS) process.on(signal, leave);
  try {
    while (!isOver) {
      const rest = new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, EVERY_MS);
      });
      await show();
      if (!isOver) await rest;
    }
  } finally {
    for (const signal of SIGNALS) process.off(signal, leave);
    stdout.off("resize", resized);
    stdin.off("data", read).pause();
    stdin.setRawMode(false);
  }
}
