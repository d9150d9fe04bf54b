// Line ends at ingress: a bare CR or bare LF becomes CRLF, so that everything after this, and every server
// after us, sees the same lines (a server that takes a bare LF for a line end can be smuggled a message).
// Works on any chunking and hands clean chunks on without copying them.

import { isAscii } from "node:buffer";
import { bufferOf } from "../runtime/buffer-view.ts";

/** What was seen so far. */
export interface LineFacts {
  readonly bareCr: number;
  readonly bareLf: number;
  /** Octets of the longest line without its CRLF (RFC 5321 §4.5.3.1.6 allows 998). */
  readonly longestLine: number;
  /** An octet above 127 occurred (RFC 6152). */
  readonly eightBit: boolean;
  /** A NUL occurred. */
  readonly nul: boolean;
}

export interface NewlineNormaliser {
  /** The octets that follow the earlier results; may be the chunk itself. */
  push(chunk: Uint8Array): Uint8Array;
  /** The last octets: an LF when the content ended in a bare CR, otherwise none. */
  end(): Uint8Array;
  facts(): LineFacts;
}

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = new Uint8Array(0);
const LINE_FEED = Uint8Array.of(LF);

export function createNewlineNormaliser(): NewlineNormaliser {
  let bareCr = 0;
  let bareLf = 0;
  let longest = 0;
  let eightBit = false;
  let nul = false;
  /** Octets of the line that goes on in the next chunk. */
  let open = 0;
  /** The last chunk ended in a CR, which has been handed on: its LF is due, from the input or from us. */
  let owed = false;

  function endLine(octets: number): void {
    if (octets > longest) longest = octets;
  }

  /** Looks at the line ends of `octets` from `start`; true when none of them is bare. */
  function survey(octets: Buffer, start: number): boolean {
    const faults = bareCr + bareLf;
    let line = start;
    let cr = octets.indexOf(CR, start);
    for (let lf = octets.indexOf(LF, start); lf >= 0; lf = octets.indexOf(LF, line)) {
      while (cr >= 0 && cr < lf - 1) {
        bareCr++;
        endLine(open + cr - line);
        open = 0;
        line = cr + 1;
        cr = octets.indexOf(CR, line);
      }
      if (cr === lf - 1 && cr >= line) {
        endLine(open + cr - line);
        cr = octets.indexOf(CR, lf + 1);
      } else {
        bareLf++;
        endLine(open + lf - line);
      }
      open = 0;
      line = lf + 1;
    }
    while (cr >= 0) {
      endLine(open + cr - line);
      open = 0;
      line = cr + 1;
      owed = line === octets.length;
      if (!owed) bareCr++;
      cr = octets.indexOf(CR, line);
    }
    open += octets.length - line;
    return bareCr + bareLf === faults;
  }

  return {
    push(chunk) {
      if (chunk.length === 0) return NOTHING;
      const octets = bufferOf(chunk);
      if (!eightBit) eightBit = !isAscii(octets);
      if (!nul) nul = octets.includes(0);
      const missing = owed && octets[0] !== LF;
      const start = owed && !missing ? 1 : 0;
      owed = false;
      if (missing) bareCr++;
      const clean = survey(octets, start);
      if (clean && !missing) return octets;
      return rewritten(octets, start, missing);
    },
    end() {
      if (!owed) return NOTHING;
      owed = false;
      bareCr++;
      return LINE_FEED;
    },
    facts: () => ({ bareCr, bareLf, longestLine: Math.max(longest, open), eightBit, nul }),
  };
}

/**
 * `octets` with CRLF for every bare CR or LF from `start` on, save a CR that ends them.
 *
 * @param missing an LF is put in front: it completes the CR that ended the octets before
 */
function rewritten(octets: Buffer, start: number, missing: boolean): Uint8Array {
  // Each octet becomes two at most, and one may come in front.
  const result = Buffer.allocUnsafe(2 * octets.length + 1);
  let to = 0;
  if (missing) result[to++] = LF;
  for (let from = 0; from < octets.length; from++) {
    const octet = octets[from] as number;
    if (octet === LF && from >= start && octets[from - 1] !== CR) result[to++] = CR;
    result[to++] = octet;
    if (octet === CR && from + 1 < octets.length && octets[from + 1] !== LF) result[to++] = LF;
  }
  return result.subarray(0, to);
}
