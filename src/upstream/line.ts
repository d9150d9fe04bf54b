// Text of others, fit for one line of a log or a notification.

/** Nobody needs more of what a server has to say. */
const CHARACTERS_MAX = 500;

/** One printable line of 1 to 500 characters. */
export function oneLine(text: string): string {
  const line = text.replace(/\p{Cc}+/gu, " ").trim();
  return line.slice(0, CHARACTERS_MAX) || "no text";
}
