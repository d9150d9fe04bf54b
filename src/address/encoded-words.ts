// Encoded words (RFC 2047): in fields that people read, and also in one that names a task, since some mailers write
// long values so (Python's modern email policy beyond some 70 characters). Decoded, both are what another mailer writes
// plainly.

/**
 * RFC 2047 §2, with the language of RFC 2231 §5. No line is longer than this, so no word is. No part of it can hold
 * the "?" that ends it, so a search never looks at a character many times.
 */
const WORD = /=\?([A-Za-z0-9_-]{1,40})(?:\*[A-Za-z0-9-]{0,40})?\?([BbQq])\?([!->@-~]{0,998})\?=/g;

/** §6.2: white space between two encoded words belongs to neither. */
const BETWEEN = /(\?=)[ \t\r\n]+(?==\?)/g;

/**
 * The value with each encoded word replaced by its text. What can't be decoded stays as it is: a value is never
 * refused for looking like an encoded word.
 */
export function decodeWords(value: string): string {
  if (!value.includes("=?")) return value;
  const decoders = new Map<string, Decoder | undefined>();
  return value
    .replace(BETWEEN, "$1")
    .replace(WORD, (whole, charset: string, encoding: string, text: string) => {
      const octets = encoding.toUpperCase() === "B" ? fromBase64(text) : fromQ(text);
      return octets === undefined ? whole : (decoded(decoderOf(charset, decoders), octets) ?? whole);
    });
}

/** §4.1; the padding may be missing. */
function fromBase64(text: string): Uint8Array | undefined {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, "base64") : undefined;
}

/** §4.2 */
function fromQ(text: string): Uint8Array | undefined {
  if (/=(?![0-9A-Fa-f]{2})/.test(text)) return undefined;
  const octets = text
    .replaceAll("_", " ")
    .replace(/=([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return Buffer.from(octets, "latin1");
}

type Decoder = InstanceType<typeof TextDecoder>;

/** A value that is meant has one charset, or two. Making a decoder costs most where there is none of that name. */
const CHARSETS_MAX = 8;

/** Undefined for a charset that is not known. */
function decoderOf(charset: string, known: Map<string, Decoder | undefined>): Decoder | undefined {
  if (!known.has(charset) && known.size < CHARSETS_MAX) {
    try {
      known.set(charset, new TextDecoder(charset, { fatal: true, ignoreBOM: true }));
    } catch {
      known.set(charset, undefined);
    }
  }
  return known.get(charset);
}

function decoded(decoder: Decoder | undefined, octets: Uint8Array): string | undefined {
  try {
    return decoder?.decode(octets);
  } catch {
    // It is not text in that charset.
    return undefined;
  }
}
