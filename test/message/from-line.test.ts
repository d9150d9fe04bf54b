// The "From " line goes, whatever the chunks; everything else stays as it is.
import fc from "fast-check";
import { expect, test } from "vitest";
import { createFromLineFilter } from "../../src/message/from-line.ts";
import { cut } from "./pipeline.ts";

function filtered(text: string, offsets: readonly number[] = []): string {
  const filter = createFromLineFilter();
  const out = [...cut(Buffer.from(text, "latin1"), offsets)].map((chunk) => filter.push(chunk));
  return Buffer.concat([...out, filter.end()]).toString("latin1");
}

const REST = "Subject: x\r\n\r\nFrom here on it is body\r\n";

test.each([
  ["From root@host Fri Nov 27 00:00:00 2026\r\n", ""],
  [">From root@host Fri Nov 27 00:00:00 2026\r\n", ""],
  ["From  \r\n", ""],
  ["From: a@b.example\r\n", "From: a@b.example\r\n"],
  ["From : a@b.example\r\n", "From : a@b.example\r\n"],
  ["from root\r\n", "from root\r\n"],
  [">>From root\r\n", ""],
  ["From root\r\n>From b\r\n>>>From c\r\n", ""],
  ["From root\r\nFrom: a@b.example\r\n", "From: a@b.example\r\n"],
  [">Frog root\r\n", ">Frog root\r\n"],
  [`${">".repeat(64)}>From root\r\n`, `${">".repeat(64)}>From root\r\n`],
  [" From root\r\n", " From root\r\n"],
  ["Fro", "Fro"],
  ["", ""],
])("%j", (line, kept) => {
  expect(filtered(line + REST)).toBe(kept + REST);
  expect(filtered(line)).toBe(kept);
});

test("only first lines, and the same for any chunking", () => {
  const line = fc.constantFrom(
    "From a b\r\n",
    ">From a\r\n",
    ">>From a\r\n",
    "From: a\r\n",
    "From",
    " ",
    ":",
    "F",
    ">",
    "\r\n",
    "x",
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), fc.array(fc.nat(60), { maxLength: 8 }), (pieces, cuts) => {
      const text = pieces.join("");
      expect(filtered(text, cuts)).toBe(filtered(text));
      expect(filtered(`X: y\r\n${text}`)).toBe(`X: y\r\n${text}`);
    }),
  );
});
