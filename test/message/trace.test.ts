// The trace field: what it says, and that nothing a client says can leave its place in it.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDate, receivedValue, type TraceFacts } from "../../src/message/trace.ts";

const FACTS: TraceFacts = {
  helo: "worker-1.example",
  address: "192.0.2.7",
  hostname: "gateway.example",
  protocol: "ESMTPA",
  traceName: "abcdefghijklmnop",
  submissionId: "ahk3m5wq2xv7c4de",
  date: Date.UTC(2013, 11, 10, 10, 13, 6),
};

test("a Received field, folded", () => {
  expect(receivedValue(FACTS)).toBe(
    "from worker-1.example ([192.0.2.7]) by gateway.example\r\n" +
      "\t(mailonce abcdefghijklmnop) with ESMTPA id ahk3m5wq2xv7c4de;\r\n" +
      "\tTue, 10 Dec 2013 10:13:06 +0000",
  );
});

describe("addresses", () => {
  test.each([
    ["::1", "from [IPv6:::1] ([IPv6:::1]) by"],
    ["::ffff:192.0.2.7", "from [192.0.2.7] ([192.0.2.7]) by"],
    ["", "from [unknown] ([unknown]) by"],
  ])("%j, without EHLO", (address, start) => {
    expect(receivedValue({ ...FACTS, address, helo: "" })).toContain(start);
  });
});

test("no value ends the field, opens a comment or makes the line too long", () => {
  const value = fc.oneof(
    fc.string({ unit: "binary", maxLength: 400 }),
    fc
      .array(fc.constantFrom("\r\n", "\0", "(", ")", "\\", ";", " ", "a", "ü"), { maxLength: 400 })
      .map((all) => all.join("")),
  );
  const facts = fc.record({
    helo: value,
    address: value,
    hostname: value,
    protocol: value,
    submissionId: value,
  });
  const word = "[A-Za-z0-9._:[\\]?-]{1,264}";
  const form = new RegExp(
    `^from ${word} \\(${word}\\) by ${word} \\(mailonce ${word}\\) with ${word} id ${word}; Tue, 10 Dec 2013 10:13:06 \\+0000$`,
  );
  fc.assert(
    fc.property(facts, (change) => {
      const lines = receivedValue({ ...FACTS, ...change }).split("\r\n\t");
      expect(lines.join(" ")).toMatch(form);
      for (const line of lines) expect(line.length).toBeLessThan(300);
    }),
  );
});

test("formatDate is UTC, with two digits for the day", () => {
  expect(formatDate(Date.UTC(2026, 0, 2, 3, 4, 5, 678))).toBe("Fri, 02 Jan 2026 03:04:05 +0000");
});
