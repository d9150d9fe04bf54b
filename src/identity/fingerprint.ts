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
  /** A text part, decoded from its charset. Counts once its end is said. */
  text(type: string): TextFingerprint;
  /** An attachment, decoded from its transfer encoding. Counts once its end is said. */
  attachment(type: string, fileName: string | undefined): AttachmentFingerprint;
  /** 64 hexadecimal digits (32 would pass for a UUID). To be called once, at the end. */
  digest(): string;
}

export interface TextFingerprint {
  content(piece: string): void;
  /** Characters of the line that has not ended: what is held. */
  readonly held: number;
  end(): void;
}

export interface AttachmentFingerprint {
  content(chunk: Uint8Array): void;
  end(): void;
}

/** The order of the calls counts. */
export function createFingerprint(): Fingerprint {
  const hash = createHash("sha256").update("mailonce-fingerprint-2");
  // Each item carries the lengths of its values, so that no two lists of items give the same octets.
  const item = (...values: string[]): void => {
    hash.update(values.map((value) => `\n${Buffer.byteLength(value)}:${value}`).join(""));
  };
  return {
    field: (name, value) => item("field", name, value.replace(/\s+/g, " ").trim()),
    text(type) {
      const content = createHash("sha256");
      const lines = createLines((line) => content.update(line));
      const isHtml = type === "text/html";
      return {
        content: (piece) => lines.push(piece, isHtml),
        get held() {
          return lines.held;
        },
        end() {
          lines.end(isHtml);
          item("text", type, content.digest("hex"));
        },
      };
    },
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
function createLines(put: (text: string) => void) {
  let open = "";
  let isAfterCr = false;
  /** Line ends that count once something follows. */
  let due = 0;

  function line(text: string, isHtml: boolean): string {
    const plain = (isHtml ? text.replace(/\bcid:[^\s"'<>)]+/gi, "cid:") : text).trimEnd();
    // The number of empty lines before it, as a mail can have millions of them.
    const out = plain === "" ? "" : `\n${due} ${plain}`;
    due = plain === "" ? due + 1 : 1;
    return out;
  }

  return {
    get held() {
      return open.length;
    },
    push(piece: string, isHtml: boolean) {
      const text = isAfterCr && piece.startsWith("\n") ? piece.slice(1) : piece;
      if (piece !== "") isAfterCr = piece.endsWith("\r");
      const [first = "", ...more] = text.split(/\r\n|\r|\n/);
      open += first;
      let out = "";
      for (const next of more) {
        out += line(open, isHtml);
        open = next;
      }
      if (out !== "") put(out);
    },
    end(isHtml: boolean) {
      put(line(open, isHtml));
      open = "";
    },
  };
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
    const kept = parseHeader(scan.header).filter(({ name }) => !VOLATILE.has(name));
    hash.update(Buffer.concat(kept.map(({ raw }) => raw)));
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
