// Only what docs/design.md lists changes in a message: every other octet survives, whatever the message and
// its chunks. The expectation is computed on strings, by other means than the code under test.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cut, DERIVED, OPTIONS, pipe } from "./pipeline.ts";

const octets = (text: string): Buffer => Buffer.from(text, "latin1");

interface Split {
  fields: string[];
  body: string;
}

/** Header fields and body of a message with CRLF line ends. */
function split(message: string): Split {
  const fields: string[] = [];
  let rest = message;
  for (;;) {
    const field = /^[\x21-\x39\x3b-\x7e]+[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*(?:\n|$)/.exec(rest)?.[0];
    if (field === undefined) break;
    fields.push(field.endsWith("\r\n") ? field : `${field}\r\n`);
    rest = rest.slice(field.length);
  }
  return { fields, body: rest.startsWith("\r\n") ? rest.slice(2) : rest };
}

const nameOf = (field: string): string => field.slice(0, field.indexOf(":")).trim().toLowerCase();
const restOf = (field: string): string => field.slice(field.indexOf(":"));

const REMOVED = /^(?:bcc|return-path|x-mailonce-id|x-ses-.*-arn)$/;
const task = OPTIONS.taskFields;

/** What must come out of a message without a DKIM signature. */
function expected(input: string, keepMessageId: boolean): string {
  const { fields, body } = split(input.replace(/\r\n|\r|\n/g, "\r\n"));
  const kept = fields.filter((field) => !REMOVED.test(nameOf(field)) && !task.has(nameOf(field)));
  const first = kept.findIndex((field) => nameOf(field) === "message-id");
  if (!kept.some((field) => nameOf(field) === "date")) kept.push("Date: Fri, 02 Jan 2026 03:04:05 +0000\r\n");
  const sets = !(keepMessageId && first >= 0);
  const own = `${sets ? `Message-ID: ${DERIVED}\r\n` : ""}X-Mailonce-ID: ${DERIVED}\r\n`;
  const out = kept.map((field) =>
    sets && nameOf(field) === "message-id" ? `X-Original-Message-ID${restOf(field)}` : field,
  );
  out.splice(first < 0 ? out.length : first, 0, own);
  return `Received: ${OPTIONS.received}\r\n${out.join("")}\r\n${body}`;
}

const name = fc.oneof(
  fc.constantFrom(
    "From",
    "Subject",
    "Date",
    "DATE",
    "Message-ID",
    "message-id",
    "Message-Id",
    "Bcc",
    "BCC",
    "Return-Path",
    "X-Task-Id",
    "x-task-id",
    "X-Task-Part",
    "Idempotency-Key",
    "X-Mailonce-ID",
    "X-Original-Message-ID",
    "X-SES-SOURCE-ARN",
    "X-SES-CONFIGURATION-SET",
    "X-SES-ARN",
    "Received",
    "X-Bcc",
    "Bccx",
  ),
  fc.string({ unit: fc.constantFrom("a", "Z", "-", "_", "!", "~", "9", "/"), minLength: 1, maxLength: 12 }),
);
const lineEnd = fc.constantFrom("\r\n", "\r\n", "\r\n", "\n", "\r");
const character = fc.oneof(
  fc.constantFrom(
    "a",
    " ",
    "\t",
    ":",
    ";",
    ".",
    "<",
    "@",
    ">",
    "=",
    "\0",
    "\x7f",
    "\x80",
    "\xe9",
    "\xff",
    "\xc3\xbc",
  ),
  fc.string({ minLength: 1, maxLength: 1 }),
);
const text = fc.array(character, { maxLength: 30 }).map((all) => all.join("").replace(/[\r\n]/g, ""));
const field = fc
  .tuple(
    name,
    fc.constantFrom("", "", "", " ", "\t "),
    text,
    fc.array(fc.tuple(lineEnd, fc.constantFrom(" ", "\t"), text), { maxLength: 2 }),
    lineEnd,
  )
  .map(([n, gap, value, folds, end]) => `${n}${gap}:${value}${folds.flat().join("")}${end}`);
const line = fc
  .tuple(
    fc.oneof(text, fc.constantFrom("", ".", "..", "a".repeat(1200), "From: no header any more")),
    lineEnd,
  )
  .map((pair) => pair.join(""));
const body = fc.tuple(fc.array(line, { maxLength: 6 }), text).map(([lines, last]) => lines.join("") + last);
const message = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.array(field, { maxLength: 8 }), lineEnd, body).map((all) => all.flat().join("")),
  },
  // Without a separator: the body begins where the header can't go on.
  {
    weight: 2,
    arbitrary: fc.tuple(fc.array(field, { maxLength: 4 }), body).map((all) => all.flat().join("")),
  },
  { weight: 1, arbitrary: fc.array(field, { maxLength: 4 }).map((all) => all.join("")) },
  {
    weight: 1,
    arbitrary: fc.array(field, { minLength: 1, maxLength: 4 }).map((all) => all.join("").trimEnd()),
  },
  { weight: 1, arbitrary: body },
);
const cuts = fc.array(fc.nat({ max: 300 }), { maxLength: 12 });

describe("every other octet survives", () => {
  test("for any message and any chunking", () => {
    fc.assert(
      fc.property(message, cuts, fc.boolean(), (input, offsets, keepMessageId) => {
        const { output } = pipe(cut(octets(input), offsets), { keepMessageId });
        expect(output.toString("latin1")).toBe(expected(input, keepMessageId));
      }),
      { numRuns: 3000 },
    );
  });

  test("no line becomes longer than SMTP takes by what is changed", () => {
    const value = fc.tuple(
      fc.constantFrom("", " ", "\t", " ".repeat(400)),
      fc.integer({ min: 900, max: 999 }),
    );
    fc.assert(
      fc.property(value, fc.constantFrom("", "\r\n more"), fc.boolean(), ([gap, length], more, isBlank) => {
        const start = `Message-ID:${gap}`;
        const id = (isBlank ? " " : "x").repeat(Math.max(0, Math.min(length, 998) - start.length));
        const { output } = pipe([octets(`${start}${id}${more}\r\n\r\nbody\r\n`)]);
        const header = output.toString("latin1").split("\r\n\r\n", 1)[0] as string;
        const lines = header.split("\r\n");
        expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(998);
        expect(lines.filter((line) => line.trim() === "")).toEqual([]);
        expect(header).toContain(id.trim() + more);
      }),
    );
  });

  test("octet by octet as in one piece", () => {
    fc.assert(
      fc.property(message, (input) => {
        const whole = pipe([octets(input)]);
        const single = pipe([...octets(input)].map((octet) => Uint8Array.of(octet)));
        expect(single.output.equals(whole.output)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("a large body in chunks that end between CR and LF", () => {
    const input = octets(`A: b\r\n\r\n${"line\r\n".repeat(20_000)}\r.\n`);
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < input.length; at += 4097) chunks.push(input.subarray(at, at + 4097));
    expect(pipe(chunks).output.toString("latin1")).toBe(expected(input.toString("latin1"), false));
  });
});
