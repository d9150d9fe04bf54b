// Decodes a message for its fingerprint: MIME parts, charsets, transfer encodings and encoded words.
// mailparser is imported here and nowhere else. It holds a message's text in memory and streams its
// attachments.
import { once } from "node:events";
import {
  type AddressObject,
  type AttachmentStream,
  type HeaderValue,
  MailParser,
  type MessageText,
} from "mailparser";
import {
  createFingerprint,
  createOctetFingerprint,
  FINGERPRINT_FIELDS,
  type Fingerprint,
} from "../identity/fingerprint.ts";

/**
 * The fingerprint of a message, 64 hexadecimal digits. A message that can't be decoded has one too, over its
 * octets; decoding never makes it reject.
 *
 * @param content the message from its beginning, CRLF line ends; rejects with what it rejects with
 */
export async function fingerprintOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  // A stream can't be read twice, so both are computed until it is known which one counts.
  const octets = createOctetFingerprint();
  const decoder = createDecoder();
  try {
    for await (const chunk of content) {
      octets.push(chunk);
      await decoder.push(chunk);
    }
    return (await decoder.end()) ?? octets.digest();
  } finally {
    decoder.destroy();
  }
}

interface Decoder {
  /** Resolves when the next chunk may come. Never rejects. */
  push(chunk: Uint8Array): Promise<void>;
  /** The fingerprint, or undefined when the message can't be decoded. */
  end(): Promise<string | undefined>;
  destroy(): void;
}

function createDecoder(): Decoder {
  const fingerprint = createFingerprint();
  // Left on, these make text of HTML and HTML of text, and put images in place of their cid: links.
  const parser = new MailParser({
    skipHtmlToText: true,
    skipTextToHtml: true,
    skipTextLinks: true,
    skipImageLinks: true,
    keepDeliveryStatus: true,
  });
  let failed = false;
  const done = new Promise<void>((resolve) => {
    const fail = () => {
      failed = true;
      resolve();
    };
    parser.on("error", fail);
    parser.on("end", resolve);
    // What is thrown in here would end the process: nobody else is on the stack of an event.
    const orFail = (work: () => void): void => {
      try {
        work();
      } catch {
        fail();
      }
    };
    parser.on("headers", (headers) => orFail(() => addFields(fingerprint, headers)));
    parser.on("data", (data: AttachmentStream | MessageText) =>
      orFail(() => {
        if (data.type === "attachment") addAttachment(fingerprint, data, fail, orFail);
        else addText(fingerprint, data);
      }),
    );
  });

  return {
    async push(chunk) {
      if (failed || parser.write(chunk)) return;
      const waiting = new AbortController();
      await Promise.race([done, once(parser, "drain", { signal: waiting.signal }).catch(() => {})]);
      waiting.abort();
    },
    async end() {
      if (!failed) parser.end();
      await done;
      return failed ? undefined : fingerprint.digest();
    },
    destroy: () => {
      parser.destroy();
    },
  };
}

function addFields(fingerprint: Fingerprint, headers: ReadonlyMap<string, HeaderValue>): void {
  for (const name of FINGERPRINT_FIELDS) {
    const value = headers.get(name);
    if (value === undefined) continue;
    fingerprint.field(name, typeof value === "string" ? value : addressesOf(value as AddressObject));
  }
}

/** A field that may stand once and stands twice comes as an array. */
function addressesOf(value: AddressObject | AddressObject[]): string {
  return JSON.stringify([value].flat().map((addresses) => addresses.value));
}

function addText(fingerprint: Fingerprint, parts: MessageText): void {
  if (typeof parts.text === "string") fingerprint.text("text/plain", parts.text);
  if (typeof parts.html === "string") fingerprint.text("text/html", parts.html);
}

/** mailparser goes on only once the attachment is released, so they come one after the other. */
function addAttachment(
  fingerprint: Fingerprint,
  attachment: AttachmentStream,
  fail: () => void,
  orFail: (work: () => void) => void,
): void {
  const sum = fingerprint.attachment(textOf(attachment.contentType) ?? "", textOf(attachment.filename));
  attachment.content.on("data", sum.content);
  attachment.content.on("error", fail);
  attachment.content.on("end", () =>
    orFail(() => {
      sum.end();
      attachment.release();
    }),
  );
}

/** Of a malformed Content-Type mailparser makes `false`, whatever its types say. */
const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
