// Commands of the built program on a terminal, as a person runs them.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { environmentOf, MAIN, type Settings } from "./process.ts";

/** Python's pty makes one of our pipes. */
const PTY = "import pty, sys; pty.spawn(sys.argv[1:])";

export const spawnOnTerminal = (
  args: readonly string[],
  settings: Settings,
): ChildProcessWithoutNullStreams =>
  spawn("python3", ["-c", PTY, process.execPath, MAIN, ...args], { env: environmentOf(settings) });

/** What it prints there. */
export async function runOnTerminal(args: readonly string[], settings: Settings): Promise<string> {
  const child = spawnOnTerminal(args, settings);
  child.stdin.end();
  return (await text(child.stdout)).replaceAll("\r\n", "\n");
}
