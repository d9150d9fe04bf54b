// The path of MAIL and RCPT, however it is written; nothing that follows it becomes part of it.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readPathCommand } from "../../src/listeners/smtp/path-command.ts";

const read = (line: string, strict = false) => readPathCommand(line, "RCPT TO", strict);

describe("in brackets", () => {
  test.each([
    ["RCPT TO:<a..b@x.example>", "a..b@x.example", ""],
    ["rcpt  to", undefined, ""],
    ["rcpt to: <a@x.example> NOTIFY=NEVER", "a@x.example", " NOTIFY=NEVER"],
    ['RCPT TO:<"a b"@x.example>', '"a b"@x.example', ""],
    ['RCPT TO:<"a>b@c"@x.example> X=1', '"a>b@c"@x.example', " X=1"],
    ['RCPT TO:<"a\\"> b"@x.example>', '"a\\"> b"@x.example', ""],
    ["RCPT TO:<@a.example,@b.example:u@x.example>", "u@x.example", ""],
    ["RCPT TO:<>", "", ""],
    ["RCPT TO:<a@x.example>b", undefined, ""],
    ["RCPT TO:<a@x.example", undefined, ""],
    ["RCPT TO:<<a@x.example>>", undefined, ""],
    ["MAIL FROM:<a@x.example>", undefined, ""],
    ["RCPT TO a@x.example", undefined, ""],
    ["RCPT  TO:<a@x.example>", "a@x.example", ""],
  ])("%s", (line, path, rest) => {
    expect(read(line)).toEqual(path === undefined ? undefined : { path, rest });
    expect(read(line, true)).toEqual(read(line));
  });
});

describe("without brackets", () => {
  test.each([
    ["RCPT TO:a@x.example", "a@x.example", ""],
    ["RCPT TO: a@x.example NOTIFY=NEVER", "a@x.example", " NOTIFY=NEVER"],
    ['RCPT TO:"a b"@x.example', '"a b"@x.example', ""],
    ["RCPT TO:a@x.example>", undefined, ""],
    ["RCPT TO:", undefined, ""],
    ['RCPT TO:"a b', undefined, ""],
  ])("%s", (line, path, rest) => {
    expect(read(line)).toEqual(path === undefined ? undefined : { path, rest });
    expect(read(line, true)).toBeUndefined();
  });
});

test.each([
  ["RCPT TO:< a@x.example >", " a@x.example ", "a@x.example"],
  ["RCPT TO:<a@x.example\t>", "a@x.example\t", "a@x.example"],
  ["RCPT TO:< >", " ", ""],
  ['RCPT TO:<" a"@x.example >', '" a"@x.example ', '" a"@x.example'],
])("white space just inside the brackets: %j", (line, byTheBook, relaxed) => {
  expect(read(line)?.path).toBe(relaxed);
  expect(read(line, true)?.path).toBe(byTheBook);
});

test("whatever the line, what is read stands in it in one piece", () => {
  const piece = fc.constantFrom("<", ">", '"', "\\", "a@b", " ", "@", ":", ",", "X=1");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, strict) => {
      const line = `RCPT TO:${pieces.join("")}`;
      const found = read(line, strict);
      if (found !== undefined) expect(line.includes(found.path)).toBe(true);
      if (found !== undefined) expect(line.trimEnd().endsWith(found.rest.trimEnd())).toBe(true);
    }),
  );
});
