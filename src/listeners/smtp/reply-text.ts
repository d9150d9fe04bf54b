// A reply as the line that goes out (RFC 5321 §4.2, RFC 2034).
import type { Reply } from "../../submission/reply.ts";

/** An enhanced status code at the beginning of a reply's text. */
const STATUS = /^[245]\.\d{1,3}\.\d{1,3} /;

/** RFC 5321 §4.5.3.1.5: a reply line has 512 octets at most, with code, enhanced status and CRLF. */
const REPLY_TEXT_MAX = 480;

const UNPRINTABLE = /[^\t\x20-\x7e]/;
const UNPRINTABLES = /[^\t\x20-\x7e]/g;

export const textOf = (reply: Reply): string => `${reply.status} ${reply.text}`;

/** The text brings its enhanced status code. */
export const bringsStatus = (text: unknown): boolean => typeof text === "string" && STATUS.test(text);

/** The library quotes what a client has sent, of any length and any octets. */
export const asReply = (text: string): string =>
  text.length <= REPLY_TEXT_MAX && !UNPRINTABLE.test(text)
    ? text
    : text.replaceAll(UNPRINTABLES, "?").slice(0, REPLY_TEXT_MAX);
