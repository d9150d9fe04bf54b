// Damage to octets, from a seed.
import type { Chance } from "../crash/chance.ts";

/** Octets that parsers stumble over. */
const NASTY: readonly Buffer[] = [
  ...'\0|\r|\t| |  |\u{a0}|\u{85}|\u{17f}|\u{fb06}|\u{2028}|\u{feff}|\u{1f4a9}|<|>|<>|@|:|=|+|+0D+0A|+00|"|\\|,|;|..|%s|\x1b[2J|\x7f'
    .split("|")
    .map((text) => Buffer.from(text)),
  Buffer.from([0xff]),
  Buffer.from([0xc3]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0x80, 0x8d, 0x9b]),
];

/** From `low` to `high`, the short ones more often: e to the power of an even number. */
export const skewed = (chance: Chance, low: number, high: number): number =>
  Math.floor(low * (high / low) ** chance.fraction());

export const randomOctets = (chance: Chance, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => chance.below(256)));

const inserted = (octets: Buffer, at: number, more: Uint8Array): Buffer =>
  Buffer.concat([octets.subarray(0, at), more, octets.subarray(at)]);

type Mutation = (octets: Buffer, chance: Chance) => Buffer;

const flip: Mutation = (octets, chance) => {
  const flipped = Buffer.from(octets);
  const at = chance.below(octets.length || 1);
  if (at < flipped.length) flipped[at] = (flipped[at] as number) ^ (1 << chance.below(8));
  return flipped;
};
const insert: Mutation = (octets, chance) =>
  inserted(octets, chance.below(octets.length + 1), chance.pick(NASTY));
const insertRandom: Mutation = (octets, chance) =>
  inserted(octets, chance.below(octets.length + 1), randomOctets(chance, 1 + chance.below(8)));
const remove: Mutation = (octets, chance) => {
  const at = chance.below(octets.length + 1);
  return Buffer.concat([octets.subarray(0, at), octets.subarray(at + 1 + chance.below(8))]);
};
const repeat: Mutation = (octets, chance) => {
  const at = chance.below(octets.length + 1);
  return inserted(octets, at, octets.subarray(at, at + 1 + chance.below(60)));
};
const truncate: Mutation = (octets, chance) => octets.subarray(0, chance.below(octets.length + 1));
const swapCase: Mutation = (octets) =>
  Buffer.from(
    octets.map((octet) =>
      (octet >= 0x41 && octet <= 0x5a) || (octet >= 0x61 && octet <= 0x7a) ? octet ^ 0x20 : octet,
    ),
  );

const MUTATIONS: readonly Mutation[] = [
  flip,
  flip,
  insert,
  insert,
  insertRandom,
  remove,
  repeat,
  truncate,
  swapCase,
];

export function mutated(octets: Buffer, chance: Chance, times: number): Buffer {
  let result = octets;
  for (let time = 0; time < times; time++) result = chance.pick(MUTATIONS)(result, chance);
  return result;
}

/** Cut into pieces at random, each to be written alone. */
export function inPieces(octets: Buffer, chance: Chance): Buffer[] {
  if (octets.length === 0) return [];
  const longest = chance.pick([1, 3, 20, 1_000, 100_000]);
  // A write of one octet each for more than this only takes time.
  const least = Math.ceil(octets.length / 400);
  const pieces: Buffer[] = [];
  for (let at = 0; at < octets.length; at += pieces.at(-1)?.length ?? 0) {
    pieces.push(octets.subarray(at, at + Math.max(least, 1 + chance.below(longest))));
  }
  return pieces;
}
