// No input makes a parser slow: the worst that was found for each, held to a bound by CPU time and megabyte. The table
// of docs/security.md has what was measured; a bound is several times that, since other work runs beside a test.
import { describe, expect, test } from "vitest";
import { identify } from "../../src/identity/identify.ts";
import { allDomains, mailboxDomains } from "../../src/identity/mailboxes.ts";
import { fieldInBody, nearlyNamed } from "../../src/identity/near-names.ts";
import { placeholderFault } from "../../src/identity/placeholder.ts";
import { canonicalRecipient } from "../../src/identity/recipient.ts";
import { decodeWords } from "../../src/message/encoded-words.ts";
import { createFromLineFilter } from "../../src/message/from-line.ts";
import { createHeaderScanner, parseHeader } from "../../src/message/header.ts";
import { loopOf } from "../../src/message/hops.ts";
import { createNewlineNormaliser } from "../../src/message/newlines.ts";
import { parseParameters } from "../../src/message/parameters.ts";
import { prepare } from "../../src/message/rewrite.ts";
import { DECODE_LIMITS, fingerprintOf } from "../../src/submission/decode.ts";
import { createLineGuard } from "../../src/submission/line-guard.ts";

const MB = 1024 * 1024;
const HEADER = 256 * 1024;

const text = (piece: string, octets: number): string =>
  piece.repeat(Math.ceil(octets / piece.length)).slice(0, octets);
const octets = (piece: string, length: number): Buffer => Buffer.from(text(piece, length), "latin1");

/** CPU seconds of this process, so that other processes don't count. */
async function cpuSeconds(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** The best of some where the first is too slow: a pause of the collector is no property of an input. */
async function secondsPerMegabyte(size: number, bound: number, work: () => unknown): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 3 && best >= bound; run++) {
    best = Math.min(best, (await cpuSeconds(work)) / (size / MB));
  }
  return best;
}

interface Parser {
  readonly name: string;
  /** Octets that it can be given at once. */
  readonly size: number;
  readonly pieces: readonly string[];
  /** Seconds a megabyte. */
  readonly bound: number;
  run(input: string): unknown;
}

const SOURCES = {
  headers: ["X-Task-Id", "Idempotency-Key"],
  partHeader: "X-Task-Part",
  envid: "uuid",
} as const;
const NAMES = [...SOURCES.headers, SOURCES.partHeader];
const fieldsOf = (input: string) => parseHeader(Buffer.from(input, "latin1"));
const whole = (input: string): Buffer => Buffer.from(input, "latin1");

const PARSERS: readonly Parser[] = [
  {
    name: "command lines",
    size: 64 * 1024,
    pieces: ["A", " ", "MAIL FROM:<", "AUTH PLAIN ", "\r\n", "\n", "NOOP\r\n"],
    bound: 3,
    run: (input) => createLineGuard("normalize").push(whole(input), false),
  },
  {
    name: "line ends",
    size: MB,
    pieces: ["\r", "\n", "\r\n", "\r\r\n", "x", "\n\r"],
    bound: 0.5,
    run(input) {
      const normaliser = createNewlineNormaliser();
      normaliser.push(whole(input));
      normaliser.end();
    },
  },
  {
    name: "the From line",
    size: MB,
    pieces: ["From ", ">", " ", "From  \t"],
    bound: 0.5,
    run: (input) => createFromLineFilter().push(whole(input)),
  },
  {
    name: "header",
    size: HEADER,
    pieces: ["a:\r\n", "a: b\r\n c\r\n", ":", "a", "a \t", "a:\r\n \r\n"],
    bound: 3,
    run(input) {
      const scanner = createHeaderScanner(HEADER);
      for (let at = 0; at < input.length; at += 4096) {
        if (scanner.push(whole(input.slice(at, at + 4096))) !== undefined) break;
      }
      for (const field of fieldsOf(input)) field.value();
    },
  },
  {
    name: "the task in the header",
    size: HEADER,
    pieces: [
      "X-Task-Id: a\r\n",
      "X-Task-Id: =?utf-8?q?a?=\r\n",
      "x_task.id:\r\n",
      "Received: x\r\n",
      "DKIM-Signature: h=a:b;h=c\r\n",
    ],
    bound: 6,
    run(input) {
      const fields = fieldsOf(input);
      identify(fields, undefined, SOURCES);
      nearlyNamed(fields, NAMES);
      loopOf(fields, 1e9, "abcdefghijklmnop");
      const rewriting = { received: "x", taskFields: new Set<string>(), acceptedAt: 0, keepMessageId: false };
      prepare(fields, rewriting);
    },
  },
  {
    name: "a field in the body",
    size: 16 * 1024,
    pieces: ["\r\n", "x-task-id", "x-task-id \t", "\xef\xbb\xbf"],
    bound: 10,
    run: (input) => fieldInBody(whole(input), NAMES),
  },
  {
    name: "a task",
    size: 255,
    pieces: ["{{", "%", "$(", "[object ", "<a", "-None", '"', "%0"],
    bound: 30,
    run: (input) => placeholderFault(input),
  },
  {
    name: "encoded words",
    size: 64 * 1024,
    pieces: ["=?", "=?utf-8?q?", "=?a?q?a?= ", "=?utf-8?b?QQ==?=", "\t "],
    bound: 6,
    run: (input) => decodeWords(input),
  },
  {
    name: "From, for routes",
    size: 8 * 1024,
    pieces: ["a,", "<", '"', "(", "a@b.c ", "a:", ";", "=?", "\\"],
    bound: 30,
    run: (input) => mailboxDomains(input),
  },
  {
    name: "From, for a policy",
    size: 8 * 1024,
    pieces: ["a@b.c,", "<a@b.c>,", '"a"', "(", "()", "a.", "a:", "=?utf-8?q?a?= "],
    bound: 60,
    run: (input) => allDomains(input),
  },
  {
    name: "addresses",
    size: 320,
    pieces: ["a.", '"\\', "a@", "[", "é", ".", "<"],
    bound: 60,
    run: (input) => canonicalRecipient(input),
  },
  {
    name: "parameters of a type",
    size: 64 * 1024,
    pieces: [";a*0*=x''%41", ';a="', ";", "=", ";a*1=b", "\\"],
    bound: 3,
    run: (input) => parseParameters(input),
  },
];

describe.each(PARSERS)("$name", ({ size, pieces, bound, run }) => {
  test.each(pieces)("%j", async (piece) => {
    const input = text(piece, size);
    // Short inputs many times over: a clock has no use for microseconds.
    const times = Math.max(1, Math.floor((256 * 1024) / size));
    const seconds = await secondsPerMegabyte(size * times, bound, () => {
      for (let time = 0; time < times; time++) run(input);
    });
    expect(seconds).toBeLessThan(bound);
  });
});

const part = (type: string, encoding: string, piece: string, length = MB): Buffer =>
  Buffer.concat([
    Buffer.from(`Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`),
    octets(piece, length),
  ]);
const nested = (depth: number): Buffer =>
  Buffer.concat(
    Array.from({ length: depth }, (_, n) =>
      Buffer.from(`Content-Type: multipart/mixed; boundary=aaaaaaaa${n}\r\n\r\n--aaaaaaaa${n}\r\n`),
    ),
  );

/** The fingerprint of a whole message; the bound is one for all. */
const MESSAGES: Readonly<Record<string, Buffer>> = {
  "quoted-printable, spaces": part("text/plain", "quoted-printable", " "),
  "quoted-printable, lines of spaces": part("text/plain", "quoted-printable", `${" ".repeat(900)}x\r\n`),
  "quoted-printable, one long line of soft breaks": part("text/plain", "quoted-printable", "=\r\n"),
  "quoted-printable, escapes": part("text/html", "quoted-printable", "=3D"),
  "base64, one character a line": part("application/x", "base64", "A\r\n"),
  "base64, none of the alphabet": part("application/x", "base64", "A!"),
  "empty lines": part("text/plain", "8bit", "\r\n"),
  "HTML, one character a line": part("text/html", "8bit", "x\r\n"),
  "HTML, Content-IDs": part("text/html", "8bit", "cid:"),
  "lines that are nearly delimiters": Buffer.concat([
    nested(10),
    part("text/plain", "8bit", "--aaaaaaaab\r\n"),
  ]),
  "lines of hyphens": Buffer.concat([nested(10), part("text/plain", "8bit", "--\r\n")]),
  "headers of parts": Buffer.concat([
    nested(1),
    ...Array.from({ length: 16 }, () =>
      Buffer.concat([octets("a:\r\n", 60_000), Buffer.from("\r\n--aaaaaaaa0\r\n")]),
    ),
  ]),
  "octets that are no UTF-8": part("text/plain; charset=utf-8", "8bit", "\xff\xfe\r\n"),
  "shifts of iso-2022-jp": part("text/plain; charset=iso-2022-jp", "8bit", "\x1b$B\x1b(B\r\n"),
  "20,000 To fields": Buffer.concat([octets("To: a@b.c\r\n", HEADER), Buffer.from("\r\nx")]),
  "a To of 128,000 groups": Buffer.concat([
    Buffer.from("To: "),
    octets("a:", HEADER),
    Buffer.from("\r\n\r\nx"),
  ]),
  "a Subject of encoded words": Buffer.concat([octets("Subject: =?a?q?\r\n", 60_000), Buffer.from("\r\nx")]),
};

describe("fingerprint", () => {
  test.each(Object.entries(MESSAGES))("%s", async (_, message) => {
    const seconds = await secondsPerMegabyte(message.length, 3, () => fingerprintOf(once(message)));
    expect(seconds).toBeLessThan(3);
  });

  test("others have their turn after each 16 KiB, in whatever chunks it comes", async () => {
    for (const size of [1_000, 16 * 1024, MB]) {
      let turns = 0;
      await fingerprintOf(inChunks(part("text/plain", "8bit", "x\r\n"), size), async () => {
        turns++;
      });
      expect(turns).toBeGreaterThanOrEqual(MB / (16 * 1024 + (size % (16 * 1024))) - 1);
    }
  });
});

describe("a limit of decoding", () => {
  /** Two mails that are one when they are decoded, and two by their octets. */
  const isDecoded = async (of: (boundary: string) => Buffer): Promise<boolean> =>
    (await fingerprintOf(once(of("first")))) === (await fingerprintOf(once(of("second"))));

  const multipart = (boundary: string, content: Buffer | string): Buffer =>
    Buffer.concat([
      Buffer.from(`Content-Type: multipart/mixed; boundary=${boundary}\r\n\r\n--${boundary}\r\n`),
      Buffer.from(content as string),
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]);
  const nesting = (boundary: string, depth: number): Buffer =>
    depth === 0 ? Buffer.from("\r\ntext") : multipart(`${boundary}${depth}`, nesting(boundary, depth - 1));
  const { lineOctets, headerOctets, nesting: depth, parts } = DECODE_LIMITS;

  test.each<[string, (boundary: string) => Buffer, boolean]>([
    ["nesting", (boundary) => nesting(boundary, depth), true],
    ["nesting beyond", (boundary) => nesting(boundary, depth + 1), false],
    ["parts", (boundary) => multipart(boundary, `\r\nx\r\n--${boundary}`.repeat(parts / 2 - 2)), true],
    ["parts beyond", (boundary) => multipart(boundary, `\r\nx\r\n--${boundary}`.repeat(parts)), false],
    ["a line", (boundary) => multipart(boundary, `\r\n${"x".repeat(lineOctets - 100)}`), true],
    ["a line beyond", (boundary) => multipart(boundary, `\r\n${"x".repeat(lineOctets + 100_000)}`), false],
    [
      "a part's header",
      (boundary) => multipart(boundary, `X: ${"x".repeat(headerOctets - 100)}\r\n\r\nx`),
      true,
    ],
    [
      "a part's header beyond",
      (boundary) => multipart(boundary, `X: ${"x".repeat(headerOctets)}\r\n\r\nx`),
      false,
    ],
  ])("%s", async (_, of, decoded) => {
    expect(await isDecoded(of)).toBe(decoded);
  });

  test("the fingerprint does not depend on chunks, nor on how busy the machine is", async () => {
    for (const of of [nesting("a", depth), multipart("b", `\r\n${"x".repeat(lineOctets + 100_000)}`)]) {
      const busy = () => new Promise<void>((resolve) => setTimeout(resolve, 3));
      const alone = await fingerprintOf(once(of));
      expect(await fingerprintOf(inChunks(of, 777), busy)).toBe(alone);
      expect(await fingerprintOf(inChunks(of, 65_536))).toBe(alone);
    }
  });
});

async function* once(message: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* inChunks(message, 64 * 1024);
}

async function* inChunks(message: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < message.length; at += size) yield message.subarray(at, at + size);
}
