// The delivery status notification for one transmission that failed (RFC 3464 in a multipart/report,
// RFC 6522). It goes back through servers that may know ASCII only, and every value in it was written by
// someone else: so all of it is 7-bit, and no value can begin a line of its own.
import { createHash } from "node:crypto";
import { encode, wrap } from "nodemailer/lib/qp";
import { canonicalDomain } from "../identity/domain.ts";
import { canonicalRecipient } from "../identity/recipient.ts";
import { formatDate } from "./trace.ts";

export interface FailureFacts {
  /** Our own name. */
  readonly reportingMta: string;
  /** The mailbox that the notice is from, MAILER-DAEMON at our name. Its reverse-path is the null one. */
  readonly from: string;
  /** The reverse-path of the submission, to which the notice goes. */
  readonly to: string;
  readonly recipient: string;
  readonly reason: "refused" | "expired";
  /** RFC 3463 code of class 5; left out, it is taken from the diagnostic where that has one. */
  readonly status?: string;
  /** What the upstream said, or what kept us from asking it. */
  readonly diagnostic: string;
  /** Milliseconds since the epoch. */
  readonly arrivedAt: number;
  /** Milliseconds since the epoch; also the Date of the notice. */
  readonly failedAt: number;
  /** ENVID of the submission, decoded; RFC 3464 §2.2.1 hands it back. */
  readonly envid?: string;
  /** The header of the message that failed, CRLF line ends. */
  readonly originalHeader: Uint8Array;
  /** Of the notice, with its angle brackets. */
  readonly messageId: string;
}

/** RFC 5322 §2.1.1. */
const LINE_MAX = 998;

/** What a sender needs to find the message; a notice is not to grow with what failed. */
const ORIGINAL_MAX = 32 * 1024;

/** RFC 5321 §4.5.3.1.5 allows reply lines of 512 octets; what says more is cut. */
const DIAGNOSTIC_MAX = 512;

/** The whole notice, header and body: CRLF line ends, 7-bit, no line longer than RFC 5322 allows. */
export function composeFailureNotice(facts: FailureFacts): Uint8Array {
  const reportingMta = asciiLine(facts.reportingMta);
  const recipient = asciiLine(facts.recipient);
  const diagnostic = asciiLine(facts.diagnostic, DIAGNOSTIC_MAX);
  const header = originalPart(facts.originalHeader);
  const text = [
    `This is the mail gateway at ${reportingMta}.`,
    "",
    facts.reason === "expired"
      ? "Your message could not be delivered in time and will not be tried again:"
      : "Your message was refused and will not be tried again:",
    "",
    ...wrapped(`    ${recipient}`, "    "),
    "",
    ...wrapped(`The reason given: ${diagnostic}`, "    "),
    "",
    "The header of the message is attached.",
  ];
  const status = [
    ...fieldLines("Reporting-MTA", `dns; ${reportingMta}`),
    ...(facts.envid === undefined ? [] : fieldLines("Original-Envelope-Id", asciiLine(facts.envid))),
    ...fieldLines("Arrival-Date", formatDate(facts.arrivedAt)),
    "",
    ...fieldLines("Final-Recipient", typedAddress(facts.recipient)),
    "Action: failed",
    `Status: ${facts.status ?? statusOf(facts.reason, facts.diagnostic)}`,
    // RFC 3464 §2.3.6: "smtp" only for a reply in SMTP's own form.
    ...fieldLines(
      "Diagnostic-Code",
      `${/^[245]\d\d[ -]/.test(diagnostic) ? "smtp" : "x-mailonce"}; ${diagnostic}`,
    ),
    ...fieldLines("Last-Attempt-Date", formatDate(facts.failedAt)),
  ];
  // Nothing in the parts can guess it: it depends on all of them.
  const boundary = createHash("sha256")
    .update(JSON.stringify([facts.messageId, text, status, header]))
    .digest("hex")
    .slice(0, 32);
  const lines = [
    ...fieldLines(
      "From",
      `Mail Delivery System ${mailbox(facts.from) ?? `<MAILER-DAEMON@${canonicalDomain(reportingMta) ?? "localhost"}>`}`,
    ),
    ...fieldLines("To", mailbox(facts.to) ?? "undisclosed-recipients:;"),
    "Subject: Your message could not be delivered",
    ...fieldLines("Date", formatDate(facts.failedAt)),
    ...fieldLines("Message-ID", asciiLine(facts.messageId)),
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    "Content-Type: multipart/report; report-type=delivery-status;",
    ` boundary="${boundary}"`,
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=us-ascii",
    "",
    ...text,
    "",
    `--${boundary}`,
    "Content-Type: message/delivery-status",
    "",
    ...status,
    "",
    `--${boundary}`,
    ...header,
    `--${boundary}--`,
    "",
  ];
  return Buffer.from(lines.join("\r\n"), "latin1");
}

/** The class-5 status code of the failure (RFC 3463). */
function statusOf(reason: FailureFacts["reason"], diagnostic: string): string {
  // X.4.7: delivery time expired, whatever the last attempt heard.
  if (reason === "expired") return "5.4.7";
  return /^5\d\d[ -]+(5\.\d{1,3}\.\d{1,3})\b/.exec(diagnostic)?.[1] ?? "5.0.0";
}

/** The lines of the part that holds the original header, encoded where it isn't fit for 7-bit mail. */
function originalPart(header: Uint8Array): string[] {
  const lines = Buffer.from(header)
    .toString("latin1", 0, ORIGINAL_MAX)
    .split(/\r\n|\r|\n/);
  if (header.length > ORIGINAL_MAX) lines.pop();
  while (lines.at(-1) === "") lines.pop();
  const plain = lines.every((line) => line.length <= LINE_MAX && /^[\t\x20-\x7e]*$/.test(line));
  if (plain) return ["Content-Type: text/rfc822-headers", "", ...lines, ""];
  const octets = Buffer.from(lines.join("\r\n"), "latin1");
  const encoding = "Content-Transfer-Encoding: quoted-printable";
  return ["Content-Type: text/rfc822-headers", encoding, "", wrap(encode(octets)), ""];
}

/** `Name: value`, folded at spaces. The value has no line end in it. */
function fieldLines(name: string, value: string): string[] {
  return wrapped(`${name}: ${value}`, " ");
}

/** Lines of 76 characters or less where spaces allow it, the later ones indented. */
function wrapped(line: string, indent: string): string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > 76) {
    const first = rest.search(/[^ ]/);
    const within = rest.lastIndexOf(" ", 76);
    const at = within > first ? within : rest.indexOf(" ", Math.max(first, 76));
    if (at < 0) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = indent + rest.slice(at).trimStart();
  }
  lines.push(rest);
  return lines;
}

/** One line of printable ASCII: controls become a space, anything else outside it a "?". */
function asciiLine(value: string, limit = LINE_MAX - 100): string {
  return value
    .slice(0, limit)
    .replace(/\p{Cc}+/gu, " ")
    .replace(/[^\x20-\x7e]/gu, "?")
    .trim();
}

/** RFC 3464 §2.3.2; an address outside ASCII in the form that RFC 6533 §3 has for 7-bit mail. */
function typedAddress(address: string): string {
  if (/^[\x20-\x7e]*$/.test(address)) return `rfc822; ${asciiLine(address)}`;
  const escaped = [...address].map((character) =>
    /[\x21-\x5b\x5d-\x7e]/.test(character) && character !== "+" && character !== "="
      ? character
      : `\\x{${(character.codePointAt(0) as number).toString(16).toUpperCase()}}`,
  );
  const text = escaped.join("");
  return text.length < LINE_MAX - 100 ? `utf-8; ${text}` : `rfc822; ${asciiLine(address)}`;
}

/** The address in angle brackets, or undefined when that would not be one mailbox in ASCII. */
function mailbox(address: string): string | undefined {
  const result = canonicalRecipient(address);
  const valid = result.ok && result.recipient.includes("@") && /^[\x20-\x7e]*$/.test(result.recipient);
  return valid ? `<${result.recipient}>` : undefined;
}
