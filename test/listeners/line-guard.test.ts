// What the line guard finds does not depend on chunks, save that what came later is no pipelining.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createLineGuard, type FoundFault } from "../../src/listeners/smtp/line-guard.ts";
import { cut } from "../message/pipeline.ts";

function firstFault(
  chunks: readonly (string | Uint8Array)[],
  { reject = false, expectsContinuation = false } = {},
): (FoundFault & { readonly chunk: number }) | undefined {
  const guard = createLineGuard(reject ? "reject" : "normalize");
  for (const [chunk, octets] of chunks.entries()) {
    const found = guard.push(Buffer.from(octets), expectsContinuation);
    if (found !== undefined) return { ...found, chunk };
  }
  return undefined;
}

describe("commands that must be the last of their group", () => {
  test.each([
    "EHLO a\r\nMAIL FROM:<>\r\n",
    "HELO a\r\nQ",
    "LHLO a\r\n\r\n",
    "DATA\r\n.\r\n",
    "data\r\nx",
    "DATA \r\nx",
    "STARTTLS\r\nEHLO a\r\n",
    "\u{17f}TARTTLS\r\nEHLO a\r\n",
    "\u{fb06}arttls\r\nEHLO a\r\n",
    "AUTH LOGIN\r\ndXNlcg==\r\n",
    "AUTH PLAIN\r\nAGEAYg==\r\n",
    "AUTH LOGIN dXNlcg==\r\nx",
    "auth\r\nx",
  ])("%j", (octets) => {
    expect(firstFault([octets])).toEqual({ fault: "unsynchronised", before: 0, chunk: 0 });
    const [command = "", ...rest] = octets.split(/(?<=\n)/);
    // The same with the reply waited for.
    expect(firstFault([command, rest.join("")])).toBe(undefined);
    const group = `RSET\r\n${octets}`;
    expect(firstFault([group])).toEqual({ fault: "unsynchronised", before: 6, chunk: 0 });
    // Begun in one chunk, ended in the next with something behind it.
    for (let at = 1; at < command.length; at++) {
      const both = [octets.slice(0, at), octets.slice(at)].map((text) => Buffer.from(text));
      expect(firstFault(both)).toEqual({ fault: "unsynchronised", before: 0, chunk: 1 });
    }
  });

  test.each([
    "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n",
    "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\n",
    "QUIT\r\nQUIT\r\n",
    "NOOP\r\nVRFY a\r\nEXPN a\r\nNOOP\r\nHELP\r\nEHLO a\r\n",
    "AUTH PLAIN AGEAYg==\r\nMAIL FROM:<>\r\n",
    "AUTH EXTERNAL =\r\nMAIL FROM:<>\r\n",
    "DATABASE\r\nx\r\n",
    " DATA\r\nx\r\n",
    "MAIL FROM:<DATA\r\nRSET\r\n",
  ])("%j may come at once", (octets) => {
    expect(firstFault([octets])).toBe(undefined);
  });
});

describe("lines of an AUTH exchange", () => {
  test("are no commands", () => {
    // "DATA" and "EHLO" are base64 too.
    for (const line of ["DATA\r\n", "EHLO\r\n", "AGEAYg==\r\n"]) {
      expect(firstFault([line], { expectsContinuation: true })).toBe(undefined);
      expect(firstFault([line.slice(0, 2), line.slice(2)], { expectsContinuation: true })).toBe(undefined);
    }
  });

  test("are followed by nothing before their reply", () => {
    expect(firstFault(["AGEAYg==\r\nMAIL FROM:<>\r\n"], { expectsContinuation: true })).toEqual({
      ...{ fault: "unsynchronised", before: 0, chunk: 0 },
    });
  });
});

describe("lines that end in an LF alone", () => {
  test.each(["RSET\n", "\n", "RSET\r\n\n", "RSET\r\nNOOP\nRSET\r\n", "RS\rET\n"])("%j", (octets) => {
    expect(firstFault([octets])).toBe(undefined);
    const at = octets.search(/(?<!\r)\n/);
    const before = octets.lastIndexOf("\r\n", at) < 0 ? 0 : octets.lastIndexOf("\r\n", at) + 2;
    expect(firstFault([octets], { reject: true })).toEqual({ fault: "bare-newline", before, chunk: 0 });
    expect(firstFault([...octets], { reject: true })).toMatchObject({ fault: "bare-newline", chunk: at });
  });

  test("and none that doesn't, wherever chunks end", () => {
    const lines = fc.array(fc.constantFrom("RSET\r\n", "NOOP a\rb\r\n", "\r\n", "x\0\xff\r\r\n"), {
      maxLength: 9,
    });
    fc.assert(
      fc.property(lines, fc.array(fc.nat(60)), (sent, offsets) => {
        expect(firstFault(cut(Buffer.from(sent.join(""), "latin1"), offsets), { reject: true })).toBe(
          undefined,
        );
      }),
    );
  });

  test("found for any octets and any chunking as in one chunk", () => {
    const text = fc.array(fc.constantFrom("\r", "\n", "\r\n", "NOOP", "a", "\0"), { maxLength: 30 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(60)), (parts, offsets) => {
        const octets = Buffer.from(parts.join(""));
        const whole = firstFault([octets], { reject: true });
        expect(whole !== undefined).toBe(/(?<!\r)\n/.test(parts.join("")));
        expect(firstFault(cut(octets, offsets), { reject: true })?.fault).toBe(whole?.fault);
      }),
      { numRuns: 2_000 },
    );
  });
});

test("a line without an end is not kept", () => {
  const guard = createLineGuard("reject");
  for (let n = 0; n < 1_000; n++) expect(guard.push(Buffer.alloc(64 * 1024, "D"), false)).toBe(undefined);
  expect(guard.push(Buffer.from("\r\nx"), false)).toBe(undefined);
});
