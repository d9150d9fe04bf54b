// Text of others, cut to so many octets, for what is kept of it.

/** White space, controls, and characters that change how the rest of a line is shown. */
const UNSHOWN = /[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

const toUtf8 = new TextEncoder();

/** One printable line, of at most so many octets of UTF-8; a character is whole or left out. */
export function shortText(text: string, octetsMax: number): string {
  // An octet holds at most one of JavaScript's characters, and what is cut off need not be looked at.
  const line = text
    .slice(0, octetsMax * SLACK)
    .replace(UNSHOWN, " ")
    .trim();
  const { read, written } = toUtf8.encodeInto(line, new Uint8Array(octetsMax));
  const whole = read === line.length && written <= octetsMax ? line : line.slice(0, read).trimEnd();
  // Half a pair has no UTF-8.
  return whole.replace(/\p{Cs}/gu, "\ufffd");
}

/** Some of what is read may be left out. */
const SLACK = 4;
