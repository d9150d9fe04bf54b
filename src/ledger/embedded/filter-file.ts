// A filter as a file. What can't be shown to be whole and ours is not taken for a filter: a lost bit
// would be an id that the ledger denies. The digest of the file is kept in the generation's own store, which
// shows that it is of this state of the generation and of no other.
//
//     octets  0-7   "MOFILTER"
//             8-11  format, 1
//            12-19  capacity
//            20-27  count
//            28-    the bits
//     last 4        CRC-32 of all before it                    (all numbers big-endian)
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { createFilter, type Filter, filterOctets } from "../filter.ts";

const MAGIC = "MOFILTER";
const FORMAT = 1;
const HEADER_OCTETS = 28;
const CHECKSUM_OCTETS = 4;

/** Small enough that its checksum, a millisecond, does not hold up the event loop. */
const CHUNK_OCTETS = 2 ** 20;

export interface FilterFile {
  readonly filter: Filter;
  /** SHA-256 of the file. */
  readonly digest: Uint8Array;
}

/** The content of the file in order. Nothing may be added to the filter meanwhile. */
export function* serialiseFilter(filter: Filter): Generator<Uint8Array> {
  const header = Buffer.alloc(HEADER_OCTETS);
  header.write(MAGIC, "latin1");
  header.writeUInt32BE(FORMAT, 8);
  header.writeBigUInt64BE(BigInt(filter.capacity), 12);
  header.writeBigUInt64BE(BigInt(filter.count), 20);
  let checksum = crc32(header);
  yield header;
  for (let at = 0; at < filter.bits.length; at += CHUNK_OCTETS) {
    const chunk = filter.bits.subarray(at, at + CHUNK_OCTETS);
    checksum = crc32(chunk, checksum);
    yield chunk;
  }
  const trailer = Buffer.alloc(CHECKSUM_OCTETS);
  trailer.writeUInt32BE(checksum);
  yield trailer;
}

/**
 * @param capacity what the filter must have been made for
 * @returns undefined when the content is not a whole filter of that capacity
 */
export async function deserialiseFilter(
  content: AsyncIterable<Uint8Array>,
  capacity: number,
): Promise<FilterFile | undefined> {
  const header = Buffer.alloc(HEADER_OCTETS);
  const bits = new Uint8Array(filterOctets(capacity));
  const trailer = Buffer.alloc(CHECKSUM_OCTETS);
  const parts = [header, bits, trailer];
  const hash = createHash("sha256");
  let checksum = 0;
  let filled = 0;
  for await (const chunk of content) {
    hash.update(chunk);
    let rest = chunk;
    while (rest.length > 0) {
      const [part] = parts;
      if (part === undefined) return undefined;
      const taken = rest.subarray(0, part.length - filled);
      part.set(taken, filled);
      if (part !== trailer) checksum = crc32(taken, checksum);
      filled += taken.length;
      rest = rest.subarray(taken.length);
      if (filled < part.length) continue;
      if (part === header && !isHeader(header, capacity)) return undefined;
      parts.shift();
      filled = 0;
    }
  }
  if (parts.length > 0 || trailer.readUInt32BE() !== checksum) return undefined;
  const filter = createFilter(capacity, { bits, count: Number(header.readBigUInt64BE(20)) });
  return { filter, digest: hash.digest() };
}

function isHeader(header: Buffer, capacity: number): boolean {
  return (
    header.toString("latin1", 0, MAGIC.length) === MAGIC &&
    header.readUInt32BE(8) === FORMAT &&
    header.readBigUInt64BE(12) === BigInt(capacity)
  );
}
