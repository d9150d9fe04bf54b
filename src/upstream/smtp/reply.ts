// RFC 5321 §4.2 replies, as far as an outcome depends on them. Pure.
import { oneLine } from "../line.ts";

/**
 * The code of a whole reply, or undefined when it is not one: "25", "2500 ok" or lines of different
 * codes say nothing that an outcome could rest on.
 *
 * @param reply its lines without the last line end
 */
export function replyCode(reply: string): number | undefined {
  let code: string | undefined;
  for (const line of reply.split(/\r?\n/)) {
    const match = /^([2-5][0-5][0-9])(?:[ -]|$)/.exec(line);
    if (match === null || (code !== undefined && code !== match[1])) return undefined;
    code = match[1];
  }
  return Number(code);
}

/**
 * The name that the server gave the message, where its reply has one in a known place ("queued as" of
 * Postfix and smtp-server, "id=" of Exim and Sendmail); otherwise the reply's text.
 */
export function queueIdOf(reply: string): string {
  const line = oneLine(reply);
  const named = /\bqueued as ([^\s;,]+)/i.exec(line) ?? /\bid=([^\s;,]+)/i.exec(line);
  return named?.[1] ?? oneLine(line.replace(/^\d{3}[ -]?(?:[245]\.\d{1,3}\.\d{1,3} ?)?/, ""));
}
