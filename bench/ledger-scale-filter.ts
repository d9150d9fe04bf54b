// How a filter is best laid out: the one of src/ledger/filter.ts, whose probes go all over its memory,
// beside one that keeps all probes of an id within a block of the size of a cache line. A block that got
// more ids than others answers "maybe" more often, so blocks need more memory for the same rate; whether
// a memory access saved is worth it is what is measured here.
import { ID_OCTETS } from "../src/identity/message-id.ts";
import { createFilter, FALSE_POSITIVE_RATE, filterOctets } from "../src/ledger/filter.ts";
import { keysFrom } from "./ledger-scale-ids.ts";

export interface LayoutResult {
  readonly layout: string;
  readonly capacity: number;
  readonly bitsPerId: number;
  /** Of a hundred absent ids, those answered "maybe", with the filter full. */
  readonly falsePositivePercent: number;
  /** Nanoseconds each. */
  readonly add: number;
  readonly hasPresent: number;
  readonly hasAbsent: number;
}

interface Layout {
  add(key: Uint8Array): void;
  has(key: Uint8Array): boolean;
}

const BLOCK_WORDS = 16;
const PROBES = 10;
/** Keys made at a time. */
const CHUNK = 2 ** 18;
const ASKED = 4_000_000;

/** Blocks of 512 bits: nine bits of the id for each probe. */
function createBlocks(octets: number): Layout {
  const blocks = Math.ceil(octets / (BLOCK_WORDS * 4));
  const words = new Uint32Array(blocks * BLOCK_WORDS);
  const places = new Uint32Array(PROBES);

  /** Where the block begins; puts the places of the bits in it into `places`. */
  function locate(key: Uint8Array): number {
    const at = (i: number) => key[i] as number;
    let fraction = 0;
    for (let i = 0; i < 6; i++) fraction = fraction * 256 + at(i);
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = 48 + probe * 9;
      const pair = (at(bit >> 3) << 8) | at((bit >> 3) + 1);
      places[probe] = (pair >> (16 - 9 - (bit & 7))) & 511;
    }
    return Math.floor(fraction * 2 ** -48 * blocks) * BLOCK_WORDS;
  }

  return {
    add(key) {
      const block = locate(key);
      for (const place of places) {
        const at = block + (place >> 5);
        words[at] = (words[at] as number) | (1 << (place & 31));
      }
    },
    has(key) {
      const block = locate(key);
      for (const place of places) {
        if (((words[block + (place >> 5)] as number) & (1 << (place & 31))) === 0) return false;
      }
      return true;
    },
  };
}

function measure(layout: string, filter: Layout, capacity: number, octets: number): LayoutResult {
  const each = (stream: string, count: number, work: (key: Uint8Array) => void): number => {
    let ms = 0;
    for (let first = 0; first < count; first += CHUNK) {
      const keys = keysFrom(stream, first, Math.min(CHUNK, count - first));
      const began = performance.now();
      for (let at = 0; at < keys.length; at += ID_OCTETS) work(keys.subarray(at, at + ID_OCTETS));
      ms += performance.now() - began;
    }
    return (ms * 1e6) / count;
  };
  const add = each("present", capacity, filter.add);
  let maybe = 0;
  const hasAbsent = each("absent", ASKED, (key) => {
    if (filter.has(key)) maybe++;
  });
  let denied = 0;
  const hasPresent = each("present", Math.min(ASKED, capacity), (key) => {
    if (!filter.has(key)) denied++;
  });
  if (denied > 0) throw new Error(`${layout} denies ${denied} ids that it holds`);
  const bitsPerId = (octets * 8) / capacity;
  return {
    layout,
    capacity,
    bitsPerId,
    falsePositivePercent: (maybe / ASKED) * 100,
    add,
    hasPresent,
    hasAbsent,
  };
}

/** Today's layout, blocks of the same memory, and blocks of as much as they need for the same rate. */
export function measureLayouts(capacity: number): LayoutResult[] {
  const octets = filterOctets(capacity);
  const results = [measure("all over", createFilter(capacity), capacity, octets)];
  for (const factor of [1, 1.08, 1.16, 1.24, 1.32]) {
    const size = Math.ceil(octets * factor);
    const result = measure("blocks of 512 bits", createBlocks(size), capacity, size);
    results.push(result);
    if (result.falsePositivePercent <= FALSE_POSITIVE_RATE * 100) break;
  }
  return results;
}
