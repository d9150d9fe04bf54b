// The value and the parameters of Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183), with the
// continuations and charsets of RFC 2231. Reads whatever mailers write, in time that grows with the length only.
import { decodeWords } from "./encoded-words.ts";

export interface Parameterised {
  /** Lower case, without white space; empty when there is none. */
  readonly value: string;
  /** By name in lower case. The first of one name counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** No field that is meant has more. */
const PARAMETERS_MAX = 100;

/** @param field the unfolded value of the field */
export function parseParameters(field: string): Parameterised {
  const [first = "", ...rest] = splitAtSemicolons(field);
  const plain = new Map<string, string>();
  /** By name: the segments of RFC 2231 by their number. */
  const segments = new Map<string, Map<number, { text: string; isEncoded: boolean }>>();
  for (const piece of rest.slice(0, PARAMETERS_MAX)) {
    const at = piece.indexOf("=");
    if (at < 0) continue;
    const name = piece.slice(0, at).trim().toLowerCase();
    const text = unquoted(piece.slice(at + 1).trim());
    const [, base = "", number, star] = /^([^*]{1,76})(?:\*(\d{1,3}))?(\*)?$/.exec(name) ?? [];
    if (number === undefined && star === undefined) {
      if (!plain.has(name)) plain.set(name, decodeWords(text));
      continue;
    }
    const known = segments.get(base) ?? new Map<number, { text: string; isEncoded: boolean }>();
    segments.set(base, known.set(Number(number ?? 0), { text, isEncoded: star !== undefined }));
  }
  for (const [name, numbered] of segments) if (!plain.has(name)) plain.set(name, joined(numbered));
  return { value: first.replace(/\s+/g, "").toLowerCase(), parameters: plain };
}

/** Not inside quotes, and not in a comment, which no mailer of today writes. */
function splitAtSemicolons(field: string): string[] {
  const pieces: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < field.length; at++) {
    const character = field[at];
    if (isQuoted && character === "\\") at++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === ";" && !isQuoted) {
      pieces.push(field.slice(start, at));
      start = at + 1;
    }
  }
  pieces.push(field.slice(start));
  return pieces;
}

function unquoted(text: string): string {
  if (!text.startsWith('"')) return text;
  const inner = text.endsWith('"') && text.length > 1 ? text.slice(1, -1) : text.slice(1);
  return inner.replace(/\\(.)/gs, "$1");
}

/** RFC 2231 §4: the charset stands before the first segment. */
function joined(numbered: ReadonlyMap<number, { text: string; isEncoded: boolean }>): string {
  const inOrder = [...numbered].sort(([a], [b]) => a - b).map(([, segment]) => segment);
  const [, charset = "utf-8"] = /^([A-Za-z0-9_-]{1,40})?'[^']{0,40}'/.exec(inOrder[0]?.text ?? "") ?? [];
  const octets = inOrder.map(({ text, isEncoded }, index) => {
    if (!isEncoded) return Buffer.from(text, "utf8");
    const bare = index === 0 ? text.replace(/^[A-Za-z0-9_-]{0,40}'[^']{0,40}'/, "") : text;
    const raw = bare.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    );
    return Buffer.from(raw, "latin1");
  });
  return textDecoder(charset).decode(Buffer.concat(octets));
}

/** A decoder that replaces what is no text; of a charset that nobody knows, that of Windows in western Europe. */
export function textDecoder(charset: string): InstanceType<typeof TextDecoder> {
  try {
    return new TextDecoder(charset.trim());
  } catch {
    return new TextDecoder("windows-1252");
  }
}
