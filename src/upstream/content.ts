// The content of a transmission, whole or not at all.
import type { Transmission } from "./upstream.ts";

/**
 * - untouched: not one octet was asked for, so none can have left.
 * - begun: some were; the end was not reached, so nobody was told that the message is whole.
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
