// Composes the content of a call that gives subject and texts. nodemailer's composer is imported here and nowhere else.
import MailComposer from "nodemailer/lib/mail-composer";
import { type Mailbox, mailboxesIn } from "../../address/mailboxes.ts";
import { parseHeader } from "../../message/header.ts";
import { CallError, type MailCall, type SimpleContent } from "./call.ts";

/**
 * The message, without Bcc, and without a Message-ID unless the call has one.
 *
 * @throws CallError
 */
export async function compose(call: MailCall, content: SimpleContent): Promise<Uint8Array> {
  // SES wants names outside ASCII as encoded words; the composer would put them into quotes.
  const listOf = (list: readonly string[]): Mailbox[] => list.flatMap(mailboxesIn);
  const composer = new MailComposer({
    from: listOf(call.from === undefined ? [] : [call.from])[0],
    to: listOf(call.to),
    cc: listOf(call.cc),
    ...(call.replyTo.length > 0 ? { replyTo: listOf(call.replyTo) } : {}),
    subject: content.subject,
    text: content.text,
    html: content.html,
    headers: content.headers.map(({ name, value }) => ({ key: name, value })),
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
  });
  let message: Buffer;
  try {
    message = await composer.compile().build();
  } catch (error) {
    throw new CallError("invalid", `the mail can't be composed: ${(error as Error).message}`);
  }
  return withoutOwnId(message, content);
}

/** The composer makes a random id, another one at each try of a call. */
function withoutOwnId(message: Buffer, { headers }: SimpleContent): Uint8Array {
  if (headers.some(({ name }) => name.toLowerCase() === "message-id")) return message;
  const fields = parseHeader(message);
  const header = fields.reduce((octets, { raw }) => octets + raw.length, 0);
  const kept = fields.filter(({ name }) => name !== "message-id").map(({ raw }) => raw);
  return Buffer.concat([...kept, message.subarray(header)]);
}
