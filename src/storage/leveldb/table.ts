// LevelDB's table format (doc/table_format.md): blocks with a checksum each, an index of them, and a footer. LevelDB
// does not look at the checksums when it reads for us, so this does.
import { type FileHandle, open } from "node:fs/promises";
import { maskedCrc32c } from "./crc32c.ts";
import { createCursor, uint32At } from "./octets.ts";

/** Two handles of at most 20 octets, filled with zeros, and the magic number. */
const FOOTER_OCTETS = 48;
const MAGIC = Uint8Array.of(0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb);

/** Behind each block: its compression, and a checksum over both. */
const TRAILER_OCTETS = 5;
const UNCOMPRESSED = 0;

/** Octets read and checked in one go: a third of a millisecond. */
const SPAN_OCTETS = 256 * 1024;

interface Block {
  readonly at: number;
  readonly size: number;
}

class Fault extends Error {}

/**
 * Checks every octet of a table: each lies in a block whose checksum is right, or in the footer.
 *
 * @param octets how long the manifest says that it is
 * @param paced awaited after each so many octets, so that the caller sets the pace
 * @returns what is wrong; undefined when nothing is. Rejects when the file can't be read
 */
export async function checkTable(
  path: string,
  octets: number,
  paced: (octets: number) => Promise<void> = async () => {},
): Promise<string | undefined> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    if (size !== octets) return `it is ${size} octets long, and was ${octets}`;
    await checkBlocks(file, size, paced);
    return undefined;
  } catch (error) {
    // What is no number in a block whose checksum is right was written so.
    if (error instanceof Fault || error instanceof RangeError) return error.message;
    throw error;
  } finally {
    await file.close();
  }
}

async function checkBlocks(file: FileHandle, size: number, paced: (octets: number) => Promise<void>) {
  if (size < FOOTER_OCTETS) throw new Fault("it is too short for a table");
  const footerAt = size - FOOTER_OCTETS;
  const footer = await readAt(file, footerAt, FOOTER_OCTETS);
  const { metaindex, index } = footerOf(footer);
  const parts = [...handlesIn(await readBlock(file, metaindex, footerAt)), metaindex, index];
  const blocks = [...handlesIn(await readBlock(file, index, footerAt)), ...parts];
  blocks.sort((one, other) => one.at - other.at);
  let next = 0;
  let span: Block[] = [];
  for (const block of blocks) {
    if (block.at !== next) throw new Fault(`octet ${next}: no block begins there`);
    next += block.size + TRAILER_OCTETS;
    span.push(block);
    if (next - (span[0] as Block).at < SPAN_OCTETS) continue;
    await checkSpan(file, span, next);
    await paced(next - (span[0] as Block).at);
    span = [];
  }
  if (next !== footerAt) throw new Fault(`octet ${next}: no block begins there`);
  if (span.length > 0) await checkSpan(file, span, next);
  await paced(next - (span[0]?.at ?? next));
}

async function checkSpan(file: FileHandle, blocks: readonly Block[], end: number): Promise<void> {
  const from = (blocks[0] as Block).at;
  const octets = await readAt(file, from, end - from);
  for (const { at, size } of blocks) checkBlock(octets, at - from, size, at);
}

function checkBlock(octets: Uint8Array, at: number, size: number, named: number): void {
  const end = at + size + 1;
  if (uint32At(octets, end) !== maskedCrc32c(octets, at, end)) {
    throw new Fault(`octet ${named}: the checksum of the block is wrong`);
  }
}

function footerOf(footer: Uint8Array): { metaindex: Block; index: Block } {
  const magicAt = FOOTER_OCTETS - MAGIC.length;
  if (Buffer.compare(footer.subarray(magicAt), MAGIC) !== 0)
    throw new Fault("its end is not that of a table");
  const cursor = createCursor(footer, 0, magicAt);
  const metaindex = { at: cursor.varint(), size: cursor.varint() };
  const index = { at: cursor.varint(), size: cursor.varint() };
  while (!cursor.isAtEnd) if (cursor.varint() !== 0) throw new Fault("its end is not that of a table");
  return { metaindex, index };
}

async function readBlock(file: FileHandle, { at, size }: Block, footerAt: number): Promise<Uint8Array> {
  if (at + size + TRAILER_OCTETS > footerAt) throw new Fault("its end names a block beyond it");
  const octets = await readAt(file, at, size + TRAILER_OCTETS);
  checkBlock(octets, 0, size, at);
  if (octets[size] !== UNCOMPRESSED)
    throw new Fault(`octet ${at}: the index is compressed, which ours never is`);
  return octets.subarray(0, size);
}

/** Each entry: octets shared with the key before, octets of its own, octets of the value, own key, value (a handle). */
function handlesIn(block: Uint8Array): Block[] {
  if (block.length < 4) throw new Fault("the index is too short");
  const restarts = uint32At(block, block.length - 4);
  const end = block.length - 4 - restarts * 4;
  if (end < 0) throw new Fault("the index is too short");
  const handles: Block[] = [];
  for (let at = 0; at < end; ) {
    const entry = createCursor(block, at, end);
    entry.varint();
    const ownOctets = entry.varint();
    const valueOctets = entry.varint();
    at = end - entry.left + ownOctets + valueOctets;
    const value = createCursor(block, at - valueOctets, Math.min(at, end));
    handles.push({ at: value.varint(), size: value.varint() });
  }
  return handles;
}

async function readAt(file: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const octets = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(octets, filled, length - filled, at + filled);
    if (bytesRead === 0) throw new Fault("it is cut off");
    filled += bytesRead;
  }
  return octets;
}
