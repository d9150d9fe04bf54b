// One mail of a Maildir, taken apart for people. What it says of itself is a stranger's: a field becomes one printable line,
// and a page escapes all of it.
import { PassThrough, type Readable } from "node:stream";
import { decodeWords } from "../../address/encoded-words.ts";
import { eachField } from "../../message/header.ts";
import { shortText } from "../../runtime/short-text.ts";
import { type AttachmentSink, decodeContent } from "../../submission/decode.ts";
import type { Turns } from "../../submission/turns.ts";
import { idIn } from "../id-in.ts";
import type { OpenMail } from "./folder.ts";
import type { MailSummary, ShownAttachment, ShownMail } from "./words.ts";

/** Read of a mail to show it: some 200 ms of work, in pieces. Texts come before attachments. */
export const SHOWN_OCTETS = 8 * 1024 * 1024;

/** Read of a mail in a list, and shown of its source. */
export const BEGINNING_OCTETS = 64 * 1024;

/** Looked at in a header. */
const FIELDS_MAX = 500;

/** Octets of a field's value that are shown. */
const VALUE_MAX = 2_000;

const SHOWN_FIELDS = ["from", "to", "cc", "reply-to", "subject", "date", "message-id"] as const;

/** What the first octets say of it. */
export async function summaryOf(mail: OpenMail): Promise<MailSummary> {
  const fields = fieldsIn(await beginningOf(mail));
  return summary(mail, fields);
}

/** Takes the mail apart as far as it is read. */
export async function takeApart(mail: OpenMail, turns: Turns): Promise<ShownMail> {
  const beginning = await beginningOf(mail);
  const fields = fieldsIn(beginning);
  let parts = await partsOf(mail, SHOWN_OCTETS, turns);
  const { isDecoded } = parts;
  // Of a text that is too large to be decoded, and of what is before it, the beginning is shown.
  if (!isDecoded) parts = await partsOf(mail, BEGINNING_OCTETS, turns);
  const { text, html, attachments } = parts;
  const named = SHOWN_FIELDS.flatMap((name) => {
    const value = fields.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...summary(mail, fields),
    ...{ fields: named, text, html, attachments },
    state: !isDecoded ? "undecoded" : mail.size > SHOWN_OCTETS ? "cut" : "whole",
    source: new TextDecoder().decode(beginning),
  };
}

interface Parts {
  readonly isDecoded: boolean;
  readonly attachments: readonly ShownAttachment[];
  readonly text?: string | undefined;
  readonly html?: string | undefined;
}

async function partsOf(mail: OpenMail, most: number, turns: Turns): Promise<Parts> {
  const attachments: (ShownAttachment & { size: number })[] = [];
  let texts: Pick<Parts, "text" | "html"> = {};
  const isDecoded = await decodeContent(
    contentOf(mail, most),
    {
      attachment(type, fileName) {
        const one = { type: lineOf(type), fileName: fileName && lineOf(fileName), size: 0 };
        attachments.push(one);
        return {
          content(chunk) {
            one.size += chunk.length;
          },
          end() {},
        };
      },
      text({ text, html }) {
        texts = { text: textIn(text), html: textIn(html) };
      },
    },
    turns,
  );
  return { isDecoded, attachments, ...texts };
}

const lineOf = (text: string): string => shortText(text, VALUE_MAX);

/**
 * The octets of an attachment, while they are decoded. Where the stream is destroyed, decoding ends.
 *
 * @param at its place among the attachments
 * @param ended called once, when nothing is read any more
 * @returns undefined where there is none
 */
export async function attachmentOf(
  mail: OpenMail,
  at: number,
  turns: Turns,
  ended: () => void,
): Promise<Readable | undefined> {
  const octets = new PassThrough();
  let isOver = false;
  octets.once("close", () => {
    isOver = true;
  });
  // Nobody may be reading.
  octets.on("error", () => {});
  async function* content(): AsyncGenerator<Uint8Array> {
    for await (const chunk of contentOf(mail, mail.size)) {
      if (isOver) return;
      yield chunk;
    }
  }
  return await new Promise((resolve, reject) => {
    let next = 0;
    const wanted: AttachmentSink = {
      content: (chunk) => (octets.destroyed || octets.write(chunk) ? undefined : drained(octets)),
      end() {
        isOver = true;
        octets.end();
      },
    };
    const other: AttachmentSink = { content() {}, end() {} };
    decodeContent(
      content(),
      {
        attachment() {
          if (next++ !== at) return other;
          resolve(octets);
          return wanted;
        },
        text() {},
      },
      turns,
    )
      .then(
        () => {
          // What was not decoded to its end must not look whole.
          if (!octets.writableEnded) octets.destroy(new Error("the attachment can't be decoded to its end"));
          resolve(undefined);
        },
        (error) => {
          octets.destroy(error);
          reject(error);
        },
      )
      .finally(ended);
  });
}

/** Resolves also when nobody reads any more. */
const drained = (stream: PassThrough): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      stream.off("drain", end).off("close", end);
      resolve();
    };
    stream.on("drain", end).on("close", end);
  });

const textIn = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value : undefined;

async function beginningOf({ file, size }: OpenMail): Promise<Uint8Array> {
  const octets = new Uint8Array(Math.min(size, BEGINNING_OCTETS));
  let length = 0;
  while (length < octets.length) {
    const { bytesRead } = await file.read(octets, length, octets.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return octets.subarray(0, length);
}

const CHUNK_OCTETS = 64 * 1024;

/** As far as the file went when it was opened. */
export async function* contentOf({ file, size }: OpenMail, most: number): AsyncGenerator<Uint8Array> {
  const end = Math.min(size, most);
  for (let at = 0; at < end; ) {
    const octets = new Uint8Array(Math.min(CHUNK_OCTETS, end - at));
    const { bytesRead } = await file.read(octets, 0, octets.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield octets.subarray(0, bytesRead);
  }
}

type Fields = ReadonlyMap<string, string>;

/** The first of each name. */
function fieldsIn(octets: Uint8Array): Fields {
  const fields = new Map<string, string>();
  let count = 0;
  for (const field of eachField(octets)) {
    if (count++ === FIELDS_MAX) break;
    if (fields.has(field.name)) continue;
    const value = lineOf(decodeWords(field.value().slice(0, VALUE_MAX * 4)));
    if (value !== "") fields.set(field.name, value);
  }
  return fields;
}

const summary = ({ name, size, time }: OpenMail, fields: Fields): MailSummary => ({
  ...{ name, size, relayedAt: new Date(time).toISOString() },
  subject: fields.get("subject"),
  from: fields.get("from") ?? fields.get("return-path"),
  to: fields.get("delivered-to") ?? fields.get("to"),
  id: idIn(name) ?? idIn(fields.get("message-id") ?? ""),
});
