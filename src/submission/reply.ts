// Every reply to a client; docs/replies.md lists them. The type pairs a reply code with an enhanced status of
// the same class (RFC 3463 §2: the class mirrors the first digit), so that a wrong pair does not compile. The
// texts are short and generic; details go to the log.

import { StorageError } from "../storage/storage.ts";

type Tail = `${number}.${number}`;

export type Reply =
  | { readonly code: 250; readonly status: `2.${Tail}`; readonly text: string }
  | { readonly code: 421 | 450 | 451 | 452 | 454; readonly status: `4.${Tail}`; readonly text: string }
  | {
      readonly code: 521 | 530 | 535 | 538 | 550 | 552 | 553 | 554;
      readonly status: `5.${Tail}`;
      readonly text: string;
    };

/** RFC 5321 §4.5.3.1.5: a reply line has 512 octets at most, code and CRLF included. */
const REPLY_TEXT_MAX = 480;

export const replies = {
  queued: (submission: string): Reply => ({ code: 250, status: "2.0.0", text: `queued as ${submission}` }),
  repeat: (messageId: string): Reply => ({
    code: 250,
    status: "2.0.0",
    text: `repeat of ${messageId}, not relayed again`,
  }),
  repeats: (count: number): Reply => ({
    code: 250,
    status: "2.0.0",
    text: `${count} repeats, not relayed again`,
  }),
  partlyQueued: (submission: string, queued: number, repeats: number): Reply => ({
    code: 250,
    status: "2.0.0",
    text: `${queued} queued as ${submission}, ${repeats} repeats not relayed again`,
  }),
  unavailable: { code: 451, status: "4.3.0", text: "try again later" },
  full: { code: 452, status: "4.3.1", text: "out of storage, try again later" },
  /** All connections together hold as much memory as is allowed; `full` is about the disk. */
  busy: { code: 452, status: "4.3.1", text: "too much mail at once, try again later" },
  /**
   * Another client waits for the verdict about a copy. Only that client gets it, so no 250 can rest on it.
   */
  awaited: {
    code: 451,
    status: "4.3.0",
    text: "another client waits for a copy of this mail, try again later",
  },
  shuttingDown: { code: 421, status: "4.3.2", text: "shutting down" },
  draining: { code: 421, status: "4.3.2", text: "this gateway takes no more mail, try another one or later" },
  tooManyConnections: { code: 421, status: "4.3.2", text: "too many connections, try again later" },
  timeout: { code: 421, status: "4.4.2", text: "timeout, closing connection" },
  notWelcome: { code: 554, status: "5.7.1", text: "no service for this address" },
  blocked: { code: 421, status: "4.7.0", text: "too many failed authentications, try again later" },
  tooManyErrors: { code: 421, status: "4.7.0", text: "too many errors" },
  tooManyCommands: { code: 421, status: "4.7.0", text: "too many commands without a mail" },
  authenticateFirst: { code: 530, status: "5.7.0", text: "authentication required" },
  startTlsFirst: { code: 530, status: "5.7.0", text: "must issue a STARTTLS command first" },
  /** RFC 4954 §6. */
  encryptFirst: { code: 538, status: "5.7.11", text: "encryption required for authentication" },
  /** The code and status that Postfix gives for it. */
  bareNewlineInCommand: { code: 521, status: "5.5.2", text: "a command ends in LF without CR" },
  /** RFC 2920 §3.1. */
  unsynchronised: { code: 554, status: "5.5.0", text: "the client did not wait for a reply" },
  wrongCredentials: { code: 535, status: "5.7.8", text: "authentication credentials invalid" },
  authenticateLater: { code: 454, status: "4.7.0", text: "can't authenticate now, try again later" },
  notAllowed: (what: string): Reply => ({ code: 550, status: "5.7.1", text: what }),
  tooMuchForNow: (what: string): Reply => ({ code: 450, status: "4.7.1", text: `${what}, try again later` }),
  tooManyRecipients: { code: 452, status: "4.5.3", text: "too many recipients" },
  tooLarge: (octets: number): Reply => ({
    code: 552,
    status: "5.3.4",
    text: `message larger than ${octets} octets`,
  }),
  headerTooLarge: (octets: number): Reply => ({
    code: 552,
    status: "5.3.4",
    text: `header larger than ${octets} octets`,
  }),
  tooManyFields: (count: number): Reply => ({
    code: 552,
    status: "5.3.4",
    text: `header with more than ${count} fields`,
  }),
  lineTooLong: (octets: number): Reply => ({
    code: 554,
    status: "5.6.0",
    text: `a line is longer than ${octets} octets, which the upstream does not take`,
  }),
  hasNul: { code: 554, status: "5.6.0", text: "the content has a NUL" },
  bareNewline: {
    code: 554,
    status: "5.6.0",
    text: "the content has a bare CR or LF",
  },
  tooManyHops: (count: number): Reply => ({
    code: 554,
    status: "5.4.6",
    text: `a mail loop: more than ${count} Received fields`,
  }),
  cameBack: { code: 554, status: "5.4.6", text: "a mail loop: this mail has been here three times" },
  badTask: (fault: string): Reply => ({ code: 554, status: "5.6.0", text: fault }),
  noTask: (header: string): Reply => ({
    code: 554,
    status: "5.6.0",
    text: `no task id: set the header field ${header}`,
  }),
  conflict: (partHeader: string): Reply => ({
    code: 554,
    status: "5.6.0",
    text: `another mail of this task went to this recipient: set the header field ${partHeader} to tell them apart`,
  }),
  badRecipient: (fault: string): Reply => ({ code: 553, status: "5.1.3", text: fault }),
  badSender: (fault: string): Reply => ({ code: 553, status: "5.1.7", text: fault }),
  refusedForNow: { code: 451, status: "4.3.0", text: "the upstream refused it for now, try again later" },
  doubtful: {
    code: 451,
    status: "4.4.2",
    text: "the upstream gave no answer and may have the message, try again later",
  },
  /** @param reply the upstream's own, where one recipient was refused */
  refusedForGood: (recipients: readonly string[], reply: string): Reply => ({
    code: 554,
    status: "5.0.0",
    text: `refused by the upstream for ${recipients.join(", ")}: ${reply}`.slice(0, REPLY_TEXT_MAX),
  }),
  relayed: (count: number): Reply => ({ code: 250, status: "2.0.0", text: `${count} relayed` }),
  needsSmtpUtf8: {
    code: 553,
    status: "5.6.7",
    text: "the upstream takes ASCII addresses only",
  },
} as const satisfies Record<string, Reply | ((...args: never[]) => Reply)>;

/** The reply when the gateway itself failed. */
export const replyForFailure = (error: unknown): Reply =>
  error instanceof StorageError && error.code === "full" ? replies.full : replies.unavailable;
