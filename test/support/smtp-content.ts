// The receiving side of DATA: finds the final dot wherever the chunks break, and un-stuffs the dots.

const END = "\r\n.\r\n";

export interface ContentReceiver {
  /** The content and what follows it, once its end has arrived. */
  push(chunk: Buffer): { content: Buffer; rest: Buffer } | undefined;
}

export function createContentReceiver(): ContentReceiver {
  // The line end of the DATA command itself may be the first half of the end (an empty content).
  const chunks: Buffer[] = [Buffer.from("\r\n")];
  let length = 2;
  return {
    push(chunk) {
      const tail = chunks.at(-1)?.length ?? 0;
      const overlap =
        tail >= END.length ? (chunks.at(-1) as Buffer).subarray(-(END.length - 1)) : Buffer.concat(chunks);
      const at = Buffer.concat([overlap, chunk]).indexOf(END);
      chunks.push(chunk);
      length += chunk.length;
      if (at < 0) {
        // Small chunks are joined so that the overlap is always found in the last one.
        if (chunk.length < END.length) chunks.splice(0, chunks.length, Buffer.concat(chunks));
        return undefined;
      }
      const whole = Buffer.concat(chunks, length);
      const end = length - chunk.length - overlap.length + at;
      return { content: unstuff(whole.subarray(0, end + 2)), rest: whole.subarray(end + END.length) };
    },
  };
}

/** @param stuffed the content with a line end in front, which is taken off */
function unstuff(stuffed: Buffer): Buffer {
  if (stuffed.indexOf("\r\n.") < 0) return stuffed.subarray(2);
  return Buffer.from(stuffed.toString("latin1").replaceAll("\r\n.", "\r\n").slice(2), "latin1");
}
