// One event of SES: whose mail it is about, and what it says of the mail's fate. Pure.
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
import type { Fate } from "../../../evidence/fate.ts";
import type { Id } from "../../../identity/message-id.ts";
import { ID_TAG, LEDGER_TAG } from "../../../message/ses-fields.ts";
import { given } from "../../../runtime/given.ts";
import { shortText } from "../../../runtime/short-text.ts";
import { isObject, type Json, listIn, objectIn } from "./json.ts";

export interface SesEvent {
  /** As SES names it: "Send", "Delivery", or one that is not known here. */
  readonly type: string;
  /** SES's name of its copy. */
  readonly upstreamId: string | undefined;
  /** Undefined: the mail is none of any mailonce's. */
  readonly about: { readonly id: Id; readonly from: "tag" | "header" } | undefined;
  /** The ledger that the mail was sent for, where the mail says it. */
  readonly ledger: string | undefined;
  /** When SES took the mail, milliseconds since the epoch. */
  readonly takenAt: number | undefined;
  /** When it happened, milliseconds since the epoch. */
  readonly at: number | undefined;
  readonly fate: Fate;
}

/** SES's ids have some 60 characters. */
const UPSTREAM_ID_OCTETS = 128;
const TYPE_OCTETS = 40;
const WORD_OCTETS = 60;
const TEXT_OCTETS = 500;

/** SES cuts the header at 10 KB: more fields than this are not in it. */
const HEADERS_MAX = 1_000;

/** @returns the event, or why it is none */
export function sesEventOf(type: string, json: Json): SesEvent | string {
  if (!isObject(json.mail)) return "an event without its mail";
  const { mail } = json;
  const tags = objectIn(mail, "tags");
  const takenAt = timeIn(mail, "timestamp");
  const { fate, at = takenAt } = fateOf(type, json);
  return {
    type: shortText(type, TYPE_OCTETS),
    upstreamId: textIn(mail, "messageId", UPSTREAM_ID_OCTETS),
    about: aboutOf(tags, mail),
    ledger: tagIn(tags, LEDGER_TAG),
    takenAt,
    at,
    fate,
  };
}

/** SES carries our tag in every event; a field of the header may be a client's own, so it counts only without the tag. */
function aboutOf(tags: Json, mail: Json): SesEvent["about"] {
  if (Object.hasOwn(tags, ID_TAG)) {
    const id = idIn(tagIn(tags, ID_TAG) ?? "");
    return id === undefined ? undefined : { id, from: "tag" };
  }
  const id = idInHeader(listIn(mail, "headers"));
  return id === undefined ? undefined : { id, from: "header" };
}

/** The gateway writes each of these once. Where two contradict one another somebody else wrote one of them. */
function idInHeader(headers: readonly unknown[]): Id | undefined {
  const own: unknown[] = [];
  const messageIds: unknown[] = [];
  for (const field of headers.slice(0, HEADERS_MAX)) {
    if (!isObject(field) || typeof field.name !== "string") continue;
    const name = field.name.toLowerCase();
    if (name === "x-mailonce-id") own.push(field.value);
    if (name === "message-id") messageIds.push(field.value);
  }
  const values = own.length > 0 ? own : messageIds;
  const [first] = values;
  if (typeof first !== "string" || values.some((value) => value !== first)) return undefined;
  return idIn(/^<([a-z2-7]{32})@[^\s<>@]{1,255}>$/.exec(first.trim())?.[1] ?? "");
}

const idIn = (text: string): Id | undefined => (/^[a-z2-7]{32}$/.test(text) ? text : undefined);

/** The one value of a tag. */
function tagIn(tags: Json, name: string): string | undefined {
  const values = Object.hasOwn(tags, name) ? listIn(tags, name) : [];
  const [value] = values;
  return values.length === 1 && typeof value === "string" ? value : undefined;
}

interface Happened {
  readonly fate: Fate;
  readonly at?: number | undefined;
}

/** @see Fate */
function fateOf(type: string, json: Json): Happened {
  switch (type) {
    case "Send":
      return { fate: { kind: "sent" } };
    case "Delivery": {
      const delivery = objectIn(json, "delivery");
      const reply = textIn(delivery, "smtpResponse", TEXT_OCTETS);
      return { fate: { kind: "delivered", ...given({ reply }) }, at: timeIn(delivery, "timestamp") };
    }
    case "DeliveryDelay": {
      const delay = objectIn(json, "deliveryDelay");
      const delayType = textIn(delay, "delayType", WORD_OCTETS);
      const diagnostic = textIn(firstIn(delay, "delayedRecipients"), "diagnosticCode", TEXT_OCTETS);
      return {
        fate: { kind: "delayed", ...given({ delayType, diagnostic }) },
        at: timeIn(delay, "timestamp"),
      };
    }
    case "Bounce": {
      const bounce = objectIn(json, "bounce");
      const bounceType = textIn(bounce, "bounceType", WORD_OCTETS);
      const bounceSubType = textIn(bounce, "bounceSubType", WORD_OCTETS);
      const recipient = firstIn(bounce, "bouncedRecipients");
      const status = textIn(recipient, "status", WORD_OCTETS);
      const diagnostic = textIn(recipient, "diagnosticCode", TEXT_OCTETS);
      return {
        fate: { kind: "bounced", ...given({ bounceType, bounceSubType, status, diagnostic }) },
        at: timeIn(bounce, "timestamp"),
      };
    }
    case "Complaint": {
      const complaint = objectIn(json, "complaint");
      const feedbackType = textIn(complaint, "complaintFeedbackType", WORD_OCTETS);
      const subType = textIn(complaint, "complaintSubType", WORD_OCTETS);
      return {
        fate: { kind: "complained", ...given({ feedbackType, subType }) },
        at: timeIn(complaint, "timestamp"),
      };
    }
    case "Reject": {
      const reason = textIn(objectIn(json, "reject"), "reason", TEXT_OCTETS);
      return { fate: { kind: "rejected", ...given({ reason }) } };
    }
    default:
      return { fate: { kind: "other" } };
  }
}

/** Each mail of ours has one recipient. */
function firstIn(json: Json, name: string): Json {
  const [first] = listIn(json, name);
  return isObject(first) ? first : {};
}

function textIn(json: Json, name: string, octetsMax: number): string | undefined {
  const value = json[name];
  return typeof value === "string" ? shortText(value, octetsMax) || undefined : undefined;
}

/** ISO 8601, as SES writes it; `Date` alone would take far more for a time. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)$/;

function timeIn(json: Json, name: string): number | undefined {
  const value = json[name];
  if (typeof value !== "string" || value.length > 40 || !TIME.test(value)) return undefined;
  const time = Date.parse(value);
  return Number.isFinite(time) ? time : undefined;
}
