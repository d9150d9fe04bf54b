// A fingerprint replaces the task of mailers that can't be changed: it is the same for a mail that was
// composed again from the same content, and different for any other. So it covers what a person would see,
// and neither Date, Message-ID, Received, X-Mailer, MIME boundaries nor transfer encodings.
//
// createFingerprint() takes content that was decoded elsewhere; createOctetFingerprint() takes the octets of
// a message that can't be decoded.
import { createHash } from "node:crypto";
import { createHeaderScanner, eachField } from "../message/header.ts";

/** The fields that a fingerprint covers. */
export const FINGERPRINT_FIELDS = ["from", "to", "cc", "reply-to", "subject"] as const;
export type FingerprintField = (typeof FINGERPRINT_FIELDS)[number];

export interface Fingerprint {
  /** A field's decoded value. */
  field(name: FingerprintField, value: string): void;
  /** A text part, decoded from its charset. Resolves when the next item may come. */
  text(type: string, text: string): Promise<void>;
  /** An attachment, decoded from its transfer encoding. Counts once its end is said. */
  attachment(type: string, fileName: string | undefined): AttachmentFingerprint;
  /** 64 hexadecimal digits (32 would pass for a UUID). To be called once, at the end. */
  digest(): string;
}

export interface AttachmentFingerprint {
  content(chunk: Uint8Array): void;
  end(): void;
}

/**
 * The order of the calls counts.
 *
 * @param turn resolves when the next piece of a long text may be worked on
 */
export function createFingerprint(turn: () => Promise<void> = async () => {}): Fingerprint {
  const hash = createHash("sha256").update("mailonce-fingerprint-1");
  // Each item carries the lengths of its values, so that no two lists of items give the same octets.
  const item = (...values: string[]): void => {
    for (const value of values) hash.update(`\n${Buffer.byteLength(value)}:${value}`);
  };
  return {
    field: (name, value) => item("field", name, value.replace(/\s+/g, " ").trim()),
    text: async (type, text) => item("text", type, await canonicalText(type, text, turn)),
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
 * make_msgid); the attachment that it names is covered anyway.
 */
async function canonicalText(type: string, text: string, turn: () => Promise<void>): Promise<string> {
  const lines = (piece: string): string =>
    piece
      .split(/\r\n|\r|\n/)
      .map((line) => line.trimEnd())
      .join("\n");
  const plain = (await inPieces(text, /\r\n|\r|\n/g, lines, turn)).trimEnd();
  if (type !== "text/html") return plain;
  const withoutCid = (piece: string): string => piece.replace(/\bcid:[^\s"'<>)]+/gi, "cid:");
  return await inPieces(plain, /[\s"'<>)]/g, withoutCid, turn);
}

/** Characters of a text that are worked on in one turn: a millisecond or two where each is a line end. */
const PIECE_CHARACTERS = 32 * 1024;

/** @param end what a piece may end with, global: nothing that `work` looks for has it in its middle */
async function inPieces(
  text: string,
  end: RegExp,
  work: (piece: string) => string,
  turn: () => Promise<void>,
): Promise<string> {
  const done: string[] = [];
  let at = 0;
  while (at < text.length) {
    if (at > 0) await turn();
    end.lastIndex = at + PIECE_CHARACTERS;
    const next = end.exec(text) === null ? text.length : end.lastIndex;
    done.push(work(text.slice(at, next)));
    at = next;
  }
  return done.join("");
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
  /** The next octets of the message, with CRLF line ends. Resolves when the next may come. */
  push(chunk: Uint8Array): Promise<void>;
  /** 64 hexadecimal digits. To be called once, at the end. */
  digest(): Promise<string>;
}

/** Fields that are looked at in one turn: less than a millisecond. */
const FIELDS_A_TURN = 1_000;

/**
 * Covers all octets of the message save the volatile fields of its header.
 *
 * @param turn resolves when the next piece of a long header may be worked on
 */
export function createOctetFingerprint(turn: () => Promise<void> = async () => {}): OctetFingerprint {
  const hash = createHash("sha256").update("mailonce-octets-1\n");
  // No limit: a header that is too long has been refused before.
  const scanner = createHeaderScanner(Number.POSITIVE_INFINITY);
  let inBody = false;

  async function take(scan: ReturnType<typeof scanner.push>): Promise<void> {
    if (scan?.kind !== "header") return;
    inBody = true;
    let seen = 0;
    const kept: Uint8Array[] = [];
    for (const field of eachField(scan.header)) {
      if (!VOLATILE.has(field.name)) kept.push(field.raw);
      if (++seen % FIELDS_A_TURN > 0) continue;
      hash.update(Buffer.concat(kept.splice(0)));
      await turn();
    }
    hash.update(Buffer.concat(kept)).update("\r\n").update(scan.rest);
  }

  return {
    async push(chunk) {
      if (inBody) hash.update(chunk);
      else await take(scanner.push(chunk));
    },
    async digest() {
      if (!inBody) await take(scanner.end());
      return hash.digest("hex");
    },
  };
}
