// The "From " line that mail stores put before a message, and that cron jobs and old programs hand on with it. It is
// no header field, so the header would end before it began and the task with it. As with Postfix there may be several,
// each behind any number of ">": programs that quote such lines do so each time. Works on any chunking.

export interface FromLineFilter {
  /** The octets that follow the earlier results; may be the chunk itself. */
  push(chunk: Uint8Array): Uint8Array;
  /** What was held back until more was known. */
  end(): Uint8Array;
}

const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const QUOTE = 0x3e;
const NOTHING = new Uint8Array(0);
const MARK = Buffer.from("From ");

/** The longest beginning that is held back; a field's name is not followed by so much white space. */
const HELD_MAX = 64;

/** Drops first lines that begin with "From " or ">From ". "From :" is the field, written in the old way. */
export function createFromLineFilter(): FromLineFilter {
  let state: "beginning" | "dropping" | "passing" = "beginning";
  let held: Uint8Array = NOTHING;

  /** What follows the line that is being dropped. */
  function dropped(octets: Uint8Array): Uint8Array {
    const end = octets.indexOf(LF);
    if (end < 0) return NOTHING;
    state = "beginning";
    return octets.subarray(end + 1);
  }

  return {
    push(chunk) {
      if (state === "passing") return chunk;
      let octets = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      held = NOTHING;
      while (octets.length > 0) {
        if (state === "beginning") {
          const verdict = verdictOn(octets);
          if (verdict === "unknown") {
            held = Buffer.from(octets);
            return NOTHING;
          }
          if (verdict === "other") {
            state = "passing";
            return octets;
          }
          state = "dropping";
        }
        octets = dropped(octets);
      }
      return NOTHING;
    },
    end() {
      const rest = held;
      held = NOTHING;
      return rest;
    },
  };
}

function verdictOn(octets: Uint8Array): "from-line" | "other" | "unknown" {
  let at = 0;
  while (octets[at] === QUOTE && at < HELD_MAX) at++;
  const line = octets.subarray(at);
  if (!startsAlike(line, MARK)) return "other";
  for (at = MARK.length; at < line.length; at++) {
    const octet = line[at];
    if (octet === SPACE || octet === TAB) {
      if (at >= HELD_MAX) return "from-line";
    } else return octet === COLON ? "other" : "from-line";
  }
  return "unknown";
}

/** As far as both go. */
function startsAlike(octets: Uint8Array, mark: Uint8Array): boolean {
  const length = Math.min(octets.length, mark.length);
  return Buffer.compare(octets.subarray(0, length), mark.subarray(0, length)) === 0;
}
