// From a call to a mail transaction: the paths of its envelope, and its content. What the call says beside the content becomes
// header fields, which the gateway reads of any mail.
import { mailboxesIn } from "../../address/mailboxes.ts";
import { createFromLineFilter } from "../../message/from-line.ts";
import { fieldValue, fieldValues, type HeaderField, parseHeaderWithin } from "../../message/header.ts";
import { createNewlineNormaliser } from "../../message/newlines.ts";
import { SES_FIELDS } from "../../message/ses-fields.ts";
import { CallError, checkedName, type MailCall, type NameValue } from "./call.ts";
import { compose } from "./compose.ts";

/** A mail whose content is not composed yet: first it is asked whether it may be submitted. */
export interface Draft {
  readonly reversePath: string;
  /** As given: To, then Cc, then Bcc. */
  readonly recipients: readonly string[];
  /** Of the content, about. */
  readonly octets: number;
  /** Each line ends with CRLF; may have Bcc. Rejects with CallError. */
  content(): Promise<Uint8Array>;
}

export interface DraftOptions {
  /** Of the fields that may name the task. */
  readonly headers: readonly string[];
  readonly partHeader: string;
  readonly recipientsMax: number;
  /** The largest header, octets. */
  readonly headerOctets: number;
}

/** Tags that name the task; they are not handed on to SES. */
const TASK_TAG = "task-id";
const PART_TAG = "task-part";

/** Fields of a header; more are refused when the mail is submitted. */
const FIELDS_MAX = 2_000;

/**
 * @param request the fields of the HTTP request's header that name task and part; content and tags have precedence
 * @throws CallError
 */
export function draftOf(call: MailCall, options: DraftOptions, request: readonly NameValue[]): Draft {
  const raw = call.content.kind === "raw" ? cleaned(call.content.octets) : undefined;
  const header = raw === undefined ? [] : headerOf(raw, options.headerOctets);
  const from = call.from ?? fieldValue(header, "from");
  if (from === undefined || from === "") {
    throw new CallError("invalid", "neither the call nor the mail names who sends it");
  }
  const reversePath = pathOf(call.reversePath ?? fieldValue(header, "return-path") ?? from, "the sender");
  const recipients = recipientsOf(call, header);
  if (recipients.length === 0) throw new CallError("invalid", "no recipient is named");
  if (recipients.length > options.recipientsMax) {
    throw new CallError("rejected", `more than ${options.recipientsMax} recipients`);
  }
  const added = (to: readonly HeaderField[]): Buffer => Buffer.from(linesOf(call, to, options, request));
  return {
    reversePath,
    recipients,
    octets: raw?.length ?? sizeOf(call),
    async content() {
      if (raw !== undefined) return Buffer.concat([added(header), raw]);
      const composed = await composedOf(call);
      return Buffer.concat([added(headerOf(composed, options.headerOctets)), composed]);
    },
  };
}

/**
 * The line ends of a mail that did not come by SMTP are those of the library that composed it. What begins a mail in an mbox
 * would end the header below other fields.
 */
function cleaned(content: Uint8Array): Uint8Array {
  const normaliser = createNewlineNormaliser();
  const fromLine = createFromLineFilter();
  const pieces = [
    fromLine.push(normaliser.push(content)),
    fromLine.push(normaliser.end()),
    fromLine.end(),
  ].filter(({ length }) => length > 0);
  return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
}

function headerOf(content: Uint8Array, octets: number): readonly HeaderField[] {
  const fields = parseHeaderWithin(content.subarray(0, octets), FIELDS_MAX);
  if (fields === undefined) throw new CallError("rejected", `header with more than ${FIELDS_MAX} fields`);
  return fields;
}

async function composedOf(call: MailCall): Promise<Uint8Array> {
  const { content } = call;
  if (content.kind !== "simple") return content.octets;
  if (call.from === undefined) throw new CallError("invalid", "FromEmailAddress is missing");
  if (content.text === undefined && content.html === undefined) {
    throw new CallError("invalid", "the mail has neither a text nor HTML");
  }
  return await compose(call, content);
}

function sizeOf({ content }: MailCall): number {
  if (content.kind === "raw") return content.octets.length;
  const { text = "", html = "", attachments } = content;
  return attachments.reduce((octets, one) => octets + one.content.length, text.length + html.length);
}

function recipientsOf({ to, cc, bcc }: MailCall, header: readonly HeaderField[]): string[] {
  const named = [...to, ...cc, ...bcc];
  if (named.length > 0) return named.map((one) => pathOf(one, "a recipient"));
  return ["to", "cc", "bcc"].flatMap((name) =>
    fieldValues(header, name).flatMap((value) => mailboxesIn(value).map(({ address }) => address)),
  );
}

/** An address with its name, in whatever form; the longest that RFC 5321 takes has 320 octets. */
const MAILBOX_MAX = 2_000;

/** @param text one mailbox, perhaps with a name; "<>" is the null reverse-path */
function pathOf(text: string, what: string): string {
  if (text.trim() === "<>") return "";
  const [mailbox, ...more] = text.length > MAILBOX_MAX ? [] : mailboxesIn(text);
  if (mailbox === undefined || more.length > 0) {
    throw new CallError("invalid", `${what} is not one mail address`);
  }
  const { address } = mailbox;
  // RFC 6761 §6.4: it never exists. nodemailer mails from and to it to find out whether its key is right, and wants to be
  // refused just so.
  if (/[@.]invalid$/i.test(address)) throw new CallError("rejected", `${what} is in the domain "invalid"`);
  return address;
}

/**
 * The lines for above the content. Of several fields of a name the first counts; where two name different tasks, the mail is
 * refused when it is submitted, and so it is where one names nothing.
 */
function linesOf(
  call: MailCall,
  header: readonly HeaderField[],
  { headers, partHeader }: DraftOptions,
  request: readonly NameValue[],
): string {
  const has = (name: string): boolean => header.some((field) => field.name === name.toLowerCase());
  const fields: NameValue[] = [];
  /** From the tags, or else from the request. */
  const addNames = (tag: string, names: readonly string[]): void => {
    const [first] = names;
    if (first === undefined || names.some(has)) return;
    const tags = call.tags.filter(({ name }) => name === tag);
    if (tags.length > 0) fields.push(...tags.map(({ value }) => ({ name: first, value })));
    else fields.push(...request.filter(({ name }) => names.includes(name)));
  };
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== "") fields.push({ name, value });
  };
  addNames(TASK_TAG, headers);
  addNames(PART_TAG, [partHeader]);
  if (!has("from") && call.from !== undefined) add("From", pathOf(call.from, "the sender"));
  if (!has("reply-to"))
    add("Reply-To", call.replyTo.map((one) => pathOf(one, "who gets replies")).join(", "));
  add(SES_FIELDS.configurationSet, call.configurationSet);
  add(SES_FIELDS.tenant, call.tenant);
  if (call.list !== undefined) {
    const { name, topic } = call.list;
    add(SES_FIELDS.list, topic === undefined ? name : `${name}; topic=${topic}`);
  }
  const lines = fields.map(({ name, value }) => `${name}: ${oneLine(value)}\r\n`);
  const tags = call.tags
    .filter(({ name }) => name !== TASK_TAG && name !== PART_TAG)
    .map(({ name, value }) => `${checkedName("a tag's name", name)}=${checkedName("a tag's value", value)}`);
  // One field, as some servers read no second one; a line each, as fifty tags may have 25,000 octets.
  if (tags.length > 0) lines.push(`${SES_FIELDS.tags}: ${tags.join(",\r\n ")}\r\n`);
  return lines.join("");
}

/** @throws CallError */
function oneLine(value: string): string {
  if (/[\r\n\0]/.test(value)) throw new CallError("invalid", "a value has a line break in it");
  return value;
}
