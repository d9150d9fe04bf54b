// Reads the lines of an archive from octets, and refuses one that is not whole, with the number of the line.
import { crc32 } from "node:zlib";
import type { ArchiveRecord } from "./archive.ts";
import {
  decodeHeader,
  decodeLine,
  type End,
  type Header,
  isEnd,
  LINE_OCTETS_MAX,
  LineError,
} from "./format.ts";

/** The archive is cut off, damaged, or none. `message` says where, for people. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
}

const NEWLINE = 0x0a;

/**
 * Rejects with an ArchiveError: at a bad line, or at the end when that is not the end of an archive.
 *
 * @param onHeader is called with the first line, and waited for
 */
export async function* readArchive(
  source: AsyncIterable<Uint8Array>,
  onHeader: (header: Header) => Promise<void> = async () => {},
): AsyncGenerator<ArchiveRecord> {
  let number = 0;
  let checksum = 0;
  let relayed = 0;
  let doubtful = 0;
  let header: Header | undefined;
  let end: End | undefined;

  for await (const line of linesOf(source)) {
    number++;
    const decoded = at(number, () => {
      if (end !== undefined) throw new LineError("the archive has ended in the line before");
      if (line.length > LINE_OCTETS_MAX) throw new LineError("too long");
      if (line.at(-1) !== NEWLINE) throw new LineError("the archive is cut off within it");
      const text = line.toString("utf8", 0, line.length - 1);
      if (number > 1) return decodeLine(text);
      header = decodeHeader(text);
      return undefined;
    });
    if (header !== undefined && number === 1) await onHeader(header);
    if (decoded !== undefined && isEnd(decoded)) end = decoded;
    else checksum = crc32(line, checksum);
    if (decoded === undefined || isEnd(decoded)) continue;
    if (decoded.doubt === undefined) relayed++;
    else doubtful++;
    yield decoded;
  }
  if (end === undefined) throw new ArchiveError(`the archive is cut off after line ${number}`);
  if (end.relayed !== relayed || end.doubtful !== doubtful) {
    const said = `${end.relayed} relayed and ${end.doubtful} doubtful ids`;
    throw new ArchiveError(`the archive holds ${relayed} and ${doubtful}, its last line says ${said}`);
  }
  if (end.crc32 !== checksum) throw new ArchiveError("the archive is damaged: its checksum is another one");
}

function at<T>(number: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof LineError) throw new ArchiveError(`line ${number}: ${error.message}`);
    throw error;
  }
}

/** Each with its newline, but perhaps the last. A line that is too long comes in part. */
async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    const octets = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let to = octets.indexOf(NEWLINE); to !== -1; to = octets.indexOf(NEWLINE, from)) {
      yield octets.subarray(from, to + 1);
      from = to + 1;
    }
    rest = octets.subarray(from);
    if (rest.length > LINE_OCTETS_MAX) break;
  }
  if (rest.length > 0) yield rest;
}
