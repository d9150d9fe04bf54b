// A fingerprint stands in for the task of mailers that can't be changed: the same for a mail that was
// composed anew from the same content, different for any other. So it covers what a person would see, and
// neither Date, Message-ID, Received, X-Mailer, MIME boundaries nor transfer encodings.
//
// createFingerprint() takes content that was decoded elsewhere; createOctetFingerprint() takes the octets of
// a message that can't be decoded.
import { createHash } from "node:crypto";
import { createHeaderScanner, parseHeader } from "../message/header.ts";

/** The fields that a fingerprint covers. */
export const FINGERPRINT_FIELDS = ["from", "to", "cc", "reply-to", "subject"] as const;
export type FingerprintField = (typeof FINGERPRINT_FIELDS)[number];

export interface Fingerprint {
  /** A field's decoded value. */
  field(name: FingerprintField, value: string): void;
  /** A text part, decoded from its charset. */
  text(type: string, text: string): void;
  /** An attachment, decoded from its transfer encoding. Counts once its end is said. */
  attachment(type: string, fileName: string | undefined): AttachmentFingerprint;
  /** 64 hexadecimal digits (32 would pass for a UUID). To be called once, at the end. */
  digest(): string;
}

export interface AttachmentFingerprint {
  content(chunk: Uint8Array): void;
  end(): void;
}

/** The order of the calls counts. */
export function createFingerprint(): Fingerprint {
  const hash = createHash("sha256").update("mailonce-fingerprint-1");
  // Each item carries the lengths of its values, so that no two lists of items give the same octets.
  const item = (...values: string[]): void => {
    for (const value of values) hash.update(`\n${Buffer.byteLength(value)}:${value}`);
  };
  return {
    field: (name, value) => item("field", name, value.replace(/\s+/g, " ").trim()),
    text: (type, text) => item("text", type, canonicalText(type, text)),
    attachment(type, fileName) {
      const content = createHash("sha256");
      return {
        content: (chunk) => {
          content.update(chunk);
        },
        end: () => item("attachment", type, fileName ?? "", content.digest("hex")),
      };
    },
    digest: () => hash.digest("hex"),
  };
}

/**
 * Line ends as LF, no white space at the ends of lines and of the text: transfer encodings differ in these.
 * In HTML a Content-ID is left out of its URL, since composing anew often makes new ones (Python's
 * make_msgid); what it stands for is an attachment and counted as such.
 */
function canonicalText(type: string, text: string): string {
  const lines = text.split(/\r\n|\r|\n/).map((line) => line.trimEnd());
  const plain = lines.join("\n").trimEnd();
  return type === "text/html" ? plain.replace(/\bcid:[^\s"'<>)]+/gi, "cid:") : plain;
}

/** What differs between two runs of a mailer, or was added on the way. */
const VOLATILE: ReadonlySet<string> = new Set([
  "date",
  "message-id",
  "received",
  "return-path",
  "x-mailer",
  "user-agent",
  "dkim-signature",
]);

export interface OctetFingerprint {
  /** The next octets of the message, with CRLF line ends. */
  push(chunk: Uint8Array): void;
  /** 64 hexadecimal digits. To be called once, at the end. */
  digest(): string;
}

/** Covers all octets of the message save the volatile fields of its header. */
export function createOctetFingerprint(): OctetFingerprint {
  const hash = createHash("sha256").update("mailonce-octets-1\n");
  // No limit: a header that is too long has been refused before.
  const scanner = createHeaderScanner(Number.POSITIVE_INFINITY);
  let inBody = false;

  function take(scan: ReturnType<typeof scanner.push>): void {
    if (scan?.kind !== "header") return;
    inBody = true;
    for (const field of parseHeader(scan.header)) if (!VOLATILE.has(field.name)) hash.update(field.raw);
    hash.update("\r\n").update(scan.rest);
  }

  return {
    push(chunk) {
      if (inBody) hash.update(chunk);
      else take(scanner.push(chunk));
    },
    digest() {
      if (!inBody) take(scanner.end());
      return hash.digest("hex");
    },
  };
}
