// Where the header ends and what its fields hold, for any chunking.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createHeaderScanner, type HeaderScan, parseHeader, unfold } from "../../src/message/header.ts";
import { cut } from "./pipeline.ts";

const octets = (text: string): Buffer => Buffer.from(text, "latin1");

function scan(message: string, offsets: readonly number[] = [], max = 10_000): HeaderScan {
  const scanner = createHeaderScanner(max);
  const chunks = cut(octets(message), offsets);
  for (const [index, chunk] of chunks.entries()) {
    const result = scanner.push(Uint8Array.from(chunk));
    if (result === undefined) continue;
    if (result.kind !== "header") return result;
    return { ...result, rest: Buffer.concat([result.rest, ...chunks.slice(index + 1)]) };
  }
  return scanner.end();
}

const found = (message: string, offsets?: readonly number[]) => {
  const result = scan(message, offsets);
  if (result.kind !== "header") return result.kind;
  const [header, rest] = [result.header, result.rest].map((part) => Buffer.from(part).toString("latin1"));
  return { header, rest, separator: result.separator };
};

describe("the header ends", () => {
  test.each([
    [
      "at the first empty line",
      "A: b\r\nC: d\r\n e\r\n\r\nbody\r\n",
      "A: b\r\nC: d\r\n e\r\n",
      "body\r\n",
      true,
    ],
    ["before a line that is no field", "A: b\r\nno field\r\n\r\n", "A: b\r\n", "no field\r\n\r\n", false],
    ["before a continuation of nothing", " a: b\r\n", "", " a: b\r\n", false],
    [
      "before a name with a space in it",
      "A: b\r\nFrom a@b Mon: x\r\n",
      "A: b\r\n",
      "From a@b Mon: x\r\n",
      false,
    ],
    ["not at white space before the colon", "A \t: b\r\n\r\n", "A \t: b\r\n", "", true],
    [
      "not at a continuation of white space only",
      "A: b\r\n \r\nC: d\r\n\r\n",
      "A: b\r\n \r\nC: d\r\n",
      "",
      true,
    ],
    ["before a line without a name", "A: b\r\n: c\r\n", "A: b\r\n", ": c\r\n", false],
    ["before an 8-bit name", "A: b\r\n\xfc: c\r\n", "A: b\r\n", "\xfc: c\r\n", false],
    ["at once, in a message without a header", "\r\nbody", "", "body", true],
    ["with the message", "A: b\r\nC: d", "A: b\r\nC: d", "", false],
    ["before half a name", "A: b\r\nC", "A: b\r\n", "C", false],
    ["nowhere, in no message", "", "", "", false],
    ["before a name of 999 octets", `${"a".repeat(999)}: b\r\n`, "", `${"a".repeat(999)}: b\r\n`, false],
  ])("%s", (_name, message, header, rest, separator) => {
    expect(found(message)).toEqual({ header, rest, separator });
    const every = Array.from({ length: message.length }, (_, at) => at);
    expect(found(message, every)).toEqual({ header, rest, separator });
  });

  test("at a limit, whatever the chunks", () => {
    const message = fc
      .array(
        fc.constantFrom(
          "A: b\r\n",
          "Long: xxxxxxxxxxxxxxxxxx\r\n",
          " folded\r\n",
          "none\r\n",
          "\r\n",
          "half",
          "C:",
        ),
        { maxLength: 8 },
      )
      .map((lines) => lines.join(""));
    fc.assert(
      fc.property(message, fc.array(fc.nat(60), { maxLength: 6 }), fc.nat(60), (text, offsets, max) => {
        const whole = scan(text, [], max);
        expect(scan(text, offsets, max).kind).toBe(whole.kind);
        const header = found(text);
        if (typeof header === "object")
          expect(whole.kind === "too-long").toBe((header.header ?? "").length > max);
      }),
      { numRuns: 1000 },
    );
  });

  test("a header that never ends is given up at the limit", () => {
    const scanner = createHeaderScanner(1000);
    let pushed = 0;
    while (scanner.push(octets("A: bbbbbbb")) === undefined) pushed++;
    expect(pushed).toBe(100);
  });
});

describe("a field", () => {
  const values = (header: string) => parseHeader(octets(header)).map((field) => [field.name, field.value()]);

  test("keeps its octets", () => {
    const header = "A: b\r\nSuBject :caf\xe9\r\n\tfolded \r\nX: y";
    const fields = parseHeader(octets(header));
    expect(fields.map((field) => Buffer.from(field.raw).toString("latin1")).join("")).toBe(header);
    expect(fields.map((field) => field.name)).toEqual(["a", "subject", "x"]);
  });

  test("has its value unfolded: UTF-8, or else latin1", () => {
    expect(values("A:b\r\nB: \t c\r\n  d \r\nC:\r\nD: \xc3\xbc\r\nE: \xfc\r\n")).toEqual([
      ["a", "b"],
      ["b", "c  d"],
      ["c", ""],
      ["d", "ü"],
      ["e", "\xfc"],
    ]);
  });

  test("unfolding leaves a line end that no white space follows", () => {
    expect(unfold(" a\r\n b\nc\r\n")).toBe("a b\nc");
  });
});
