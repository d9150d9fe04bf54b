// A mail in a circle is told from one that has a long way.
import { expect, test } from "vitest";
import { parseHeader } from "../../src/message/header.ts";
import { loopOf } from "../../src/message/hops.ts";
import { receivedValue } from "../../src/message/trace.ts";

const NAME = "aaaabbbbccccdddd";
const by = (traceName: string): string =>
  `Received: ${receivedValue({
    helo: "a",
    address: "192.0.2.1",
    hostname: "gateway.example",
    traceName,
    protocol: "ESMTP",
    submissionId: "x",
    date: 0,
  })}\r\n`;
const other = "Received: from a by gateway.example; Fri, 27 Nov 2026 00:00:00 +0000\r\n";
const loop = (header: string, hopsMax = 50) => loopOf(parseHeader(Buffer.from(header)), hopsMax, NAME);

test("more Received fields than are allowed", () => {
  expect(loop(other.repeat(50))).toBeUndefined();
  expect(loop(other.repeat(51))).toBe("too-many-hops");
  expect(loop(other.repeat(3), 2)).toBe("too-many-hops");
});

test("its own trace three times, among others and folded anew", () => {
  expect(loop(by(NAME).repeat(2) + other.repeat(20))).toBeUndefined();
  expect(loop(by(NAME) + other + by(NAME) + other + by(NAME))).toBe("own-trace");
  expect(loop(by(NAME).replace(`(mailonce ${NAME})`, `(mailonce\r\n\t ${NAME})`).repeat(3))).toBe(
    "own-trace",
  );
});

test("another gateway's trace is not its own, whatever its host name", () => {
  expect(loop(by("ddddccccbbbbaaaa").repeat(10) + by(NAME).repeat(2))).toBeUndefined();
});
