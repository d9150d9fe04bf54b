// LevelDB's log format, which its write-ahead logs and its manifests have (doc/log_format.md): blocks of 32
// KiB, in them records of a masked CRC-32C, a length, a type and the octets. When LevelDB reads a write-ahead
// log it silently drops records that don't fit, so this reads it first.
import { maskedCrc32c } from "./crc32c.ts";
import { uint32At } from "./octets.ts";

const BLOCK_OCTETS = 32 * 1024;
const HEADER_OCTETS = 7;

const FULL = 1;
const FIRST = 2;
const LAST = 4;

export interface Walk {
  /** The end of the last whole record: everything before it is as it was written. */
  readonly wholeUntil: number;
  /** The fault behind that; undefined when that is the end. */
  readonly fault: string | undefined;
}

/**
 * Walks from record to record up to the end of the array.
 *
 * @param found is given the octets of each whole record
 */
export function walkLog(octets: Uint8Array, found: (record: Uint8Array) => void = () => {}): Walk {
  let at = 0;
  let wholeUntil = 0;
  let pieces: Uint8Array[] = [];
  const faulty = (fault: string): Walk => ({ wholeUntil, fault: `octet ${at}: ${fault}` });

  while (at < octets.length) {
    const blockEnd = Math.min(at - (at % BLOCK_OCTETS) + BLOCK_OCTETS, octets.length);
    const isBlockFull = blockEnd % BLOCK_OCTETS === 0;
    if (isBlockFull && blockEnd - at < HEADER_OCTETS) {
      // Too short for a header: filled with zeros.
      for (; at < blockEnd; at++) if (octets[at] !== 0) return faulty("not the zeros at the end of a block");
      if (pieces.length === 0) wholeUntil = at;
      continue;
    }
    if (blockEnd - at < HEADER_OCTETS) return faulty("the record is cut off");
    const end = at + HEADER_OCTETS + (octets[at + 4] as number) + (octets[at + 5] as number) * 256;
    if (end > blockEnd) return faulty("the record is cut off, or its length is wrong");
    const type = octets[at + 6] as number;
    if (type < FULL || type > LAST) return faulty("the record has no type");
    if (uint32At(octets, at) !== maskedCrc32c(octets, at + 6, end)) return faulty("the checksum is wrong");
    const isBegin = type === FULL || type === FIRST;
    if (isBegin !== (pieces.length === 0)) return faulty("the pieces of a record are out of order");
    pieces.push(octets.subarray(at + HEADER_OCTETS, end));
    at = end;
    if (type === FULL || type === LAST) {
      found(pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces));
      pieces = [];
      wholeUntil = at;
    }
  }
  return { wholeUntil, fault: pieces.length === 0 ? undefined : `octet ${at}: the record is cut off` };
}

/**
 * The number of the last change in a record of a write-ahead log: its first number in eight octets, and how many
 * changes there are in four, both little-endian.
 */
export function lastSequenceOf(record: Uint8Array): number {
  const first = uint32At(record, 0) + uint32At(record, 4) * 2 ** 32;
  return first + uint32At(record, 8) - 1;
}
