// Ids for tests: as evenly spread as real ones, and the same on every run.
import { createHash } from "node:crypto";
import { ID_OCTETS, type Id } from "../../src/identity/message-id.ts";
import { encodeBase32 } from "../../src/runtime/base32.ts";

/** `count` keys of 20 octets, others for each label. */
export function* pseudoIds(label: string, count: number): Generator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    yield new Uint8Array(createHash("sha1").update(`${label} ${i}`).digest()).subarray(0, ID_OCTETS);
  }
}

export function idOf(label: string): Id {
  return encodeBase32(new Uint8Array(createHash("sha1").update(label).digest()));
}
