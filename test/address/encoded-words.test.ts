// A value that was written as encoded words is the value that was meant.
import fc from "fast-check";
import MimeNode from "nodemailer/lib/mime-node";
import { expect, test } from "vitest";
import { decodeWords } from "../../src/address/encoded-words.ts";
import { measureCpu } from "../support/cpu.ts";

test.each([
  ["=?utf-8?q?campaign=3Asummer-sale?=", "campaign:summer-sale"],
  // Python's email.policy.SMTP, folded; the white space between two words belongs to neither.
  [
    "=?utf-8?q?campaign=3Asummer-sale-2024=3Aqueue=3Amailers=3A3f2504e?= =?utf-8?q?0-4f89?=",
    "campaign:summer-sale-2024:queue:mailers:3f2504e0-4f89",
  ],
  ["=?UTF-8?B?YTpi?=", "a:b"],
  ["=?us-ascii*en?Q?a_b?=", "a b"],
  ["=?iso-8859-1?q?B=FCro?= 7", "Büro 7"],
  ["order =?utf-8?q?7?=", "order 7"],
])("%s", (value, text) => {
  expect(decodeWords(value)).toBe(text);
});

test.each([
  "a",
  "=?",
  "=?utf-8?q?",
  "=?utf-8?x?a?=",
  "=?no-such?q?a?=",
  "=?utf-8?b?*?=",
  "=?utf-8?q?=ff?=",
  "=?utf-8?q?=4?=",
])("%s can't be decoded and stays", (value) => {
  expect(decodeWords(value)).toBe(value);
});

test("any printable value, as Python and nodemailer write it, comes back", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(..."abzAZ09:-_./=?& "), minLength: 1, maxLength: 60 }),
      (text) => {
        const q = [...text].map((c) =>
          /[A-Za-z0-9]/.test(c) ? c : `=${c.charCodeAt(0).toString(16).toUpperCase()}`,
        );
        expect(decodeWords(`=?utf-8?q?${q.join("")}?=`)).toBe(text);
        expect(decodeWords(`=?utf-8?b?${Buffer.from(text).toString("base64")}?=`)).toBe(text);
      },
    ),
  );
  const node = new MimeNode("text/plain");
  node.setHeader("x-task-id", "ä".repeat(60));
  const written = /x-task-id: ([\s\S]*?)\r\n(?! )/i.exec(node.buildHeaders())?.[1] ?? "";
  expect(decodeWords(written.replaceAll("\r\n", ""))).toBe("ä".repeat(60));
});

test("64 KiB of what looks like encoded words are read in no time", () => {
  const cpuMs = measureCpu();
  for (const piece of ["=?", "=?utf-8?q?", "?=", "=?a?q?b?= ", "=?utf-8?q?a", " \t"]) {
    decodeWords(piece.repeat(65_536 / piece.length));
  }
  expect(cpuMs()).toBeLessThan(1_000);
});
