// Decodes a message for its fingerprint: MIME parts, charsets, transfer encodings and encoded words. Any client may
// order this work, so it is bounded by what the message is, and done in slices between which others are served.
import {
  createFingerprint,
  createOctetFingerprint,
  FINGERPRINT_FIELDS,
  type Fingerprint,
} from "../identity/fingerprint.ts";
import { decodeWords } from "../message/encoded-words.ts";
import { fieldValues, type HeaderField } from "../message/header.ts";
import { createMimeReader, type MimeLimits, type MimeSink, type PartSink } from "../message/mime.ts";
import { type Parameterised, textDecoder } from "../message/parameters.ts";

/**
 * Beyond one of these the fingerprint is over the octets. Fixed, and not configured: gateways that share a ledger must
 * agree, and so must this one before and after a change of its configuration. All are several times what mailers write
 * whose mail is worth comparing.
 */
export const DECODE_LIMITS: MimeLimits = {
  octets: 32 * 1024 * 1024,
  headerOctets: 64 * 1024,
  /** HTML on one line, and base64 without line ends. */
  lineOctets: 256 * 1024,
  parts: 1_000,
  nesting: 10,
};

/** Characters of one decoded line: quoted-printable joins lines without end. */
const TEXT_LINE_MAX = 1024 * 1024;

/** The slowest input takes less than half a second a megabyte, so a slice takes some milliseconds at most. */
const SLICE_OCTETS = 16 * 1024;

/**
 * The fingerprint of a message, 64 hexadecimal digits. A message that is beyond a limit of decoding has one too, over
 * its octets; decoding never makes it reject.
 *
 * @param content the message from its beginning, CRLF line ends; rejects with what it rejects with
 * @param rest lets others have their turn; called after each slice
 */
export async function fingerprintOf(
  content: AsyncIterable<Uint8Array>,
  rest: () => Promise<void> = nextTurn,
): Promise<string> {
  // A stream can't be read twice, so both are computed until it is known which one counts.
  const octets = createOctetFingerprint();
  const fingerprint = createFingerprint();
  const reader = createMimeReader(DECODE_LIMITS, createSink(fingerprint));
  let isWithin = true;
  let worked = 0;
  for await (const chunk of content) {
    for (let at = 0; at < chunk.length; at += SLICE_OCTETS) {
      const slice = chunk.subarray(at, at + SLICE_OCTETS);
      octets.push(slice);
      isWithin &&= reader.push(slice);
      worked += slice.length;
      if (worked < SLICE_OCTETS) continue;
      worked = 0;
      await rest();
    }
  }
  isWithin &&= reader.end();
  return isWithin ? fingerprint.digest() : octets.digest();
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function createSink(fingerprint: Fingerprint): MimeSink {
  return {
    header: (fields) => addFields(fingerprint, fields),
    part: (type, disposition) =>
      isText(type) && disposition.value !== "attachment"
        ? textSink(fingerprint, type)
        : attachmentSink(fingerprint, type, disposition),
  };
}

const isText = ({ value }: Parameterised): boolean => value === "text/plain" || value === "text/html";

function addFields(fingerprint: Fingerprint, fields: readonly HeaderField[]): void {
  for (const name of FINGERPRINT_FIELDS) {
    for (const value of fieldValues(fields, name)) fingerprint.field(name, decodeWords(value));
  }
}

function textSink(fingerprint: Fingerprint, type: Parameterised): PartSink {
  const text = fingerprint.text(type.value);
  const decoder = textDecoder(type.parameters.get("charset") ?? "utf-8");
  return {
    content(octets) {
      text.content(decoder.decode(octets, { stream: true }));
      return text.held <= TEXT_LINE_MAX;
    },
    end() {
      text.content(decoder.decode());
      text.end();
    },
  };
}

function attachmentSink(fingerprint: Fingerprint, type: Parameterised, disposition: Parameterised): PartSink {
  const fileName = disposition.parameters.get("filename") ?? type.parameters.get("name");
  const sum = fingerprint.attachment(type.value, fileName);
  return {
    content(octets) {
      sum.content(octets);
      return true;
    },
    end: sum.end,
  };
}
