// RFC 4648 §6 base32, lower case and without padding: the only octets-to-text form whose result is a
// dot-atom of one case, so that a server that folds case can't merge two ids. Only whole groups of five
// octets occur here (an id has 20), so padding never arises.

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

const CODES = Buffer.from(ALPHABET, "latin1");

const VALUES = new Uint8Array(128).fill(255);
for (let value = 0; value < 32; value++) VALUES[ALPHABET.charCodeAt(value)] = value;

/** @param octets a multiple of five octets */
export function encodeBase32(octets: Uint8Array): string {
  // A text put together piece by piece is a tree of its pieces until somebody has to look at it.
  const text = Buffer.allocUnsafe((octets.length * 8) / 5);
  let at = 0;
  let bits = 0;
  let held = 0;
  for (const octet of octets) {
    held = ((held & 0x1f) << 8) | octet;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text[at++] = CODES[(held >> bits) & 0x1f] as number;
    }
  }
  return text.toString("latin1");
}

/**
 * @param text a multiple of eight characters
 * @throws RangeError for a character outside the lower-case alphabet
 */
export function decodeBase32(text: string): Uint8Array {
  const octets = new Uint8Array((text.length * 5) >> 3);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const value = VALUES[text.charCodeAt(i)] ?? 255;
    if (value > 31) throw new RangeError(`not base32: ${JSON.stringify(text)}`);
    held = ((held & 0x7f) << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      octets[at++] = (held >> bits) & 0xff;
    }
  }
  return octets;
}
