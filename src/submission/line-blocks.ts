// Cuts octets into blocks of whole lines. Where a block ends follows from the octets alone, not from the chunks that
// they came in.

export interface LineBlocks {
  /** The blocks that are known to be whole. None any more once a line was too long. */
  push(chunk: Uint8Array): Uint8Array[];
  tooLong(): boolean;
  /** What no block has had. To be called once, at the end. */
  rest(): Uint8Array;
}

const LF = 0x0a;

/** @param blockOctets of a block at most, and of a line with its end */
export function createLineBlocks(blockOctets: number): LineBlocks {
  let held: Uint8Array[] = [];
  let size = 0;
  let tooLong = false;

  return {
    push(chunk) {
      if (tooLong) return [];
      held.push(chunk);
      size += chunk.length;
      if (size < blockOctets) return [];
      const octets = Buffer.concat(held, size);
      const blocks: Uint8Array[] = [];
      let at = 0;
      while (octets.length - at >= blockOctets && !tooLong) {
        const end = octets.lastIndexOf(LF, at + blockOctets - 1) + 1;
        if (end <= at) tooLong = true;
        else blocks.push(octets.subarray(at, end));
        at = Math.max(at, end);
      }
      held = tooLong ? [] : [octets.subarray(at)];
      size = tooLong ? 0 : octets.length - at;
      return blocks;
    },
    tooLong: () => tooLong,
    rest: () => Buffer.concat(held, size),
  };
}
