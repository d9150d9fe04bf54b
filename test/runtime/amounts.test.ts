// A count is written as English writes it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { countOf } from "../../src/runtime/amounts.ts";

test("a count is as Node's own English has it", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (count) => {
      expect(countOf(count)).toBe(count.toLocaleString("en"));
    }),
    { examples: [[0], [-1], [999], [1_000], [-1_000], [100_000], [1_234_567]] },
  );
});
