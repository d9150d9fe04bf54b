import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deserialiseFilter, serialiseFilter } from "../../src/ledger/embedded/filter-file.ts";
import { createFilter, FALSE_POSITIVE_RATE, type Filter, filterOctets } from "../../src/ledger/filter.ts";
import { pseudoIds } from "../support/ids.ts";

const aKey = fc.uint8Array({ minLength: 20, maxLength: 20 });

async function* pieces(octets: Uint8Array, size: number) {
  for (let at = 0; at < octets.length; at += size) yield octets.subarray(at, at + size);
}

const saved = (filter: Filter) => new Uint8Array(Buffer.concat([...serialiseFilter(filter)]));

describe("a filter", () => {
  test("never denies an id that was added, whatever its capacity", () => {
    fc.assert(
      fc.property(fc.array(aKey, { maxLength: 60 }), fc.integer({ min: 1, max: 100 }), (keys, capacity) => {
        const filter = createFilter(capacity);
        for (const key of keys) filter.add(key);
        expect(keys.every((key) => filter.has(key))).toBe(true);
      }),
    );
  });

  test("merged from two denies nothing that either holds", () => {
    fc.assert(
      fc.property(fc.array(aKey, { maxLength: 20 }), fc.array(aKey, { maxLength: 20 }), (ours, theirs) => {
        const [filter, other] = [createFilter(50), createFilter(50)];
        for (const key of ours) filter.add(key);
        for (const key of theirs) other.add(key);
        filter.merge(other);
        expect([...ours, ...theirs].every((key) => filter.has(key))).toBe(true);
      }),
    );
  });

  test.each([1_000, 100_000])("for %i ids answers maybe to one absent id in a thousand", (capacity) => {
    const filter = createFilter(capacity);
    for (const key of pseudoIds("present", capacity)) filter.add(key);
    const asked = 150_000;
    let maybe = 0;
    for (const key of pseudoIds("absent", asked)) if (filter.has(key)) maybe++;
    // 150 are expected, and the ids are the same on every run.
    expect(maybe / asked).toBeGreaterThan(FALSE_POSITIVE_RATE * 0.7);
    expect(maybe / asked).toBeLessThan(FALSE_POSITIVE_RATE * 1.3);
    expect(filter.count).toBeGreaterThan(capacity * 0.999);
    expect(filter.bits.length / capacity).toBeLessThan(2);
  });

  test("whose bits are numbered above 2^32 keeps ids apart", () => {
    const capacity = 300_000_000;
    expect(filterOctets(capacity) * 8).toBeGreaterThan(2 ** 32);
    const filter = createFilter(capacity);
    const present = [...pseudoIds("present", 20_000)];
    for (const key of present) filter.add(key);
    expect(present.every((key) => filter.has(key))).toBe(true);
    expect(filter.count).toBe(present.length);
    for (const key of pseudoIds("absent", 20_000)) expect(filter.has(key)).toBe(false);
    // Both ends are in use: the octet 0 and the last are where the least and the greatest ids begin.
    filter.add(new Uint8Array(20));
    filter.add(new Uint8Array(20).fill(255));
    expect(filter.bits.at(0)).not.toBe(0);
    expect(filter.bits.at(-1)).not.toBe(0);
  });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 40])("can't be made for %d ids", (capacity) => {
    expect(() => createFilter(capacity)).toThrow(RangeError);
  });
});

describe("a saved filter", () => {
  test("comes back the same, however the file is cut into chunks", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(aKey, { maxLength: 30 }),
        fc.integer({ min: 1, max: 400 }),
        async (keys, size) => {
          const filter = createFilter(100);
          for (const key of keys) filter.add(key);
          const back = (await deserialiseFilter(pieces(saved(filter), size), 100))?.filter;
          expect(back?.count).toBe(filter.count);
          expect(back?.bits).toEqual(filter.bits);
        },
      ),
    );
  });

  test("with any one bit turned is not taken", async () => {
    const filter = createFilter(50);
    for (const key of pseudoIds("present", 50)) filter.add(key);
    const whole = saved(filter);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(7), async (at, bit) => {
        const damaged = whole.slice();
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        expect(await deserialiseFilter(pieces(damaged, 1000), 50)).toBeUndefined();
      }),
    );
  });

  test("cut short, lengthened, foreign or of another capacity is not taken", async () => {
    const whole = saved(createFilter(50));
    const foreign: [Uint8Array, number][] = [
      [whole.subarray(0, -1), 50],
      [whole.subarray(0, 10), 50],
      [new Uint8Array(), 50],
      [Buffer.concat([whole, new Uint8Array(1)]), 50],
      [whole, 51],
      [whole, 5000],
      [Buffer.from("something else altogether, and longer than a header is"), 50],
    ];
    for (const [octets, capacity] of foreign) {
      expect(await deserialiseFilter(pieces(octets, 64), capacity)).toBeUndefined();
    }
  });
});
