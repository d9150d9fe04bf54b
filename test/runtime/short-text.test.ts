// What is kept of others' text is one printable line that fits, whatever they said.
import fc from "fast-check";
import { expect, test } from "vitest";
import { shortText } from "../../src/runtime/short-text.ts";

const octetsOf = (text: string): number => Buffer.byteLength(text);

test.each([
  ["a short one", "450 4.2.0 greylisted", "450 4.2.0 greylisted"],
  ["lines and controls", "450-first\r\n450 \u001b[31msecond\u0000\u0085", "450-first 450 [31msecond"],
  ["what turns a line around", "450 \u202egro.elpmaxe\u2066", "450 gro.elpmaxe"],
  ["a character that does not fit is left out whole", `${"x".repeat(199)}ü`, "x".repeat(199)],
  ["one that fits", `${"x".repeat(198)}ü`, `${"x".repeat(198)}ü`],
  ["a pair that does not fit", `${"x".repeat(197)}😀`, "x".repeat(197)],
  ["half a pair", "a\ud83db", "a\ufffdb"],
  ["10 kB", "ä".repeat(5_000), "ä".repeat(100)],
  ["nothing", "\r\n", ""],
])("%s", (_, text, expected) => {
  expect(shortText(text, 200)).toBe(expected);
});

test("always fits, is printable, and is the same once more", () => {
  const said = fc.oneof(fc.string({ unit: "binary", maxLength: 400 }), fc.string({ unit: "grapheme" }));
  fc.assert(
    fc.property(said, fc.integer({ min: 1, max: 300 }), (text, most) => {
      const short = shortText(text, most);
      expect(octetsOf(short)).toBeLessThanOrEqual(most);
      expect(short).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      expect(Buffer.from(short).toString()).toBe(short);
      expect(shortText(short, most)).toBe(short);
    }),
  );
});
