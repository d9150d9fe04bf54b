// What is done about an id that was attempted before without an answer, and that no spool has: its mail is submitted again.
import { evidenceUntil } from "../evidence/wait.ts";

export interface DoubtfulOptions {
  /** What is done about it once evidence has had its time. */
  readonly doubtful: "resend" | "hold" | "drop";
  /** For how long evidence may come before that, milliseconds: of the longest upstream, since it is not known which it was. */
  readonly evidenceWaitMs: number;
}

export interface Doubted {
  /** When it was last attempted or found doubtful, milliseconds since the epoch. */
  readonly changedAt: number;
}

/**
 * - drop: it counts as relayed.
 * - withhold: the client gets 451 and submits again; the ledger keeps the doubt.
 * - enter: it enters the spool, and dispatch decides.
 *
 * @param isAwaited the client waits for the verdict
 */
export function resubmitted(
  { doubtful, evidenceWaitMs }: DoubtfulOptions,
  { changedAt }: Doubted,
  now: number,
  isAwaited: boolean,
): "drop" | "withhold" | "enter" {
  if (evidenceUntil(changedAt, evidenceWaitMs, now) !== undefined) return isAwaited ? "withhold" : "enter";
  if (doubtful === "drop") return "drop";
  return doubtful === "hold" && isAwaited ? "withhold" : "enter";
}
