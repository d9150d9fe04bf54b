// The trace field put on top of each message (RFC 5321 §4.4). Its facts come from the client and from
// configuration, so each is reduced to characters that can't end a field, open a comment or be folded.
import { traceMark } from "./hops.ts";

export interface TraceFacts {
  /** The argument of EHLO or HELO; empty when none was given. */
  readonly helo: string;
  /** The client's IP address. */
  readonly address: string;
  /** Our own name. */
  readonly hostname: string;
  /** RFC 3848: ESMTP, ESMTPS, ESMTPA, ESMTPSA; or SMTP. */
  readonly protocol: string;
  /** The random name of our data folder, see hops.ts. */
  readonly traceName: string;
  readonly submissionId: string;
  /** Milliseconds since the epoch. */
  readonly date: number;
}

/** RFC 5322 §2.1.1: lines should have no more characters than this. */
const LINE_SHOULD = 78;

/** RFC 1035 §2.3.4: no name is longer. What is longer isn't one, and is cut. */
const NAME_MAX = 255;

/** The value of a Received field, folded, without its name and last CRLF. */
export function receivedValue(facts: TraceFacts): string {
  const client = addressLiteral(facts.address);
  const words = [
    `from ${safeName(facts.helo) || client}`,
    `(${client})`,
    `by ${safeName(facts.hostname) || "localhost"}`,
    traceMark(safeName(facts.traceName)),
    `with ${safeName(facts.protocol) || "SMTP"}`,
    `id ${safeName(facts.submissionId) || "unknown"};`,
    formatDate(facts.date),
  ];
  return fold("Received: ".length, words);
}

/** RFC 5321 §4.1.3. An IPv4 address that came over an IPv6 socket is shown as what it is. */
function addressLiteral(address: string): string {
  const plain = safeName(address.replace(/^::ffff:(?=\d+\.)/i, ""));
  if (plain === "") return "[unknown]";
  return plain.includes(":") ? `[IPv6:${plain}]` : `[${plain}]`;
}

/** Letters, digits and the punctuation of host names, address literals and ids; anything else becomes "?". */
function safeName(value: string): string {
  return value.slice(0, NAME_MAX).replace(/[^A-Za-z0-9._:[\]-]/g, "?");
}

/** Joins the words by spaces, or by a line end and a tab where the line would grow too long. */
function fold(column: number, words: readonly string[]): string {
  let text = "";
  let length = column;
  for (const word of words) {
    if (text === "") {
      text = word;
      length += word.length;
    } else if (length + 1 + word.length > LINE_SHOULD) {
      text += `\r\n\t${word}`;
      length = 1 + word.length;
    } else {
      text += ` ${word}`;
      length += 1 + word.length;
    }
  }
  return text;
}

/** RFC 5322 §3.3 date-time in UTC, as in "Tue, 10 Dec 2013 10:13:06 +0000". */
export function formatDate(ms: number): string {
  const second = Math.floor(ms / 1000);
  // Mails come many to a second, and each has it in its trace field.
  if (second !== last.second) {
    last = { second, text: new Date(ms).toUTCString().replace("GMT", "+0000") };
  }
  return last.text;
}

let last = { second: Number.NaN, text: "" };
