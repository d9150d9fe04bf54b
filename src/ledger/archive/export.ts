// Writes an archive: a stream of chunks that is as fast as who takes them, and never held as a whole.
import { crc32 } from "node:zlib";
import type { Archive } from "./archive.ts";
import { encodeEnd, encodeHeader, encodeRecord, type Totals } from "./format.ts";

/** Octets of one chunk: some 700 ids. */
const CHUNK_OCTETS = 64 * 1024;

/**
 * The whole archive, in chunks of whole lines.
 *
 * @param onProgress is called with what has been written so far, the last time with all of it
 */
export async function* exportArchive(
  archive: Archive,
  onProgress: (totals: Totals) => void,
): AsyncGenerator<Uint8Array> {
  let relayed = 0;
  let doubtful = 0;
  let checksum = 0;
  let text = encodeHeader(archive.kind, await archive.now(), await archive.name?.());

  function chunk(): Uint8Array {
    const octets = Buffer.from(text);
    checksum = crc32(octets, checksum);
    text = "";
    return octets;
  }

  for await (const record of archive.records()) {
    text += encodeRecord(record);
    if (record.doubt === undefined) relayed++;
    else doubtful++;
    if (text.length < CHUNK_OCTETS) continue;
    yield chunk();
    onProgress({ relayed, doubtful });
  }
  yield chunk();
  yield Buffer.from(encodeEnd({ relayed, doubtful, crc32: checksum }));
  onProgress({ relayed, doubtful });
}
