// The mails of test/fixtures/data-0.1.0/: what each was when its folder was left, and the content that its mailer
// submits, the same each time.
import { taskMail } from "../support/smtp-client.ts";

/**
 * - relayed: the upstream has it.
 * - queued: 250 was said, nothing is with the upstream; perhaps refused for now.
 * - attempted: 250 was said; the gateway was killed during the attempt.
 * - doubtful: 250 was said; the attempt ended without an answer.
 * - remembered: the client was told 451 after an attempt without an answer; nothing is in the spool.
 * - awaited: the client waited for the verdict and got none; nothing was attempted.
 * - awaitedAttempted: the same during the attempt.
 * - letPass: relayed; a later claim that lets this relaying pass was never accepted.
 * - claimed: a client submitted it to another gateway, which died before it was in the spool.
 */
export type Was =
  | "relayed"
  | "letPass"
  | "queued"
  | "attempted"
  | "doubtful"
  | "remembered"
  | "awaited"
  | "awaitedAttempted"
  | "claimed";

export interface KeptMail {
  readonly task: string;
  readonly recipient: string;
  readonly was: Was;
  /** Its body has a file in the spool. */
  readonly large?: true;
}

/** Above the 64 KiB beyond which a body has a file. */
const LARGE_OCTETS = 66_000;
const LINE = `${"A line of a long body. ".repeat(3)}\r\n`;
export const LARGE_BODY = LINE.repeat(Math.ceil(LARGE_OCTETS / LINE.length));

export const contentOf = ({ task, large }: Pick<KeptMail, "task" | "large">): string =>
  taskMail(task, { body: large === true ? LARGE_BODY : "Hello.\r\n" });
