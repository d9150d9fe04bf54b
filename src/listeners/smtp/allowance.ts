// How much a connection may still do before it is ended: its limits, and their use so far. It only counts.

/** What a connection is allowed, each with its reason in the schema of the configuration. */
export interface ConnectionLimits {
  readonly errorsMax: number;
  readonly junkCommandsMax: number;
  readonly unauthenticatedCommandsMax: number;
  readonly bareNewlines: "normalize" | "reject";
  /** Refusals of reverse-paths and recipients since the last mail. */
  readonly refusalsMax: number;
  /** EHLO has one word, and a path its brackets. */
  readonly strict: boolean;
  /** Milliseconds. */
  readonly timeouts: {
    readonly greeting: number;
    readonly command: number;
    readonly dataIdle: number;
    readonly data: number;
  };
}

/** Commands that don't lead to a mail. */
const JUNK: ReadonlySet<string> = new Set([
  "NOOP",
  "RSET",
  "VRFY",
  "HELP",
  "EHLO",
  "HELO",
  "LHLO",
  "XCLIENT",
]);

export interface Allowance {
  /** Counts a reply. True when it was the last error that is allowed. */
  replied(code: number): boolean;
  /** Counts the refusal of a reverse-path or a recipient. True when it was the last one that is allowed. */
  refused(code: number): boolean;
  /**
   * Counts a command.
   *
   * @param name in upper case
   * @param isPermitted asked only where it counts: the client may submit
   * @returns the limit that it passes
   */
  command(
    name: string,
    isPermitted: () => boolean,
  ): "junk_commands_max" | "unauthenticated_commands_max" | undefined;
  /** A mail was taken: what it cost to get there is forgiven. */
  submitted(): void;
}

export function createAllowance(limits: ConnectionLimits): Allowance {
  let errors = 0;
  let refusals = 0;
  let junk = 0;
  let unauthenticated = 0;
  return {
    // Syntax and sequence, and authentication; a recipient that policy refuses is no fault of the client's.
    replied: (code) => code >= 500 && code < 550 && ++errors === limits.errorsMax,
    // For now only: such a client comes again, and is no guesser.
    refused: (code) => code >= 550 && ++refusals === limits.refusalsMax,
    command(name, isPermitted) {
      if (JUNK.has(name) && ++junk > limits.junkCommandsMax) return "junk_commands_max";
      if (name === "QUIT" || isPermitted()) return undefined;
      return ++unauthenticated > limits.unauthenticatedCommandsMax
        ? "unauthenticated_commands_max"
        : undefined;
    },
    submitted() {
      errors = 0;
      refusals = 0;
      junk = 0;
    },
  };
}
