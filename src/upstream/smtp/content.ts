// The content of a transmission on its way into a connection, dots stuffed and with the final dot
// (RFC 5321 §4.5.2), and how far it got: that alone tells a message that was certainly not sent from one that
// may have been.
import type { Socket } from "node:net";
import { bufferOf } from "../../runtime/buffer-view.ts";
import { contentAtHand, type Progress, wholeContent } from "../content.ts";
import type { Transmission } from "../upstream.ts";

export interface OutgoingContent {
  /**
   * Writes all of it, no faster than the socket takes it; what the socket does not take since it was closed
   * is no error. Rejects when the content can't be read whole, and the final dot is not written then.
   */
  writeTo(socket: Socket): Promise<void>;
  progress(): Progress;
}

/** Content of up to so many octets leaves in one write with its final dot: one segment on loopback. */
const ONE_WRITE_OCTETS = 32 * 1024;

const DOT = Buffer.from(".");
const FINAL_DOT = Buffer.from(".\r\n");
const LINE_END = Buffer.from("\r\n");
const LF = 0x0a;

/** @param advanced called with the octets of each piece as it is written and, with 0, at the end */
export function outgoingContent(
  transmission: Transmission,
  advanced: (octets: number) => void,
): OutgoingContent {
  let progress: Progress = "untouched";

  /** The last octet written: a line begins after LF, and at the beginning. */
  let last = LF;
  const stuffed = (chunk: Uint8Array): Uint8Array[] => {
    const pieces = stuffDots(chunk, last);
    last = chunk.at(-1) ?? last;
    return pieces;
  };
  const ending = (): Uint8Array[] => (last === LF ? [FINAL_DOT] : [LINE_END, FINAL_DOT]);

  async function writeTo(socket: Socket): Promise<void> {
    progress = "begun";
    const octets = contentAtHand(transmission);
    if (octets !== undefined && octets.length <= ONE_WRITE_OCTETS) {
      advanced(octets.length);
      progress = "complete";
      socket.write(joined([...stuffed(octets), ...ending()]));
    } else {
      for await (const chunk of wholeContent(transmission)) {
        advanced(chunk.length);
        if (!socket.write(joined(stuffed(chunk)))) await writable(socket);
        if (socket.destroyed) return;
      }
      progress = "complete";
      socket.write(joined(ending()));
    }
    advanced(0);
  }

  return { writeTo, progress: () => progress };
}

/** The chunk in pieces, with a dot before every dot that begins a line. */
function stuffDots(chunk: Uint8Array, before: number): Uint8Array[] {
  const octets = bufferOf(chunk);
  const pieces: Uint8Array[] = [];
  let from = 0;
  if (before === LF && octets[0] === DOT[0]) pieces.push(DOT);
  for (let at = octets.indexOf("\n."); at >= 0; at = octets.indexOf("\n.", at + 1)) {
    pieces.push(octets.subarray(from, at + 1), DOT);
    from = at + 1;
  }
  pieces.push(octets.subarray(from));
  return pieces;
}

const joined = (pieces: Uint8Array[]): Uint8Array =>
  pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);

/** Resolves when the socket takes more, or has been closed. */
const writable = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done);
    socket.on("close", done);
    if (socket.destroyed) done();
  });
