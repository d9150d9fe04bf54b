// All changes to a message; docs/design.md lists them under "What is changed in a message". The header is
// rewritten once, when the submission is accepted, into octets that all its recipients share. The fields that
// differ between recipients go into a slot at dispatch. So every attempt of a transmission carries the same
// octets, even when a newer version of this file makes a later one.
import { fieldValue, type HeaderField, isWhiteSpace } from "./header.ts";
import { SES_FIELDS, withoutOwnTags } from "./ses-fields.ts";
import { formatDate } from "./trace.ts";

export interface RewriteOptions {
  /** The value of our Received field, from receivedValue(). */
  readonly received: string;
  /** The task's header fields, to be removed: the configured names and that of the part, in lower case. */
  readonly taskFields: ReadonlySet<string>;
  /** Milliseconds since the epoch: the Date of a message that has none. */
  readonly acceptedAt: number;
  /** A Message-ID that is there stays: of unkeyed mail, or where that is configured. */
  readonly keepMessageId: boolean;
  /**
   * Which id joins References, so that a reply can be matched where Message-ID is another one to the recipient: the
   * derived one, or the mailer's own that the derived one replaces.
   */
  readonly references?: ReferencesPolicy;
  /** Fields that tell an upstream to keep Message-ID; added with the value "true" where they are absent. */
  readonly keepIdFields?: readonly string[];
  /** The message gets no X-Mailonce-ID, and keeps the Date that it has. */
  readonly isUnmarked?: boolean;
}

export type ReferencesPolicy = "none" | "derived" | "own";

/** Plain data, to be stored beside the body. */
export interface PreparedHeader {
  /** The common header and the empty line that ends it. */
  readonly octets: Uint8Array;
  /** The offset in `octets` at which the identity fields are inserted. */
  readonly slot: number;
  /** False when the message keeps its own Message-ID, so that only X-Mailonce-ID goes into the slot. */
  readonly setsMessageId: boolean;
  /** The message gets no X-Mailonce-ID. */
  readonly isUnmarked?: true | undefined;
  /** The text of the message's Date: its own, or that of `acceptedAt` when it has none that can be kept. */
  readonly date: string;
  /** Where the Date field is in `octets`; both are equal when a signature keeps it as it is. */
  readonly dateStart: number;
  readonly dateEnd: number;
  /** Where the derived id joins References: at the end of the field, or, where there was none, as a field. */
  readonly references?: { readonly at: number; readonly continues: boolean } | undefined;
}

/** The differences between the transmissions of one submission. */
export interface TransmissionFields {
  /** With its angle brackets. */
  readonly messageId: string;
  /**
   * The text of the Date field of an id that is sent again. The text and not the instant: receivers that use
   * Message-ID and Date compare the text.
   */
  readonly firstDate?: string | undefined;
}

const SES_ARN = /^x-ses-.*-arn$/;
const ALWAYS_REMOVED: ReadonlySet<string> = new Set(["bcc", "resent-bcc", "return-path", "x-mailonce-id"]);
const CRLF = Buffer.from("\r\n");

/**
 * Rewrites the header of an accepted submission. The result always ends in an empty line, also where the
 * input had none, since the body would otherwise be read as header.
 */
export function prepare(fields: readonly HeaderField[], options: RewriteOptions): PreparedHeader {
  const signed = signedNames(fields);
  const { taskFields, keepIdFields = [] } = options;
  const hasMessageId = fields.some((field) => field.name === "message-id");
  // A signature may cover a field that is absent, to assert that it is (RFC 6376 §5.4): adding it would
  // break the signature just as replacing it would.
  const signedId = signed.has("message-id");
  const setsMessageId = !signedId && !(options.keepMessageId && hasMessageId);

  const out: Uint8Array[] = [];
  let length = 0;
  const add = (octets: Uint8Array): void => {
    out.push(octets);
    length += octets.length;
  };

  const own = setsMessageId && options.references === "own" ? ownMessageId(fields) : undefined;
  const derivedJoins = options.references === "derived" && !signed.has("references");
  const joins = derivedJoins || (own !== undefined && !signed.has("references"));

  let slot: number | undefined;
  let references: PreparedHeader["references"];
  let date: { start: number; end: number; value: string } | undefined;
  add(Buffer.from(`Received: ${options.received}\r\n`, "latin1"));
  for (const name of keepIdFields) {
    const isThere = fields.some((field) => field.name === name.toLowerCase());
    if (!isThere) add(Buffer.from(`${keepIdLine(name)}\r\n`));
  }
  for (const field of fields) {
    const { name } = field;
    if (isRemoved(name, taskFields)) continue;
    if (name === "message-id") {
      slot ??= length;
      add(terminated(setsMessageId ? renamed(field.raw, "X-Original-Message-ID") : field.raw));
      continue;
    }
    const start = length;
    const raw = name === SES_FIELDS.tags ? withoutOwnTags(field) : field.raw;
    if (raw === undefined) continue;
    add(terminated(raw));
    if (name === "references" && joins && references === undefined) {
      // RFC 5322 §2.2.3: a line more of the field, so that what it says stays as it is.
      if (own !== undefined) add(Buffer.from(`\t${own}\r\n`, "latin1"));
      references = { at: length, continues: true };
    }
    if (name === "date") date ??= { start, end: length, value: field.value() };
  }
  // A signature that lists an absent Date says that there is none (RFC 6376 §5.4).
  const dateStays = signed.has("date") || options.isUnmarked === true;
  if (date === undefined) {
    const start = length;
    const value = formatDate(options.acceptedAt);
    if (!signed.has("date")) add(Buffer.from(`Date: ${value}\r\n`));
    date = { start, end: length, value };
  }
  if (joins && references === undefined) {
    if (own !== undefined) add(Buffer.from(`References: ${own}\r\n`, "latin1"));
    references = { at: length, continues: false };
  }
  slot ??= length;
  add(CRLF);

  return {
    octets: Buffer.concat(out, length),
    slot,
    setsMessageId,
    isUnmarked: options.isUnmarked === true ? true : undefined,
    date: KEEPABLE_DATE.test(date.value) ? date.value : formatDate(options.acceptedAt),
    dateStart: date.start,
    dateEnd: dateStays ? date.start : date.end,
    references: derivedJoins ? references : undefined,
  };
}

const isRemoved = (name: string, taskFields: ReadonlySet<string>): boolean =>
  ALWAYS_REMOVED.has(name) || taskFields.has(name) || SES_ARN.test(name);

/**
 * The names of fields that a DKIM signature covers and that are removed, wholly or in part, so that it holds no more; lower
 * case.
 */
export function signedAndRemoved(fields: readonly HeaderField[], taskFields: ReadonlySet<string>): string[] {
  const signed = signedNames(fields);
  if (signed.size === 0) return [];
  const losesTags = (field: HeaderField): boolean =>
    field.name === SES_FIELDS.tags && withoutOwnTags(field) !== field.raw;
  const removed = fields.filter(
    (field) => signed.has(field.name) && (isRemoved(field.name, taskFields) || losesTags(field)),
  );
  return [...new Set(removed.map(({ name }) => name))];
}

/** RFC 5322 §3.6.4, or close enough to it to be written in another field and in the log. */
const MESSAGE_ID = /^<[\x21-\x3b\x3d\x3f-\x7e]{1,250}>$/;

/** The Message-ID with which a mail arrives, if it has one that can be written elsewhere. */
export function ownMessageId(fields: readonly HeaderField[]): string | undefined {
  const value = fieldValue(fields, "message-id");
  return value !== undefined && MESSAGE_ID.test(value) ? value : undefined;
}

/** A field of `keepIdFields`, without its line end. */
export const keepIdLine = (name: string): string => `${name}: true`;

const COLON = 0x3a;
const CR = 0x0d;

/** What a date-time with a comment is made of, and not longer than one; anything else is no date. */
const KEEPABLE_DATE = /^[\x20-\x7e]{1,64}$/;

/** RFC 5322 §2.1.1, without CRLF. */
const LINE_MAX = 998;

/**
 * The field under a longer name. Its first line is folded after the colon where it would become too long for SMTP: what
 * the mailer wrote fits into a line, and so it does behind a space.
 */
function renamed(raw: Uint8Array, name: string): Uint8Array {
  const value = raw.subarray(raw.indexOf(COLON) + 1);
  const lineEnd = value.indexOf(CR);
  const first = lineEnd < 0 ? value.length : lineEnd;
  if (name.length + 1 + first <= LINE_MAX) return Buffer.concat([Buffer.from(`${name}:`), value]);
  // A line of white space alone would look like the end of the header to some.
  const isBlank = value.subarray(0, first).every(isWhiteSpace);
  return Buffer.concat([
    Buffer.from(isBlank ? `${name}:` : `${name}:\r\n `),
    value.subarray(isBlank ? first : 0),
  ]);
}

/** The last field of a message that ends within its header may lack a line end. */
function terminated(raw: Uint8Array): Uint8Array {
  return raw.at(-1) === 0x0a ? raw : Buffer.concat([raw, CRLF]);
}

/** Both name in h= what they cover: RFC 6376 §3.5, and RFC 8617 §4.1.2 of mail that a relay signed on its way. */
const SIGNATURES: ReadonlySet<string> = new Set(["dkim-signature", "arc-message-signature"]);

/** The lower-case names that the signatures of the message cover. */
function signedNames(fields: readonly HeaderField[]): Set<string> {
  const names = new Set<string>();
  for (const field of fields) {
    if (!SIGNATURES.has(field.name)) continue;
    for (const tag of field.value().split(";")) {
      const [key, list] = tag.replace(/[ \t]/g, "").split("=", 2);
      if (key !== "h" || list === undefined) continue;
      for (const name of list.split(":")) names.add(name.toLowerCase());
    }
  }
  return names;
}

/** The header of one transmission: pure, so the same for every attempt. */
export function render(prepared: PreparedHeader, fields: TransmissionFields): Uint8Array {
  const { octets, slot, dateStart, dateEnd } = prepared;
  const { references } = prepared;
  const edits: { start: number; end: number; by: Uint8Array }[] = [];
  // First of those at one place: it may be the last line of the field before it.
  if (references !== undefined) {
    const by = Buffer.from(`${references.continues ? "\t" : "References: "}${fields.messageId}\r\n`);
    edits.push({ start: references.at, end: references.at, by });
  }
  edits.push({ start: slot, end: slot, by: identityFields(fields.messageId, prepared) });
  if (fields.firstDate !== undefined && dateEnd > dateStart) {
    const by = Buffer.from(`Date: ${fields.firstDate}\r\n`);
    edits.push({ start: dateStart, end: dateEnd, by });
  }
  edits.sort((a, b) => a.start - b.start || a.end - b.end);
  const out: Uint8Array[] = [];
  let at = 0;
  for (const edit of edits) {
    out.push(octets.subarray(at, edit.start), edit.by);
    at = edit.end;
  }
  out.push(octets.subarray(at));
  return Buffer.concat(out);
}

/**
 * The fields that go into the slot. X-Mailonce-ID is set unless the message is to have no mark: SES replaces our
 * Message-ID by its own, and a receiver behind it has only this field.
 *
 * @param messageId with its angle brackets
 */
export function identityFields(
  messageId: string,
  { setsMessageId, isUnmarked }: Pick<PreparedHeader, "setsMessageId" | "isUnmarked">,
): Uint8Array {
  const names = [setsMessageId ? ["Message-ID"] : [], isUnmarked === true ? [] : ["X-Mailonce-ID"]].flat();
  return Buffer.from(names.map((name) => `${name}: ${messageId}\r\n`).join(""));
}
