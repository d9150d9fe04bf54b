// The delivery status notification for one submission (RFC 3464 in a multipart/report, RFC 6522). It goes
// back through servers that may know ASCII only, and every value in it was written by someone else: so all
// of it is 7-bit, and no value can begin a line of its own.
import { createHash } from "node:crypto";
import { encode, wrap } from "nodemailer/lib/qp";
import { canonicalDomain } from "../address/domain.ts";
import { asciiLine, fieldLines, LINE_MAX, mailbox, typedAddress, wrapped } from "./dsn-lines.ts";
import { formatDate } from "./trace.ts";

/**
 * - refused, expired, lost: it failed, and will not be tried again; lost with its content, by our disk.
 * - delayed: it is still tried.
 * - relayed: it was handed to a server that does not report to senders (RFC 3461 §5.2.2).
 */
export type NoticeReason = "refused" | "expired" | "lost" | "delayed" | "relayed";

/** One recipient of the message, and the fate of its mail. */
export interface NoticeRecipient {
  readonly recipient: string;
  /** RFC 3461 §4.2, decoded: the recipient as the sender named it. */
  readonly orcpt?: string | undefined;
  readonly reason: NoticeReason;
  /** The upstream's reply, or the reason why it was not called. */
  readonly diagnostic: string;
  /** When the transmission was attempted last, milliseconds since the epoch. */
  readonly lastAttemptAt: number;
  /** Milliseconds since the epoch; for a delay. */
  readonly willRetryUntil?: number | undefined;
}

export interface NoticeFacts {
  /** Our own name. */
  readonly reportingMta: string;
  /** The mailbox that the notice is from. Its reverse-path is the null one. */
  readonly from: string;
  /** The reverse-path of the submission, to which the notice goes. */
  readonly to: string;
  readonly recipients: readonly [NoticeRecipient, ...NoticeRecipient[]];
  /** Milliseconds since the epoch. */
  readonly arrivedAt: number;
  /** The Date of the notice, likewise. */
  readonly date: number;
  /** ENVID of the submission, decoded; RFC 3464 §2.2.1 hands it back. */
  readonly envid?: string;
  /** What is attached: the header, or a whole message that is fit for it (see canAttach). CRLF line ends. */
  readonly original: { readonly kind: "header" | "message"; readonly octets: Uint8Array };
  /** Of the notice, with its angle brackets. */
  readonly messageId: string;
  /** More header fields of the notice, whole lines without their ends. */
  readonly fields?: readonly string[];
}

/** Enough for a sender to find the message; a notice must not grow with the message. */
const ORIGINAL_HEADER_MAX = 32 * 1024;
/** Of a header that has to be encoded: quoted-printable makes up to three octets of one, and line ends besides. */
const ENCODED_HEADER_MAX = 15 * 1024;

/** A whole message that was asked for (RET=FULL) and is larger comes back as its header. */
export const ORIGINAL_MESSAGE_MAX = 50_000;

/** RFC 5321 §4.5.3.1.5 allows reply lines of 512 octets; a longer reply is cut. */
const DIAGNOSTIC_MAX = 512;

interface Words {
  /** RFC 3464 §2.3.3. */
  readonly action: "failed" | "delayed" | "relayed";
  readonly subject: string;
  readonly text: string;
}

const FAILED = { action: "failed", subject: "Your message could not be delivered" } as const;

const WORDS: Readonly<Record<NoticeReason, Words>> = {
  refused: { ...FAILED, text: "Your message was refused and will not be tried again:" },
  expired: { ...FAILED, text: "Your message could not be delivered in time and will not be tried again:" },
  lost: { ...FAILED, text: "Your message was lost by the disk of this gateway and can't be delivered:" },
  delayed: {
    action: "delayed",
    subject: "Your message is delayed",
    text: "Your message could not be delivered yet and is tried again; there is nothing you need to do:",
  },
  relayed: {
    action: "relayed",
    subject: "Your message was relayed",
    text: "Your message was handed to a server that does not report its delivery:",
  },
};

/** The whole notice, header and body: CRLF line ends, 7-bit, no line longer than RFC 5322 allows. */
export function composeNotice(facts: NoticeFacts): Uint8Array {
  const parts = [textPart(facts), statusPart(facts), originalPart(facts.original)];
  // Nothing in the parts can guess it: it depends on all of them.
  const hash = createHash("sha256").update(facts.messageId);
  for (const octets of parts.flat()) hash.update("\0").update(octets);
  const boundary = hash.digest("hex").slice(0, 32);
  const postmaster = `<MAILER-DAEMON@${canonicalDomain(asciiLine(facts.reportingMta)) ?? "localhost"}>`;
  const header = [
    ...fieldLines("From", `Mail Delivery System ${mailbox(facts.from) ?? postmaster}`),
    ...fieldLines("To", mailbox(facts.to) ?? "undisclosed-recipients:;"),
    `Subject: ${subjectOf(facts)}`,
    ...fieldLines("Date", formatDate(facts.date)),
    ...fieldLines("Message-ID", asciiLine(facts.messageId)),
    ...(facts.fields ?? []),
    // RFC 3834 §5: nobody is to answer it.
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    "Content-Type: multipart/report; report-type=delivery-status;",
    ` boundary="${boundary}"`,
    "",
  ];
  const lines = [header, ...parts.map((part) => [`--${boundary}`, ...part]), [`--${boundary}--`, ""]];
  return Buffer.from(lines.flat().join("\r\n"), "latin1");
}

/** The gravest first: it is what the subject says. */
const REASONS: readonly NoticeReason[] = ["refused", "expired", "lost", "delayed", "relayed"];

function subjectOf({ recipients }: NoticeFacts): string {
  const first = REASONS.find((reason) => recipients.some((one) => one.reason === reason)) ?? "refused";
  const { subject } = WORDS[first];
  const isWhole = recipients.every(({ reason }) => WORDS[reason].subject === subject);
  return isWhole ? subject : `${subject} to some recipients`;
}

function textPart(facts: NoticeFacts): string[] {
  const { recipients } = facts;
  const what = facts.original.kind === "message" ? "The message" : "The header of the message";
  return [
    "Content-Type: text/plain; charset=us-ascii",
    "",
    `This is the mail gateway at ${asciiLine(facts.reportingMta)}.`,
    "",
    ...REASONS.flatMap((reason) => {
      const about = recipients.filter((one) => one.reason === reason);
      return about.length === 0 ? [] : [WORDS[reason].text, "", ...about.flatMap(recipientText)];
    }),
    `${what} is attached.`,
    "",
  ];
}

const recipientText = ({ recipient, diagnostic }: NoticeRecipient): string[] => [
  ...wrapped(`    ${asciiLine(recipient)}`, "    "),
  "",
  ...wrapped(`The reason given: ${asciiLine(diagnostic, DIAGNOSTIC_MAX)}`, "    "),
  "",
];

/** RFC 3464 §2: the fields of the message, and in a block of their own those of each recipient. */
function statusPart(facts: NoticeFacts): string[] {
  const { envid, recipients } = facts;
  return [
    "Content-Type: message/delivery-status",
    "",
    ...fieldLines("Reporting-MTA", `dns; ${asciiLine(facts.reportingMta)}`),
    ...(envid === undefined ? [] : fieldLines("Original-Envelope-Id", asciiLine(envid))),
    ...fieldLines("Arrival-Date", formatDate(facts.arrivedAt)),
    "",
    ...recipients.flatMap(recipientStatus),
  ];
}

function recipientStatus(facts: NoticeRecipient): string[] {
  const { orcpt, reason, willRetryUntil } = facts;
  const diagnostic = asciiLine(facts.diagnostic, DIAGNOSTIC_MAX);
  // §2.3.6: "smtp" only for a reply in SMTP's own form.
  const diagnosticType = /^[245]\d\d[ -]/.test(diagnostic) ? "smtp" : "x-mailonce";
  return [
    ...(orcpt === undefined ? [] : fieldLines("Original-Recipient", originalRecipient(orcpt))),
    ...fieldLines("Final-Recipient", typedAddress(facts.recipient)),
    `Action: ${WORDS[reason].action}`,
    `Status: ${statusOf(reason, facts.diagnostic)}`,
    ...fieldLines("Diagnostic-Code", `${diagnosticType}; ${diagnostic}`),
    ...fieldLines("Last-Attempt-Date", formatDate(facts.lastAttemptAt)),
    ...(willRetryUntil === undefined ? [] : fieldLines("Will-Retry-Until", formatDate(willRetryUntil))),
    "",
  ];
}

/** RFC 3464 §2.3.1. What has no type is taken for a mailbox. */
function originalRecipient(orcpt: string): string {
  const typed = /^([A-Za-z0-9-]+);(.*)$/su.exec(orcpt);
  return `${typed?.[1] ?? "rfc822"}; ${asciiLine(typed?.[2] ?? orcpt)}`;
}

/** The status code (RFC 3463), its class that of the action. */
function statusOf(reason: NoticeReason, diagnostic: string): string {
  if (reason === "relayed") return "2.0.0";
  // X.4.7: delivery time expired, whatever the last reply was.
  if (reason === "expired") return "5.4.7";
  // X.3.0: the mail system itself, whatever the last reply was.
  if (reason === "lost") return "5.3.0";
  const digit = reason === "delayed" ? 4 : 5;
  const said = /^(\d)\d\d[ -]+(\d\.\d{1,3}\.\d{1,3})\b/.exec(diagnostic);
  return said?.[1] === String(digit) && said[2]?.startsWith(`${digit}.`) ? said[2] : `${digit}.0.0`;
}

/** True when the message can be a part of 7-bit mail as it is: message/rfc822 allows no encoding (RFC 2046 §5.2.1). */
export function canAttach(message: Uint8Array): boolean {
  if (message.length > ORIGINAL_MESSAGE_MAX) return false;
  const lines = Buffer.from(message).toString("latin1").split("\r\n");
  return lines.every(isPlain);
}

/** What 7-bit mail allows (RFC 2045 §2.7): no NUL, no line end alone, nothing above 127. */
const isPlain = (line: string): boolean => line.length <= LINE_MAX && !/[\r\n\x80-\xff]|\0/.test(line);

/** The part that holds the original; a header is encoded where it isn't fit for 7-bit mail, and cut. */
function originalPart({ kind, octets }: NoticeFacts["original"]): string[] {
  if (kind === "message") {
    return ["Content-Type: message/rfc822", "", Buffer.from(octets).toString("latin1")];
  }
  const lines = headerLines(octets, ORIGINAL_HEADER_MAX);
  const plain = lines.every((line) => line.length <= LINE_MAX && /^[\t\x20-\x7e]*$/.test(line));
  if (plain) return ["Content-Type: text/rfc822-headers", "", ...lines, ""];
  const whole = Buffer.from(headerLines(octets, ENCODED_HEADER_MAX).join("\r\n"), "latin1");
  const encoding = "Content-Transfer-Encoding: quoted-printable";
  return ["Content-Type: text/rfc822-headers", encoding, "", wrap(encode(whole)), ""];
}

/** Those that fit whole into so many octets. */
function headerLines(octets: Uint8Array, max: number): string[] {
  const lines = Buffer.from(octets)
    .toString("latin1", 0, max)
    .split(/\r\n|\r|\n/);
  if (octets.length > max) lines.pop();
  while (lines.at(-1) === "") lines.pop();
  return lines;
}
