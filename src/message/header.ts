// The header of a message as fields that keep their octets. This is not a validator: the mailer's header is
// relayed as it is, so the only question about a line is whether it still belongs to the header.
import { bufferOf } from "../runtime/buffer-view.ts";

export interface HeaderField {
  /** Lower case. */
  readonly name: string;
  /** The field's octets, from its name to the CRLF that ends it, continuation lines included. */
  readonly raw: Uint8Array;
  /**
   * What follows the colon: unfolded (RFC 5322 §2.2.3), without white space around it, UTF-8 (RFC 6532)
   * or, where the octets aren't that, latin1.
   */
  value(): string;
}

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;

/**
 * RFC 5322 §2.1.1: no line is longer, so no name is. A bound makes the verdict on a line independent of
 * how much of it has arrived.
 */
const NAME_OCTETS_MAX = 998;

export const isWhiteSpace = (octet: number | undefined): boolean => octet === SPACE || octet === TAB;

/**
 * The offset of the colon that ends a field's name, white space before it tolerated (RFC 5322 §4.5).
 * "none": the line is no field. "unknown": that depends on octets after `end`.
 */
function colonOf(octets: Uint8Array, start: number, end: number): number | "none" | "unknown" {
  const limit = Math.min(end, start + NAME_OCTETS_MAX);
  let at = start;
  for (; at < limit; at++) {
    const octet = octets[at] as number;
    if (octet === COLON || octet <= SPACE || octet > 0x7e) break;
  }
  if (at === start && at < limit) return "none";
  while (at < limit && isWhiteSpace(octets[at])) at++;
  if (at < limit) return octets[at] === COLON ? at : "none";
  return limit < end || limit === start + NAME_OCTETS_MAX ? "none" : "unknown";
}

/** Where the header ends within `octets`, as far as they tell. */
interface Extent {
  /** Octets that are known to be header. */
  readonly length: number;
  /** Where the line begins that has to be looked at again when more has arrived. */
  readonly line: number;
  readonly ended: "separator" | "body" | undefined;
}

function extentOf(octets: Buffer, from: number): Extent {
  let line = from;
  while (line < octets.length) {
    const first = octets[line];
    if (first === CR && line + 1 === octets.length) return { length: line, line, ended: undefined };
    if (first === CR && octets[line + 1] === LF) return { length: line, line, ended: "separator" };
    const continues = line > 0 && isWhiteSpace(first);
    const colon = continues ? line : colonOf(octets, line, octets.length);
    if (colon === "none") return { length: line, line, ended: "body" };
    if (colon === "unknown") return { length: line, line, ended: undefined };
    const lineEnd = octets.indexOf(LF, colon);
    if (lineEnd < 0) return { length: octets.length, line, ended: undefined };
    line = lineEnd + 1;
  }
  return { length: line, line, ended: undefined };
}

/**
 * The fields of a header block with CRLF line ends. Reads up to the first empty line, or to the first
 * line that is neither field nor continuation.
 */
export const parseHeader = (block: Uint8Array): HeaderField[] => [...eachField(block)];

/** As parseHeader; undefined when there are more fields than that. It reads none beyond the limit. */
export function parseHeaderWithin(block: Uint8Array, most: number): HeaderField[] | undefined {
  const fields: HeaderField[] = [];
  for (const field of eachField(block)) if (fields.push(field) > most) return undefined;
  return fields;
}

/** The same one by one: a header can have 60,000 fields. */
export function* eachField(block: Uint8Array): Generator<HeaderField> {
  const octets = bufferOf(block);
  let start = 0;
  while (start < octets.length) {
    const colon = colonOf(octets, start, octets.length);
    if (typeof colon !== "number") break;
    let end = colon;
    do {
      const lineEnd = octets.indexOf(LF, end);
      end = lineEnd < 0 ? octets.length : lineEnd + 1;
    } while (end < octets.length && isWhiteSpace(octets[end]));
    yield fieldOf(octets.subarray(start, end), colon - start);
    start = end;
  }
}

function fieldOf(raw: Buffer, colon: number): HeaderField {
  return {
    name: raw.toString("latin1", 0, colon).trimEnd().toLowerCase(),
    raw,
    value: () => unfold(decode(raw.subarray(colon + 1))),
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(octets: Buffer): string {
  const text = octets.toString("latin1");
  if (!HIGH.test(text)) return text;
  try {
    return utf8.decode(octets);
  } catch {
    return text;
  }
}

const HIGH = /[\x80-\xff]/;

/**
 * RFC 5322 §2.2.3: removes each line end that white space follows, and all white space around the whole. A
 * line end elsewhere stays, so that the reader of the text can refuse it.
 */
export function unfold(text: string): string {
  const line = text.replace(/\r?\n(?=[ \t])/g, "");
  let start = 0;
  let end = line.length;
  while (start < end && isAround(line.charCodeAt(start))) start++;
  while (end > start && isAround(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

const isAround = (code: number): boolean => isWhiteSpace(code) || code === CR || code === LF;

/** The value of each field of that lower-case name, in their order. */
export const fieldValues = (fields: readonly HeaderField[], name: string): string[] =>
  fields.filter((field) => field.name === name).map((field) => field.value());

/** The value of the first field of that lower-case name, if there is one. */
export function fieldValue(fields: readonly HeaderField[], name: string): string | undefined {
  return fields.find((field) => field.name === name)?.value();
}

export type HeaderScan =
  /** `separator`: an empty line was between the header and `rest`; it is in neither. */
  | {
      readonly kind: "header";
      readonly header: Uint8Array;
      readonly rest: Uint8Array;
      readonly separator: boolean;
    }
  /** The header is longer than allowed. */
  | { readonly kind: "too-long" };

export interface HeaderScanner {
  /** Takes the next octets. The result is undefined until the end of the header is known; ask no further then. */
  push(chunk: Uint8Array): HeaderScan | undefined;
  /** The message ended before its header did: all of it is header. */
  end(): HeaderScan;
}

/** Finds where the header ends; the result does not depend on how the octets are cut into chunks. */
export function createHeaderScanner(maxOctets: number): HeaderScanner {
  let held = Buffer.alloc(0);
  let used = 0;
  let line = 0;

  function hold(chunk: Uint8Array): Buffer {
    if (held.length < used + chunk.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * held.length, used + chunk.length));
      held.copy(larger, 0, 0, used);
      held = larger;
    }
    held.set(chunk, used);
    used += chunk.length;
    return held.subarray(0, used);
  }

  return {
    push(chunk) {
      const octets = used === 0 ? bufferOf(chunk) : hold(chunk);
      const extent = extentOf(octets, line);
      if (extent.length > maxOctets) return { kind: "too-long" };
      if (extent.ended !== undefined) {
        const separator = extent.ended === "separator";
        const rest = octets.subarray(extent.length + (separator ? 2 : 0));
        return { kind: "header", header: octets.subarray(0, extent.length), rest, separator };
      }
      if (used === 0) hold(chunk);
      line = extent.line;
      return undefined;
    },
    end() {
      const octets = held.subarray(0, used);
      // A last line that ends where its name could still go on is no field, so the body begins with it.
      const header = extentOf(octets, line).length;
      if (header > maxOctets) return { kind: "too-long" };
      return {
        kind: "header",
        header: octets.subarray(0, header),
        rest: octets.subarray(header),
        separator: false,
      };
    },
  };
}
