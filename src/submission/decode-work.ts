// What decoding costs, estimated from the octets before mailparser decodes them. The libraries do some work in one piece: a
// header, a text, all that is quoted-printable. No piece may hold the event loop up for more than 10 ms, so these count
// the nanoseconds that the worst known input of each kind takes (docs/evidence/parser-costs.md), and never look at a clock:
// the same mail has the same fingerprint on a busy machine.

/** Nanoseconds: the most for all headers of a message together, and for all that is decoded in one piece. */
export const WORK_MAX = 10_000_000;

/** Octets of a line. mailsplit cuts lines above 64 KiB at places that depend on how they arrive. */
export const LINE_OCTETS_MAX = 32 * 1024;

/** Parts at all levels; each costs some 50 µs whatever is in it. mailsplit's own limit is 1,000. */
export const PARTS_MAX = 200;

const TAB = 0x09;
const LF = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const STAR = 0x2a;
const COLON = 0x3a;
const EQUALS = 0x3d;
const QUESTION = 0x3f;

/** By octet. 200 for any: an address field of words. */
const HEADER_COSTS: Uint32Array = (() => {
  const costs = new Uint32Array(256).fill(200);
  // Each may end an address, a group or a parameter, and what is between two of them may be one octet.
  for (const octet of ",;") costs[octet.charCodeAt(0)] = 8_000;
  costs[COLON] = 14_000;
  costs[LF] = 1_000;
  costs[QUOTE] = 1_500;
  // A parameter in several pieces, or with a charset that nobody knows.
  costs[STAR] = 36_000;
  for (const octet of "&<>'`\\") costs[octet.charCodeAt(0)] = 400;
  // Each is written as a reference of HTML, though nobody asked for HTML.
  costs.fill(600, 0x80);
  return costs;
})();

/** The charset of an encoded word: iconv-lite throws where it knows none of that name. */
const WORD = 24_000;

/** An octet in an encoded word, or after a star: in UTF-7, or part of an address list that the word hides. */
const ENCODED_OCTET = 2_000;

export interface HeaderWork {
  /** The work of the next line of the header. */
  line(octets: Uint8Array): number;
}

export function createHeaderWork(): HeaderWork {
  let previous = 0;
  /** Question marks until the encoded word ends: charset, encoding and text have one each. */
  let marks = 0;
  let starred = false;
  return {
    line(octets) {
      if (octets[0] !== SPACE && octets[0] !== TAB) {
        previous = 0;
        marks = 0;
        starred = false;
      }
      let work = 0;
      for (const octet of octets) {
        work += HEADER_COSTS[octet] as number;
        if (marks > 0 || starred) work += ENCODED_OCTET;
        if (octet === STAR) starred = true;
        else if (octet === QUESTION && marks > 0) marks--;
        else if (octet === QUESTION && previous === EQUALS) {
          work += WORD;
          marks = 3;
        }
        previous = octet;
      }
      return work;
    },
  };
}

/** libqp takes a part as one string, and its search for blanks at ends of lines is quadratic in their number. */
export function quotedPrintableWork(line: Uint8Array): number {
  let work = 0;
  let blanks = 0;
  for (const octet of line) {
    if (octet === SPACE || octet === TAB) blanks++;
    else {
      if (blanks > 1) work += blanks * blanks * 3.5;
      blanks = 0;
    }
    work += octet === EQUALS ? 250 : octet === LF ? 100 : 20;
  }
  return work + blanks * blanks * 3.5;
}

/** libbase64 decodes what is between two paddings on its own. */
export function base64Work(line: Buffer): number {
  let work = 0;
  for (let at = line.indexOf(EQUALS); at >= 0; at = line.indexOf(EQUALS, at + 1)) work += 400;
  return work;
}

export interface TextPart {
  readonly flowed: boolean;
  readonly charset: string | false;
}

/** Charsets that are decoded as they come. Others may be decoded in one piece, as ISO-2022-JP is. */
const STREAMED_CHARSET =
  /^(?:utf8|usascii|ascii|iso8859|latin[0-9]|windows12|win12|cp12|koi8|gb|big5|euc|shiftjis|sjis|ksc)/;

/** Of a text once its transfer encoding is taken off: charset, flowed lines, line ends. */
export function textWork(chunk: Uint8Array, { flowed, charset }: TextPart): number {
  let lines = 0;
  let high = 0;
  for (const octet of chunk) {
    if (octet === LF) lines++;
    else if (octet >= 0x80) high++;
  }
  const streamed = charset === false || STREAMED_CHARSET.test(bareCharset(charset));
  const perOctet = 10 + (flowed ? 12 : 0) + (streamed ? 0 : 120);
  return chunk.length * perOctet + lines * (130 + (flowed ? 200 : 0)) + high * 12;
}

const bareCharset = (text: string): string => text.toLowerCase().replace(/[^0-9a-z]/g, "");

/**
 * UTF-7 costs a hundred times as much as other charsets, and mailers gave it up twenty years ago. iconv-lite takes
 * names of charsets with anything between their letters.
 */
export const isUtf7 = (charset: string | false): boolean =>
  charset !== false && bareCharset(charset).includes("utf7");
