// Checks a client's octets before the parser of commands: line ends that are not CRLF, and octets that came
// before the reply they had to wait for. A smuggled mail needs both, and neither can be seen once the parser
// has cut the octets into commands. Pure.
import { bufferOf } from "../../runtime/buffer-view.ts";

export type LineFault =
  /** A command line ends in an LF alone. */
  | "bare-newline"
  /** Something follows a command whose reply had to be waited for. */
  | "unsynchronised";

export interface FoundFault {
  readonly fault: LineFault;
  /** How many octets of the chunk are whole lines before the one at fault: those may still be parsed. */
  readonly before: number;
}

export interface LineGuard {
  /**
   * The first fault in octets that are about to be parsed as commands; ask no further then.
   *
   * @param expectsContinuation the first line is one of an AUTH exchange (RFC 4954 §4) and no command
   */
  push(chunk: Uint8Array, expectsContinuation: boolean): FoundFault | undefined;
}

const LF = 0x0a;
const CR = 0x0d;

/** Of a line, to tell the command: the longest one that counts, a mechanism (RFC 4422: 20) and more. */
const BEGINNING_OCTETS = 64;

/**
 * RFC 2920 §3.1 and RFC 3207 §4: they change what comes next, so nothing may come before their reply. QUIT,
 * NOOP, VRFY and EXPN are in the list of RFC 2920 too; what follows them does no harm, and clients send it.
 */
const LAST_OF_GROUP: ReadonlySet<string> = new Set(["EHLO", "HELO", "LHLO", "DATA", "STARTTLS"]);

/** RFC 4954 lets these be followed when they bring their only response. */
const ONE_STEP_MECHANISMS: ReadonlySet<string> = new Set(["PLAIN", "EXTERNAL"]);

/** @param beginning of a line, read as smtp-server reads it: UTF-8, the name up to a space, in upper case */
function endsGroup(beginning: Buffer): boolean {
  const text = beginning.toString();
  const name = (text.split(" ", 1)[0] ?? "").trim().toUpperCase();
  if (name !== "AUTH") return LAST_OF_GROUP.has(name);
  const [, mechanism = "", response] = text.trim().split(/\s+/);
  return response === undefined || !ONE_STEP_MECHANISMS.has(mechanism.toUpperCase());
}

const NOTHING = Buffer.alloc(0);

/** @param bareNewlines "normalize": a line may end in an LF alone */
export function createLineGuard(bareNewlines: "normalize" | "reject"): LineGuard {
  /** Of the line that goes on in the next chunk. */
  let open: Buffer = NOTHING;
  let endedInCr = false;

  return {
    push(chunk, expectsContinuation) {
      const octets = bufferOf(chunk);
      let start = 0;
      for (let lf = octets.indexOf(LF); lf >= 0; lf = octets.indexOf(LF, start)) {
        const hasCr = lf > 0 ? octets[lf - 1] === CR : endedInCr;
        if (!hasCr && bareNewlines === "reject") return { fault: "bare-newline", before: start };
        if (lf + 1 < octets.length) {
          const waits = (start === 0 && expectsContinuation) || endsGroup(begun(octets.subarray(start, lf)));
          if (waits) return { fault: "unsynchronised", before: start };
        }
        open = NOTHING;
        start = lf + 1;
      }
      if (start < octets.length) open = begun(octets.subarray(start));
      if (octets.length > 0) endedInCr = octets.at(-1) === CR;
      return undefined;
    },
  };

  /** The beginning of the open line with what follows in it. */
  function begun(octets: Buffer): Buffer {
    const room = BEGINNING_OCTETS - open.length;
    return room > 0 ? Buffer.concat([open, octets.subarray(0, room)]) : open;
  }
}
