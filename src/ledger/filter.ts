// A Bloom filter over ids: "absent" for certain, or "maybe". It decides nothing (P7); it saves the
// ledger from asking its store about an id that was never seen. filter-file.ts keeps it on disk.
//
// An id is 20 octets of an HMAC, so it is a hash already, and the filter only takes it apart:
//
//     octets 0-5    the octet where probing begins
//     octets 6-11   the step from one probe to the next (double hashing: Kirsch and Mitzenmacher, 2006)
//     octets 12-15  for each probe, three bits that say which bit of its octet

/** Of the ids that are absent, the share for which a filter filled to its capacity answers "maybe". */
export const FALSE_POSITIVE_RATE = 0.001;

/** Bits for one id at that rate: -ln(rate) / ln(2)^2, that is 1.8 octets. */
const BITS_PER_ID = -Math.log(FALSE_POSITIVE_RATE) / Math.LN2 ** 2;

/** Probes at that rate: -log2(rate) rounded. Three bits for each must fit into 32. */
const PROBES = 10;

/** Each denies half of the absent ids. Three are no faster, and one takes three times as long. */
const PROBES_AT_ONCE = 2;

/** Below this the rounding of the sizes shows, and it costs nothing. */
const OCTETS_MIN = 64;

/** The size of the largest array of octets on every supported Node is 2^32 - 1; half of it is plenty. */
const OCTETS_MAX = 2 ** 31;

/** An id taken apart, once for all filters that are asked for it. */
export interface Probes {
  /** Where probing begins, and the step, each as a share of the filter's size. */
  readonly start: number;
  readonly step: number;
  readonly places: number;
}

/** @param key the 20 octets of an id */
export function probesOf(key: Uint8Array): Probes {
  return { start: fraction(key, 0), step: fraction(key, 6), places: word(key, 12) };
}

export interface Filter {
  /** Ids that it was made for. With more than that the rate rises; nothing else goes wrong. */
  readonly capacity: number;
  /** Ids added; an id that was there, or seemed to be, is not counted again. */
  readonly count: number;
  /** The bits themselves, for saving and merging. */
  readonly bits: Uint8Array;
  /** @param key the 20 octets of an id */
  add(key: Uint8Array): void;
  /** False: certainly never added. True: maybe. */
  has(key: Uint8Array): boolean;
  /** As `has`, for one of many filters that are asked for the same id. */
  mayHold(probes: Probes): boolean;
  /** Adds all that the other filter holds. Both were made for the same capacity. */
  merge(other: Filter): void;
}

/** Octets of the bits of a filter for so many ids. */
export function filterOctets(capacity: number): number {
  return Math.max(OCTETS_MIN, Math.ceil((capacity * BITS_PER_ID) / 8));
}

/**
 * @param saved bits and count of a filter of the same capacity; the array is used, not copied
 * @throws RangeError when the capacity is no positive integer, or above a thousand million
 */
export function createFilter(capacity: number, saved?: { bits: Uint8Array; count: number }): Filter {
  const size = filterOctets(capacity);
  if (!Number.isSafeInteger(capacity) || capacity < 1 || size > OCTETS_MAX) {
    throw new RangeError(`no filter can be made for ${capacity} ids`);
  }
  const bits = saved?.bits ?? new Uint8Array(size);
  if (bits.length !== size) throw new RangeError(`${bits.length} octets are no filter for ${capacity} ids`);
  let count = saved?.count ?? 0;

  function mayHold(probes: Probes): boolean {
    let at = Math.floor(probes.start * size);
    const step = 1 + Math.floor(probes.step * (size - 1));
    let { places } = probes;
    // The first ones together: where memory is slow, one is fetched while another is on its way, and so are
    // those of the next filter.
    let found = 1;
    for (let probe = 0; probe < PROBES_AT_ONCE; probe++) {
      found &= (bits[at] as number) >> (places & 7);
      places >>>= 3;
      at += step;
      if (at >= size) at -= size;
    }
    if (found === 0) return false;
    for (let probe = PROBES_AT_ONCE; probe < PROBES; probe++) {
      if (((bits[at] as number) & (1 << (places & 7))) === 0) return false;
      places >>>= 3;
      at += step;
      if (at >= size) at -= size;
    }
    return true;
  }

  return {
    capacity,
    bits,
    get count() {
      return count;
    },
    add(key) {
      const probes = probesOf(key);
      let at = Math.floor(probes.start * size);
      const step = 1 + Math.floor(probes.step * (size - 1));
      let { places } = probes;
      let isNew = false;
      for (let probe = 0; probe < PROBES; probe++) {
        const before = bits[at] as number;
        const after = before | (1 << (places & 7));
        if (after !== before) {
          bits[at] = after;
          isNew = true;
        }
        places >>>= 3;
        at += step;
        if (at >= size) at -= size;
      }
      if (isNew) count++;
    },
    has: (key) => mayHold(probesOf(key)),
    mayHold,
    merge(other) {
      if (other.bits.length !== size) throw new RangeError("filters of different capacities can't be merged");
      for (let i = 0; i < size; i++) bits[i] = (bits[i] as number) | (other.bits[i] as number);
      count += other.count;
    },
  };
}

/**
 * The six octets from `at` as a fraction of 2^48. Scaled to a size it stays below 2^53, where a number is
 * exact; the bit operators would cut it to 32 bits.
 */
function fraction(key: Uint8Array, at: number): number {
  const high = word(key, at);
  const low = ((key[at + 4] as number) << 8) | (key[at + 5] as number);
  return (high * 2 ** 16 + low) * 2 ** -48;
}

function word(key: Uint8Array, at: number): number {
  const octets =
    ((key[at] as number) << 24) |
    ((key[at + 1] as number) << 16) |
    ((key[at + 2] as number) << 8) |
    (key[at + 3] as number);
  return octets >>> 0;
}
