// The content of a transmission, whole or not at all.
import type { Transmission } from "./upstream.ts";

/**
 * - untouched: not one octet was asked for, so none can have left.
 * - begun: some were; the end was not reached, so no server can take the message for whole.
 * - complete: all were read. Whether they arrived is unknown.
 */
export type Progress = "untouched" | "begun" | "complete";

/**
 * The content in chunks. It ends only after exactly `transmission.size` octets; otherwise it throws, so that
 * a content cut short on disk is never passed off as a whole message.
 */
export async function* wholeContent(transmission: Transmission): AsyncGenerator<Uint8Array> {
  let octets = 0;
  for await (const chunk of transmission.octets === undefined
    ? transmission.content()
    : [transmission.octets]) {
    octets += chunk.length;
    yield chunk;
  }
  if (octets !== transmission.size) {
    throw new Error(`the content has not the ${transmission.size} octets that it should have`);
  }
}

/** The content where it lies in memory and is whole; undefined when it has to be read. */
export function contentAtHand({ octets, size }: Transmission): Uint8Array | undefined {
  return octets?.length === size ? octets : undefined;
}

/** The content in one piece, which others may hold too. Rejects as `wholeContent` does. */
export async function contentInMemory(transmission: Transmission): Promise<Uint8Array> {
  return contentAtHand(transmission) ?? (await ownContent(transmission));
}

/**
 * As `contentInMemory`, in a buffer that nobody else has, so that it can be handed to a thread without another copy.
 */
export async function ownContent(transmission: Transmission): Promise<Uint8Array> {
  const content = new Uint8Array(transmission.size);
  let at = 0;
  for await (const chunk of wholeContent(transmission)) {
    content.set(chunk, at);
    at += chunk.length;
  }
  return content;
}
