// No input makes a parser slow: the worst that was found for each, held to a bound by CPU time and megabyte. The table
// of docs/evidence/parser-costs.md has what was measured; a bound is several times that, since other work runs beside a test.
import { describe, expect, test } from "vitest";
import { decodeWords } from "../../src/address/encoded-words.ts";
import { allDomains, mailboxDomains } from "../../src/address/mailboxes.ts";
import { canonicalRecipient } from "../../src/address/recipient.ts";
import { identify } from "../../src/identity/identify.ts";
import { fieldInBody, nearlyNamed } from "../../src/identity/near-names.ts";
import { placeholderFault } from "../../src/identity/placeholder.ts";
import { createLineGuard } from "../../src/listeners/smtp/line-guard.ts";
import { createFromLineFilter } from "../../src/message/from-line.ts";
import { createHeaderScanner, parseHeader } from "../../src/message/header.ts";
import { loopOf } from "../../src/message/hops.ts";
import { createNewlineNormaliser } from "../../src/message/newlines.ts";
import { prepare } from "../../src/message/rewrite.ts";
import { fingerprintOf } from "../../src/submission/decode.ts";

const MB = 1024 * 1024;
const HEADER = 256 * 1024;

const text = (piece: string, octets: number): string =>
  piece.repeat(Math.ceil(octets / piece.length)).slice(0, octets);

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

const decoded = (input: string): Promise<string> =>
  fingerprintOf(
    (async function* () {
      yield whole(input);
    })(),
  );
const SUBJECT = "Subject: s\r\n";
const TEXT = `${SUBJECT}Content-Type: text/plain\r\n`;

/** What is below the limits of decode-work.ts, so that mailparser really has it. */
const DECODED: readonly Parser[] = [
  {
    name: "a fingerprint: To",
    size: 2 * 1024,
    pieces: [
      "a:a;",
      "a,",
      "\\,",
      "=?a?q?=41?=,",
      "=?x?b??=,",
      "=?utf-7-imap?q?&&&&&&&&&&&&&&&&?= ",
      "&",
      "\xe9",
    ],
    bound: 30,
    run: (input) => decoded(`To: ${input.replace(/.{72}/g, "$&\r\n ")}\r\n\r\nx`),
  },
  {
    name: "a fingerprint: parameters",
    size: 2 * 1024,
    pieces: ["a*=x'';", "a*0=b;", "\\", "=?utf-8?b?A=A=A=A=?="],
    bound: 30,
    run: (input) => decoded(`Content-Type: text/plain; ${input}\r\n\r\nx`),
  },
  {
    name: "a fingerprint: fields",
    size: 2 * 1024,
    pieces: ["a:\r\n", "To:=?x?b??=\r\n", "Cc:a\r\n", "List-a:a\r\n"],
    bound: 30,
    run: (input) => decoded(`${SUBJECT}${input}\r\n\r\nx`),
  },
  {
    name: "a fingerprint: parts",
    size: 1024,
    pieces: ["--b\r\n\r\n", "--b\r\nContent-Type: a/b\r\n\r\nx\r\n"],
    bound: 100,
    run: (input) => decoded(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${input}`),
  },
  {
    name: "a fingerprint: quoted-printable",
    size: 32 * 1024,
    pieces: [`${" ".repeat(70)}x\r\n`, "=41=\r\n", "=0A=0A=0A=\r\n", " \r\n"],
    bound: 3,
    run: (input) => decoded(`${TEXT}Content-Transfer-Encoding: quoted-printable\r\n\r\n${input}`),
  },
  {
    name: "a fingerprint: blanks in quoted-printable",
    size: 2 * 1024,
    pieces: [`${" ".repeat(990)}x\r\n`],
    bound: 30,
    run: (input) => decoded(`${TEXT}Content-Transfer-Encoding: quoted-printable\r\n\r\n${input}`),
  },
  {
    name: "a fingerprint: flowed lines in ISO-2022-JP",
    size: 16 * 1024,
    pieces: [" \r\n", "x \r\n", '\x1b$B!"\x1b(B \r\n'],
    bound: 5,
    run: (input) =>
      decoded(`${SUBJECT}Content-Type: text/plain; format=flowed; charset=iso-2022-jp\r\n\r\n${input}`),
  },
  {
    name: "a fingerprint: base64 of any size",
    size: MB,
    pieces: ["\r\n", `${"QUJD".repeat(19)}\r\n`, "!!!!\r\n"],
    bound: 2,
    run: (input) => decoded(`Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n${input}`),
  },
];

/** The same, of the size that a mail may have: beyond a limit nothing is decoded. */
const BEYOND: readonly Parser[] = [
  {
    name: "a fingerprint beyond the limits: To",
    size: HEADER,
    pieces: ["a:a;", "a,", "To: a@b.c\r\n", "a:\r\n"],
    bound: 3,
    run: (input) => decoded(`To: ${input}\r\n\r\nx`),
  },
  {
    name: "a fingerprint beyond the limits: bodies",
    size: MB,
    pieces: [" ", "=41", "\r\n", "--b\r\n\r\n", `${" ".repeat(990)}x\r\n`],
    bound: 2,
    run: (input) =>
      decoded(
        `${TEXT.replace("plain", 'plain; boundary="b"')}Content-Transfer-Encoding: quoted-printable\r\n\r\n${input}`,
      ),
  },
];

const PARSERS: readonly Parser[] = [
  ...DECODED,
  ...BEYOND,
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
];

describe.each(PARSERS)("$name", ({ size, pieces, bound, run }) => {
  test.each(pieces)("%j", async (piece) => {
    const input = text(piece, size);
    // Short inputs some times over, since the kernel counts in microseconds: at a bound of 30 this may take a second.
    const times = Math.max(1, Math.floor((32 * 1024) / size));
    const seconds = await secondsPerMegabyte(size * times, bound, async () => {
      for (let time = 0; time < times; time++) await run(input);
    });
    expect(seconds).toBeLessThan(bound);
  });
});
