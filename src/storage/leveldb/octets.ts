// Numbers as LevelDB writes them: little-endian, or seven bits an octet with the lowest first (util/coding.h).

/** Reads numbers and strings from an array, one after the other. Each call throws a RangeError beyond the end. */
export interface Cursor {
  readonly isAtEnd: boolean;
  /** Octets that are left. */
  readonly left: number;
  /** Up to 2^53; what is longer is no number that a file can hold. */
  varint(): number;
  /** As many octets as the number before them says. A view. */
  string(): Uint8Array;
}

export function createCursor(octets: Uint8Array, from = 0, to = octets.length): Cursor {
  let at = from;

  function varint(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      const octet = at < to ? octets[at++] : undefined;
      if (octet === undefined) break;
      value += (octet & 127) * factor;
      if (octet < 128) return value;
    }
    throw new RangeError("a number is cut off or too long");
  }

  return {
    get isAtEnd() {
      return at >= to;
    },
    get left() {
      return to - at;
    },
    varint,
    string() {
      const length = varint();
      if (at + length > to) throw new RangeError("a string is cut off");
      at += length;
      return octets.subarray(at - length, at);
    },
  };
}

export function uint32At(octets: Uint8Array, at: number): number {
  return (
    ((octets[at] as number) |
      ((octets[at + 1] as number) << 8) |
      ((octets[at + 2] as number) << 16) |
      ((octets[at + 3] as number) << 24)) >>>
    0
  );
}
