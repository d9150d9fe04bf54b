// Bare CR and LF become CRLF and nothing else changes; what was seen is told.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createNewlineNormaliser, type LineFacts } from "../../src/message/newlines.ts";
import { cut } from "./pipeline.ts";

function normalise(text: string, offsets: readonly number[] = []): { text: string; facts: LineFacts } {
  const normaliser = createNewlineNormaliser();
  const out: Uint8Array[] = cut(Buffer.from(text, "latin1"), offsets).map((chunk) =>
    Uint8Array.from(normaliser.push(chunk)),
  );
  out.push(normaliser.end());
  return { text: Buffer.concat(out).toString("latin1"), facts: normaliser.facts() };
}

/** The same on strings. */
function expected(text: string): { text: string; facts: LineFacts } {
  const normal = text.replace(/\r\n|\r|\n/g, "\r\n");
  return {
    text: normal,
    facts: {
      bareCr: text.match(/\r(?!\n)/g)?.length ?? 0,
      bareLf: text.match(/(?<!\r)\n/g)?.length ?? 0,
      longestLine: Math.max(...normal.split("\r\n").map((line) => line.length)),
      eightBit: /[\x80-\xff]/.test(text),
      nul: text.includes("\0"),
    },
  };
}

describe("line ends", () => {
  test.each([
    "",
    "\r",
    "\n",
    "\r\n",
    "\n\r",
    "\r\r\n",
    "\r\n\n",
    "a\rb\nc\r\nd",
    "\r\r",
    "\n\n",
    "a\r",
    "a\0\xff",
  ])("%j", (text) => {
    expect(normalise(text)).toEqual(expected(text));
    expect(normalise(text, [0, 1, 2, 3, 4])).toEqual(expected(text));
  });

  test("for any octets and any chunking", () => {
    const text = fc
      .array(fc.constantFrom("\r", "\n", "\r\n", "\r\n", "a", "bb", "line", "\0", "\xe9", "."), {
        maxLength: 40,
      })
      .map((all) => all.join(""));
    fc.assert(
      fc.property(text, fc.array(fc.nat(80), { maxLength: 10 }), (input, offsets) => {
        expect(normalise(input, offsets)).toEqual(expected(input));
      }),
      { numRuns: 3000 },
    );
  });

  test("a clean chunk is handed on without a copy", () => {
    const chunk = Buffer.from("line\r\nline\r\n");
    const out = createNewlineNormaliser().push(chunk);
    expect(out.buffer).toBe(chunk.buffer);
    expect(out.byteOffset).toBe(chunk.byteOffset);
  });

  test("a line over several chunks is as long as all of it", () => {
    expect(normalise("a".repeat(300), [100, 200]).facts.longestLine).toBe(300);
    expect(normalise(`${"a".repeat(300)}\r\nb`, [100, 200, 301]).facts.longestLine).toBe(300);
  });
});
