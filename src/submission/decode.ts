// Decodes a message, for its fingerprint and for people: MIME parts, charsets, transfer encodings and encoded words.
// mailparser is imported here and nowhere else. It holds a message's text in memory and streams its
// attachments. decode-bounds.ts bounds its cost.
import { once } from "node:events";
import type {
  AddressObject,
  AttachmentStream,
  HeaderValue,
  MailParserOptions,
  MessageText,
} from "mailparser";
import {
  createFingerprint,
  createOctetFingerprint,
  FINGERPRINT_FIELDS,
  type Fingerprint,
} from "../identity/fingerprint.ts";
import { boundParser } from "./decode-bounds.ts";
import { LINE_OCTETS_MAX, PARTS_MAX } from "./decode-work.ts";
import { createLineBlocks } from "./line-blocks.ts";
import { createTurns, type Turns } from "./turns.ts";

/** Gets what is found in a message, one after the other. An error that it throws ends the decoding. */
export interface MessageSink {
  headers?(headers: ReadonlyMap<string, HeaderValue>): void;
  attachment(contentType: string, fileName: string | undefined): AttachmentSink;
  /** The text parts, which come together and last. */
  text(parts: TextParts): void | Promise<void>;
}

type TextParts = Pick<MessageText, "text" | "html">;

export interface AttachmentSink {
  /** A piece, decoded from its transfer encoding. Where a promise is returned, the next piece comes after it. */
  content(chunk: Uint8Array): void | Promise<void>;
  end(): void | Promise<void>;
}

/**
 * Decodes a message into the sink. Decoding never makes it reject.
 *
 * @param content the message from its beginning, CRLF line ends; rejects with what it rejects with
 * @param turns shared by all that is decoded at the same time
 * @returns false for a message that can't be decoded within the limits: the sink has only what came before
 */
export async function decodeContent(
  content: AsyncIterable<Uint8Array>,
  sink: MessageSink,
  turns: Turns,
): Promise<boolean> {
  const decoder = await createDecoder(turns, sink);
  const lines = createLineBlocks(LINE_OCTETS_MAX);
  try {
    for await (const chunk of content) {
      for (const block of lines.push(chunk)) await decoder.push(block);
      if (lines.tooLong()) decoder.giveUp();
      // Once decoding has stopped nothing else takes turns.
      if (chunk.length >= LINE_OCTETS_MAX) await turns.take();
    }
    await decoder.push(lines.rest());
    return await decoder.end();
  } finally {
    decoder.destroy();
  }
}

/**
 * The fingerprint of a message, 64 hexadecimal digits. A message that can't be decoded within the limits has one too,
 * over its octets. Parameters and rejections are those of decodeContent.
 */
export async function fingerprintOf(
  content: AsyncIterable<Uint8Array>,
  turns: Turns = createTurns(),
): Promise<string> {
  // A stream can't be read twice, so both are computed until it is known which one counts.
  const octets = createOctetFingerprint(turns.take);
  const fingerprint = createFingerprint(turns.take);
  async function* noted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      await octets.push(chunk);
      yield chunk;
    }
  }
  const sink: MessageSink = {
    headers: (headers) => addFields(fingerprint, headers),
    attachment: fingerprint.attachment,
    text: (parts) => addText(fingerprint, parts),
  };
  return (await decodeContent(noted(), sink, turns)) ? fingerprint.digest() : await octets.digest();
}

interface Decoder {
  /** Takes whole lines. Resolves when the next may come. Never rejects. */
  push(block: Uint8Array): Promise<void>;
  /** The message is not decoded any further. */
  giveUp(): void;
  /** Whether all of the message was decoded. */
  end(): Promise<boolean>;
  destroy(): void;
}

/** mailparser hands its options on to mailsplit, which its types don't say. */
interface SplitterOptions {
  readonly maxChildNodes: number;
  readonly ignoreEmbedded: boolean;
}

async function createDecoder(turns: Turns, sink: MessageSink): Promise<Decoder> {
  // Loaded with the first mail that needs it; most gateways never do.
  const { MailParser } = await import("mailparser");
  /** A text takes several turns; what comes after it waits, as the order counts. */
  let items: Promise<void> = Promise.resolve();
  // Left on, these make text of HTML and HTML of text, and put images in place of their cid: links.
  const options: MailParserOptions & SplitterOptions = {
    maxChildNodes: PARTS_MAX,
    // mailparser hangs when it decodes an inline message that ends in its header, and puts the present time
    // into the text where a Date can't be read. So an inline message is an attachment, like any other
    // attached message.
    ignoreEmbedded: true,
    skipHtmlToText: true,
    skipTextToHtml: true,
    skipTextLinks: true,
    skipImageLinks: true,
    keepDeliveryStatus: true,
  };
  const parser = new MailParser(options);
  let failed = false;
  let end = (): void => {};
  const done = new Promise<void>((resolve) => {
    end = resolve;
  });
  const fail = (): void => {
    failed = true;
    end();
  };
  // An error thrown in here would end the process, since no caller is on the stack of an event.
  const orFail = (work: () => void): void => {
    try {
      work();
    } catch {
      fail();
    }
  };
  boundParser(parser, turns, fail);
  parser.on("error", fail);
  parser.on("end", end);
  parser.on("headers", (headers) => orFail(() => sink.headers?.(headers)));
  parser.on("data", (data: AttachmentStream | MessageText) =>
    orFail(() => {
      if (data.type === "attachment") addAttachment(data);
      else items = items.then(() => sink.text(data)).catch(fail);
    }),
  );

  /** mailparser goes on only once the attachment is released, so they come one after the other. */
  function addAttachment({ contentType, filename, content, release }: AttachmentStream): void {
    const one = sink.attachment(textOf(contentType) ?? "", textOf(filename));
    content.on("data", (chunk: Uint8Array) =>
      orFail(() => {
        const waits = one.content(chunk);
        if (waits === undefined) return;
        content.pause();
        waits.then(() => content.resume(), fail);
      }),
    );
    content.on("error", fail);
    content.on("end", () =>
      orFail(() => {
        items = items.then(one.end).catch(fail);
        release?.();
      }),
    );
  }

  return {
    async push(block) {
      if (failed || parser.write(block)) return;
      const waiting = new AbortController();
      await Promise.race([done, once(parser, "drain", { signal: waiting.signal }).catch(() => {})]);
      waiting.abort();
    },
    giveUp: fail,
    async end() {
      if (!failed) parser.end();
      await done;
      await items;
      return !failed;
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

/** A field that is allowed once but appears twice comes as an array. */
function addressesOf(value: AddressObject | AddressObject[]): string {
  return JSON.stringify([value].flat().map((addresses) => addresses.value));
}

async function addText(fingerprint: Fingerprint, parts: TextParts): Promise<void> {
  if (typeof parts.text === "string") await fingerprint.text("text/plain", parts.text);
  if (typeof parts.html === "string") await fingerprint.text("text/html", parts.html);
}

/** For a malformed Content-Type mailparser gives `false`, against its types. */
const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
