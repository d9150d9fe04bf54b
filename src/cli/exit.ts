// Exit codes, and how a command reports faults: one a line on standard error.

export const exitCodes = {
  ok: 0,
  /** The command was valid but failed. */
  failed: 1,
  /** The configuration or the command line is wrong. */
  badConfiguration: 2,
  /** What was named or asked for is not there. */
  nothingMatched: 3,
  /** The gateway runs, but not as it should. */
  degraded: 4,
  /** Ended by a second signal. */
  interrupted: 130,
} as const;

export function reportFaults(faults: readonly string[], exitCode: number): number {
  for (const fault of faults) process.stderr.write(`mailonce: ${fault}\n`);
  return exitCode;
}
