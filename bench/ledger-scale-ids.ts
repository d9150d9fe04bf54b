// The ids of the ledger's benchmarks: a stream that looks like chance, of which any part can be had again
// and which costs almost nothing, so that what is measured is the ledger.
import { createCipheriv } from "node:crypto";
import { ID_OCTETS } from "../src/identity/message-id.ts";

/** Octets of an AES block, of which the counter mode numbers one after the other. */
const BLOCK_OCTETS = 16;

/** A multiple of this many ids ends where a block ends. */
const ALIGNMENT = 4;

const secret = (name: string): Buffer => Buffer.alloc(BLOCK_OCTETS, name);

/**
 * The keys (20 octets each, one after the other) with the numbers from `first` on.
 *
 * @param stream ids of streams of other names are other ids
 * @param first a multiple of four
 */
export function keysFrom(stream: string, first: number, count: number): Uint8Array {
  if (first % ALIGNMENT !== 0) throw new RangeError(`${first} is not a multiple of ${ALIGNMENT}`);
  const counter = Buffer.alloc(BLOCK_OCTETS);
  counter.writeBigUInt64BE(BigInt((first * ID_OCTETS) / BLOCK_OCTETS), 8);
  return createCipheriv("aes-128-ctr", secret(stream), counter).update(Buffer.alloc(count * ID_OCTETS));
}

/** A function that gives the keys from `first` on, one a call. */
export function keyStream(stream: string, first: number): () => Uint8Array {
  const atOnce = 2 ** 14;
  let keys: Uint8Array = new Uint8Array();
  let next = first;
  let at = 0;
  return () => {
    if (at === keys.length) {
      keys = keysFrom(stream, next, atOnce);
      next += atOnce;
      at = 0;
    }
    at += ID_OCTETS;
    return keys.subarray(at - ID_OCTETS, at);
  };
}
