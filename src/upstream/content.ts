// The content of a transmission on its way out, with a watch on how far it was read: that alone tells
// a message that was certainly not sent from one that may have been.
import { Readable } from "node:stream";
import type { Transmission } from "./upstream.ts";

/**
 * - untouched: not one octet was asked for, so none can have left.
 * - begun: some were; the end was not reached, so nobody was told that the message is whole.
 * - complete: all were read. Whether they arrived is unknown.
 */
export type Progress = "untouched" | "begun" | "complete";

export interface WatchedContent {
  readonly stream: Readable;
  progress(): Progress;
}

export interface ContentHooks {
  /** Called before the first octet is read; what it throws keeps the content untouched. */
  readonly begin?: () => void;
  /** Called with each chunk and, with 0, at the end: whoever reads has made progress. */
  readonly advance?: (octets: number) => void;
}

/**
 * The content as a stream that reads nothing until it is read itself. It ends only after exactly
 * `transmission.size` octets; otherwise it fails, so that a content cut short on disk is never passed
 * off as a whole message. An error of the stream that nobody handles is no unhandled one.
 */
export function watchContent(transmission: Transmission, hooks: ContentHooks = {}): WatchedContent {
  let progress: Progress = "untouched";
  async function* watched(): AsyncGenerator<Uint8Array> {
    hooks.begin?.();
    progress = "begun";
    for await (const chunk of wholeContent(transmission)) {
      hooks.advance?.(chunk.length);
      yield chunk;
    }
    progress = "complete";
    hooks.advance?.(0);
  }
  const stream = Readable.from(watched(), { objectMode: false });
  stream.on("error", () => {});
  return { stream, progress: () => progress };
}

/** The content as one piece. Rejects when it can't be read or has another size than it should. */
export async function readContent(transmission: Transmission): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of wholeContent(transmission)) chunks.push(chunk);
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

async function* wholeContent(transmission: Transmission): AsyncGenerator<Uint8Array> {
  let octets = 0;
  for await (const chunk of transmission.content()) {
    octets += chunk.length;
    yield chunk;
  }
  if (octets !== transmission.size) {
    throw new Error(`the content has not the ${transmission.size} octets that it should have`);
  }
}
