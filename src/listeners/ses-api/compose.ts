// Composes the content of a call that gives subject and texts. nodemailer's composer is imported here and nowhere else.
import { randomUUID } from "node:crypto";
import { encode as encodeBase64, wrap as wrapBase64 } from "nodemailer/lib/base64";
import MailComposer from "nodemailer/lib/mail-composer";
import type MimeNode from "nodemailer/lib/mime-node";
import { encode as encodePrintable, wrap as wrapPrintable } from "nodemailer/lib/qp";
import { type Mailbox, mailboxesIn } from "../../address/mailboxes.ts";
import { CallError, type MailCall, type SimpleContent } from "./call.ts";

/**
 * The message, without Bcc, and without a Message-ID unless the call has one.
 *
 * @throws CallError
 */
export async function compose(call: MailCall, content: SimpleContent): Promise<Uint8Array> {
  try {
    const message = messageOf(call, content);
    return sizeOf(content) > AT_ONCE_MAX ? await message.build() : octetsOf(message);
  } catch (error) {
    throw new CallError("invalid", `the mail can't be composed: ${(error as Error).message}`);
  }
}

/** The message as the composer arranges it, not written yet. */
export function messageOf(call: MailCall, content: SimpleContent): MimeNode {
  // SES wants names outside ASCII as encoded words; the composer would put them into quotes.
  const listOf = (list: readonly string[]): Mailbox[] => list.flatMap(mailboxesIn);
  return new MailComposer({
    from: listOf(call.from === undefined ? [] : [call.from])[0],
    to: listOf(call.to),
    cc: listOf(call.cc),
    ...(call.replyTo.length > 0 ? { replyTo: listOf(call.replyTo) } : {}),
    subject: content.subject,
    text: content.text,
    html: content.html,
    headers: [NO_OWN_ID, ...content.headers.map(({ name, value }) => ({ key: name, value }))],
    // The composer would ask the system's generator for eight octets; this is from a pool.
    baseBoundary: randomUUID(),
    attachments: content.attachments.map((one) => ({
      filename: one.fileName,
      content: Buffer.from(one.content),
      contentType: one.contentType,
      contentDisposition: one.inline ? "inline" : "attachment",
      cid: one.contentId,
      ...(one.description === undefined ? {} : { headers: { "Content-Description": one.description } }),
    })),
    // What a client names is content, never a file or an address of ours.
    ...{ disableFileAccess: true, disableUrlAccess: true },
  }).compile();
}

/**
 * Else the composer makes a random id, another one at each try of a call. A field with nothing in it counts for one, and is
 * not written; one of the call is.
 */
const NO_OWN_ID = { key: "Message-ID", value: { value: "" } };

/**
 * Of texts and attachments, octets. Encoders take that much at a time, so that their streams give the same octets. A
 * larger content may not be held several times over, and its streams cost little beside it.
 */
const AT_ONCE_MAX = 64 * 1024;

const sizeOf = ({ text = "", html = "", attachments }: SimpleContent): number =>
  [text, html, ...attachments.map((one) => one.content)].reduce(
    (octets, one) => octets + Buffer.byteLength(one),
    0,
  );

const LF = 0x0a;
const CR = 0x0d;

/**
 * What `build` of the message gives, without its streams: they take several turns of the event loop for each part, and two
 * thirds of the time of composing.
 *
 * @param message its contents are texts and octets, not streams
 */
export function octetsOf(message: MimeNode): Uint8Array {
  const pieces = Array.from(piecesOf(message), (piece) =>
    typeof piece === "string" ? Buffer.from(piece) : piece,
  );
  const last = pieces.findLast(({ length }) => length > 0)?.at(-1);
  // The last line has an end.
  if (last !== LF) pieces.push(Buffer.from(last === CR ? "\n" : "\r\n"));
  return Buffer.concat(pieces);
}

function* piecesOf(node: MimeNode): Generator<string | Buffer> {
  const { content } = node;
  const encoding = node.getTransferEncoding();
  yield `${node.buildHeaders()}\r\n\r\n`;
  if (typeof content === "string" || Buffer.isBuffer(content)) {
    if (encoding === "base64") yield wrapBase64(encodeBase64(content));
    else if (encoding === "quoted-printable") yield wrapPrintable(encodePrintable(content));
    else yield content;
  }
  // Known since the header is built.
  if (!node.multipart) return;
  for (const [at, child] of node.childNodes.entries()) {
    yield `${at > 0 ? "\r\n" : ""}--${node.boundary}\r\n`;
    yield* piecesOf(child);
  }
  yield `\r\n--${node.boundary}--\r\n`;
}
