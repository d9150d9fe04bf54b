// Values of others on lines of a notification: printable ASCII, folded, in their place.
import { canonicalRecipient } from "../address/recipient.ts";

/** RFC 5322 §2.1.1. */
export const LINE_MAX = 998;

/** `Name: value`, folded at spaces. The value has no line end in it. */
export function fieldLines(name: string, value: string): string[] {
  return wrapped(`${name}: ${value}`, " ");
}

/** Lines of 76 characters or less where spaces allow it, the later ones indented. */
export function wrapped(line: string, indent: string): string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > 76) {
    const first = rest.search(/[^ ]/);
    const within = rest.lastIndexOf(" ", 76);
    const at = within > first ? within : rest.indexOf(" ", Math.max(first, 76));
    if (at < 0) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = indent + rest.slice(at).trimStart();
  }
  lines.push(rest);
  return lines;
}

/** One line of printable ASCII: controls become a space, anything else outside it a "?". */
export function asciiLine(value: string, limit = LINE_MAX - 100): string {
  return value
    .slice(0, limit)
    .replace(/\p{Cc}+/gu, " ")
    .replace(/[^\x20-\x7e]/gu, "?")
    .trim();
}

/** RFC 3464 §2.3.2; an address outside ASCII in the form that RFC 6533 §3 has for 7-bit mail. */
export function typedAddress(address: string): string {
  if (/^[\x20-\x7e]*$/.test(address)) return `rfc822; ${asciiLine(address)}`;
  const escaped = [...address].map((character) =>
    /[\x21-\x5b\x5d-\x7e]/.test(character) && character !== "+" && character !== "="
      ? character
      : `\\x{${(character.codePointAt(0) as number).toString(16).toUpperCase()}}`,
  );
  const text = escaped.join("");
  return text.length < LINE_MAX - 100 ? `utf-8; ${text}` : `rfc822; ${asciiLine(address)}`;
}

/** The address in angle brackets, or undefined when that would not be one mailbox in ASCII. */
export function mailbox(address: string): string | undefined {
  const result = canonicalRecipient(address);
  const valid = result.ok && result.recipient.includes("@") && /^[\x20-\x7e]*$/.test(result.recipient);
  return valid ? `<${result.recipient}>` : undefined;
}
