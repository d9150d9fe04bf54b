// Content-Transfer-Encoding (RFC 2045 §6), line by line and in time that grows with the length of the line only.

export interface LineDecoder {
  /**
   * The next lines, whole and each with its line end; what they stand for. The line end of the last one belongs to
   * what may come after it, and is held back.
   */
  lines(octets: Uint8Array): Uint8Array;
  /** What was held back, but for a line end. */
  end(): Uint8Array;
}

const NOTHING = new Uint8Array(0);
const CRLF = Buffer.from("\r\n");

/** @param encoding the value of the field, in lower case; what is not known is taken as it is */
export function createLineDecoder(encoding: string): LineDecoder {
  if (encoding === "base64") return base64();
  return encoding === "quoted-printable" ? quotedPrintable() : identity();
}

function identity(): LineDecoder {
  let isFirst = true;
  return {
    lines(octets) {
      if (octets.length === 0) return NOTHING;
      const content = octets.subarray(0, octets.length - lineEndOf(octets, octets.length));
      if (!isFirst) return Buffer.concat([CRLF, content]);
      isFirst = false;
      return content;
    },
    end: () => NOTHING,
  };
}

const LF = 0x0a;
const CR = 0x0d;

/** The octets of the line end before `end`: 2, 1 or none. */
function lineEndOf(octets: Uint8Array, end: number): number {
  if (octets[end - 1] !== LF) return 0;
  return octets[end - 2] === CR ? 2 : 1;
}

/** §6.8: what is not of the alphabet is passed over. */
function base64(): LineDecoder {
  /** Characters that don't make a group of four yet. */
  let held = "";
  return {
    lines(octets) {
      const text = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString("latin1");
      const whole = held + (FOREIGN.test(text) ? text.replace(FOREIGNERS, "") : text);
      const length = whole.length - (whole.length % 4);
      held = whole.slice(length);
      return Buffer.from(whole.slice(0, length), "base64");
    },
    end: () => Buffer.from(held, "base64"),
  };
}
const FOREIGN = /[^A-Za-z0-9+/]/;
const FOREIGNERS = /[^A-Za-z0-9+/]+/g;

const EQUALS = 0x3d;
const SPACE = 0x20;
const TAB = 0x09;

/** §6.7: white space at the end of a line is none of its, and "=" there joins it with the next. */
function quotedPrintable(): LineDecoder {
  let isJoined = true;
  return {
    lines(octets) {
      const out = Buffer.allocUnsafe(octets.length + 2);
      let to = 0;
      let start = 0;
      while (start < octets.length) {
        const lf = octets.indexOf(LF, start);
        const next = lf < 0 ? octets.length : lf + 1;
        let end = next - lineEndOf(octets, next);
        while (end > start && (octets[end - 1] === SPACE || octets[end - 1] === TAB)) end--;
        if (!isJoined) {
          out[to++] = CR;
          out[to++] = LF;
        }
        isJoined = end > start && octets[end - 1] === EQUALS;
        if (isJoined) end--;
        for (let at = start; at < end; at++) {
          const octet = octets[at] as number;
          const value = octet === EQUALS ? hexOf(octets, at + 1, end) : -1;
          out[to++] = value < 0 ? octet : value;
          if (value >= 0) at += 2;
        }
        start = next;
      }
      return out.subarray(0, to);
    },
    end: () => NOTHING,
  };
}

/** The octet that two hexadecimal digits before `end` stand for, or -1. */
function hexOf(octets: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return -1;
  const high = digitOf(octets[at] as number);
  const low = digitOf(octets[at + 1] as number);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function digitOf(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const letter = octet | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
