// What a message of the queue holds: an event of SES, or anything else. SES's events come bare (raw delivery), in the
// envelope of SNS, in that of EventBridge, or in both. Pure, never throws, and does bounded work: who may write to
// the queue chooses these octets.
import { type SesEvent, sesEventOf } from "./event.ts";
import { isObject, type Json } from "./json.ts";

export type QueueMessage =
  | { readonly kind: "event"; readonly event: SesEvent }
  /** Nothing that could prove anything; `why` is for the log. */
  | { readonly kind: "none"; readonly why: string };

/** The most that SQS takes, in octets; a character has at least one. */
const CHARACTERS_MAX = 1024 * 1024;

/** EventBridge in SNS has the event at the third. */
const ENVELOPES_MAX = 3;

const none = (why: string): QueueMessage => ({ kind: "none", why });

export function readQueueMessage(body: string): QueueMessage {
  if (body.length > CHARACTERS_MAX) return none("longer than a message of SQS can be");
  let text: string | undefined = body;
  let value: unknown;
  for (let depth = 0; depth <= ENVELOPES_MAX; depth++) {
    if (text !== undefined) {
      value = parsed(text);
      text = undefined;
    }
    // SNS first says that it has validated the topic, in a sentence.
    if (!isObject(value)) return none("no JSON object");
    if (typeof value.eventType === "string") return eventOf(value.eventType, value);
    if (typeof value.notificationType === "string") return none("feedback of an identity, and no event");
    if (value.Type !== undefined && value.Type !== "Notification") return none("a message of SNS itself");
    if (typeof value.Message === "string") text = value.Message;
    else if (value["detail-type"] !== undefined) value = value.detail;
    else return none("no event of SES");
  }
  return none("envelopes in envelopes");
}

function eventOf(type: string, value: Json): QueueMessage {
  const event = sesEventOf(type, value);
  return typeof event === "string" ? none(event) : { kind: "event", event };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
