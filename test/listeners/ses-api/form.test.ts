// A form is read as every other program reads it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { parametersOf } from "../../../src/listeners/ses-api/form.ts";

const piece = fc.oneof(
  fc.constantFrom(
    "%2B",
    "%2f",
    "%3D",
    "%",
    "%%",
    "%2",
    "%252B",
    "%FF",
    "%C3%A9",
    "%E2%82",
    "+",
    "=",
    "&",
    "&&",
    "é",
    "\ufeff",
  ),
  fc.string({ unit: "grapheme", maxLength: 4 }),
);
// URLSearchParams takes a "?" in front for what it is not; no call begins with one.
const text = fc.array(piece, { maxLength: 30 }).map((pieces) => `a${pieces.join("")}`);

test("its parameters are those of URLSearchParams", () => {
  fc.assert(
    fc.property(text, (form) => {
      expect(parametersOf(form)).toEqual([...new URLSearchParams(form)]);
    }),
    { numRuns: 5_000 },
  );
});

test("a mail in base64 comes out as it went in", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), (octets) => {
      const base64 = Buffer.from(octets).toString("base64");
      const form = new URLSearchParams({ Action: "SendRawEmail", "RawMessage.Data": base64 });
      expect(parametersOf(form.toString())).toEqual([...form]);
    }),
  );
});
