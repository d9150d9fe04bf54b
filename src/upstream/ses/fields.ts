// What a message says to SES in its own header: configuration set, tags, contact list and tenant, as SES's SMTP
// endpoint reads them. API v2 reads the first two of the header too, and the others only of the call. Pure. The
// fields stay in the message.
import type { Id } from "../../identity/message-id.ts";
import { fieldValue, parseHeader } from "../../message/header.ts";
import { ID_TAG, LEDGER_TAG, SES_FIELDS } from "../../message/ses-fields.ts";
import { bufferOf } from "../../runtime/buffer-view.ts";

export interface SesTag {
  readonly Name: string;
  readonly Value: string;
}

/** The contact list, and perhaps the topic of it, that an unsubscribe link is made for. */
export interface SesListOptions {
  readonly ContactListName: string;
  readonly TopicName?: string;
}

export interface SesFields {
  /** Of X-SES-CONFIGURATION-SET; SES is left to judge it. */
  readonly configurationSet?: string;
  /** Of X-SES-TENANT; SES is left to judge it. */
  readonly tenant?: string;
  /** Of X-SES-LIST-MANAGEMENT-OPTIONS. "unreadable": without it the mail would go, and nobody could unsubscribe. */
  readonly list?: SesListOptions | "unreadable";
  /** The gateway's own first, as far as there is room, then those of X-SES-MESSAGE-TAGS, each name once. */
  readonly tags: readonly SesTag[];
  /** How many tags of the message were left out because SES would refuse the message for them. */
  readonly badTags: number;
}

/**
 * AWS documents no limit for the tags of a mail (API_SendEmail, API_MessageTag and the quotas of SES name none), only 50
 * for those of a resource (API_Tag of SESv2), which is taken here. A client's own have priority: with more than SES takes it
 * would refuse the mail.
 */
const TAGS_MAX = 50;

/** The longest name, and the longest value. */
const OCTETS_MAX = 256;
/** Names with "ses:" are SES's own, of which some can be set (ses:feedback-id-a). */
const TAG = /^((?:ses:)?[A-Za-z0-9_-]+)[ \t]*=[ \t]*([A-Za-z0-9_-]+)$/;

const SES_FIELD = /^x-ses-/im;

/**
 * Tags given in the call replace those of the header, so all of them have to be in the call.
 *
 * @param content the message, or its header alone
 * @param ledger its public name, where it is known
 */
export function sesFieldsOf(content: Uint8Array, id: Id, ledger?: string): SesFields {
  const fields = mayHoldSesFields(content) ? parseHeader(content) : [];
  const tags = new Map<string, string>();
  let badTags = 0;
  for (const field of fields) {
    if (field.name !== SES_FIELDS.tags) continue;
    for (const text of field.value().split(",")) {
      if (text.trim() === "") continue;
      const tag = tagOf(text.trim());
      if (tag === undefined) badTags += 1;
      else if (!tags.has(tag.Name)) tags.set(tag.Name, tag.Value);
    }
  }
  tags.delete(ID_TAG);
  tags.delete(LEDGER_TAG);
  const others = [...tags].map(([Name, Value]) => ({ Name, Value }));
  const own = [
    { Name: ID_TAG, Value: id },
    ...(ledger === undefined ? [] : [{ Name: LEDGER_TAG, Value: ledger }]),
  ].slice(0, Math.max(0, TAGS_MAX - others.length));
  const set = fieldValue(fields, SES_FIELDS.configurationSet);
  const tenant = fieldValue(fields, SES_FIELDS.tenant);
  const list = fieldValue(fields, SES_FIELDS.list);
  return {
    ...(set ? { configurationSet: set } : {}),
    ...(tenant ? { tenant } : {}),
    ...(list ? { list: listOf(list) } : {}),
    tags: [...own, ...others],
    badTags,
  };
}

/** Most messages say nothing to SES, and are not taken apart for it. */
function mayHoldSesFields(content: Uint8Array): boolean {
  const octets = bufferOf(content);
  const end = octets.indexOf("\r\n\r\n");
  return SES_FIELD.test(octets.toString("latin1", 0, end < 0 ? octets.length : end));
}

/** "news", "news; topic=weekly" as SES documents it, or "contactListName=news; topicName=weekly" as SDKs name it. */
const LIST =
  /^(?:contactListName[ \t]*=[ \t]*)?([^\s;=]+)(?:[ \t]*;[ \t]*topic(?:Name)?[ \t]*=[ \t]*([^\s;=]+))?[ \t]*;?$/i;
/** Longer than any list and topic that SES takes. */
const LIST_OCTETS_MAX = 512;

function listOf(text: string): SesListOptions | "unreadable" {
  const [, ContactListName, TopicName] = (text.length <= LIST_OCTETS_MAX && LIST.exec(text)) || [];
  if (ContactListName === undefined) return "unreadable";
  return { ContactListName, ...(TopicName === undefined ? {} : { TopicName }) };
}

function tagOf(text: string): SesTag | undefined {
  const [, Name = "", Value = ""] = TAG.exec(text) ?? [];
  const isWhole = Name !== "" && Name.length <= OCTETS_MAX && Value.length <= OCTETS_MAX;
  return isWhole ? { Name, Value } : undefined;
}
