// Decoding for a fingerprint is bounded by work: beyond a limit the fingerprint is over the octets. Each limit is shown
// from both sides, by what the octets are and never by a clock.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createOctetFingerprint } from "../../src/identity/fingerprint.ts";
import { fingerprintOf } from "../../src/submission/decode.ts";
import { LINE_OCTETS_MAX, PARTS_MAX } from "../../src/submission/decode-work.ts";
import { createLineBlocks } from "../../src/submission/line-blocks.ts";
import { createTurns } from "../../src/submission/turns.ts";
import { cut } from "../message/pipeline.ts";

const fingerprint = (octets: Uint8Array, cuts: readonly number[] = []): Promise<string> =>
  fingerprintOf(
    (async function* () {
      yield* cut(octets, cuts);
    })(),
  );

async function isDecoded(message: string): Promise<boolean> {
  const octets = Buffer.from(message, "latin1");
  const over = createOctetFingerprint();
  await over.push(octets);
  return (await fingerprint(octets)) !== (await over.digest());
}

const PART = "--b\r\nContent-Type: application/x\r\n\r\nx\r\n";
const repeated = (piece: string, count: number): string => piece.repeat(count);
const quoted = (body: string): string =>
  `Subject: s\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${body}`;
const typed = (type: string, body: string): string => `Subject: s\r\nContent-Type: ${type}\r\n\r\n${body}`;
const headed = (field: string): string => `${field}\r\n\r\nx\r\n`;
const encoded = (decoded: string): string =>
  `Subject: s\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(decoded)
    .toString("base64")
    .replace(/.{76}/g, "$&\r\n")}\r\n`;
const multipart = (parts: number): string =>
  `Content-Type: multipart/mixed; boundary=b\r\n\r\n${repeated(PART, parts)}--b--\r\n`;

const LIMITS: readonly { name: string; within: string; beyond: string }[] = [
  {
    name: "a line",
    within: typed("text/plain", `${repeated("x", LINE_OCTETS_MAX - 2)}\r\n`),
    beyond: typed("text/plain", `${repeated("x", LINE_OCTETS_MAX)}\r\n`),
  },
  { name: "parts", within: multipart(PARTS_MAX - 1), beyond: multipart(PARTS_MAX + 2) },
  { name: "blanks in one line", within: quoted(repeated(" ", 900)), beyond: quoted(repeated(" ", 9000)) },
  {
    name: "blanks in many lines",
    within: quoted(repeated(`${repeated(" ", 70)}x\r\n`, 100)),
    beyond: quoted(repeated(`${repeated(" ", 70)}x\r\n`, 10_000)),
  },
  {
    name: "escapes",
    within: quoted(repeated("=C3=BC words of a text\r\n", 4_000)),
    beyond: quoted(repeated("=41=41=41=41=41=41=41=\r\n", 10_000)),
  },
  {
    name: "line ends that only base64 shows",
    within: encoded(repeated("some words in a line\n", 10_000)),
    beyond: encoded(repeated("\n", 200_000)),
  },
  {
    name: "flowed lines",
    within: typed("text/plain; format=flowed", repeated("some words in a line \r\n", 2_000)),
    beyond: typed("text/plain; format=flowed", repeated(" \r\n", 100_000)),
  },
  {
    name: "ISO-2022-JP",
    within: typed("text/plain; charset=iso-2022-jp", repeated('\x1b$B!"!"!"!"!"\x1b(B\r\n', 2_000)),
    beyond: typed("text/plain; charset=iso-2022-jp", repeated('\x1b$B!"!"!"!"!"\x1b(B\r\n', 20_000)),
  },
  {
    name: "a text",
    within: typed("text/plain", repeated("Some words in a line, as in a log of a machine.\r\n", 9_000)),
    beyond: typed("text/plain", repeated("Some words in a line, as in a log of a machine.\r\n", 40_000)),
  },
  {
    name: "recipients",
    within: headed(`To: ${repeated("Some Name <some.name@example.com>,\r\n ", 400)}a@b.c`),
    beyond: headed(`To: ${repeated("Some Name <some.name@example.com>,\r\n ", 2_000)}a@b.c`),
  },
  {
    name: "encoded names",
    within: headed(`To: ${repeated("=?utf-8?q?B=C3=BCro?= <office@example.com>,\r\n ", 100)}a@b.c`),
    beyond: headed(`To: ${repeated("=?utf-8?q?B=C3=BCro?= <office@example.com>,\r\n ", 1_000)}a@b.c`),
  },
  {
    name: "groups",
    within: headed(`To: ${repeated("a:a;", 100)}`),
    beyond: headed(`To: ${repeated("a:a;", 1_000)}`),
  },
  {
    name: "fields",
    within: headed(`Subject: s\r\n${repeated("X-A: 1\r\n", 200)}X-B: 1`),
    beyond: headed(`Subject: s\r\n${repeated("X-A: 1\r\n", 5_000)}X-B: 1`),
  },
  {
    name: "parameters in pieces",
    within: typed(`application/x; ${Array.from({ length: 20 }, (_, n) => `name*${n}*=%41;`).join(" ")}`, "x"),
    beyond: typed(
      `application/x; ${Array.from({ length: 2_000 }, (_, n) => `name*${n}*=%41;`).join(" ")}`,
      "x",
    ),
  },
  {
    name: "UTF-7",
    within: typed("text/plain; charset=utf-8", "x"),
    beyond: typed("text/plain; charset=u.t.f-7", "x"),
  },
];

test.each(LIMITS)(
  "$name: within the limit it is decoded, beyond over its octets",
  async ({ within, beyond }) => {
    expect(await isDecoded(within)).toBe(true);
    expect(await isDecoded(beyond)).toBe(false);
  },
);

test.each([
  ["base64", "QUJDREVG\r\n"],
  ["8bit", "Some words in a line, as in a log of a machine.\r\n"],
])("attachments of any size are decoded, %s", async (encoding, line) => {
  const part = `Content-Type: text/csv\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
  const body = repeated(line, 200_000);
  expect(
    await isDecoded(`Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${part}${body}--b--\r\n`),
  ).toBe(true);
});

test.each([
  "Date: never",
  "Date: Mon, 1 Jan 2024 00:00:00 +0000",
  "Content-Type: text/plain; charset=iso-2022-jp",
])("a message that is attached inline is decoded, and read to its end: %s", async (field) => {
  const attached = (body: string) =>
    `Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n${field}\r\n${body}`;
  for (const body of ["", "\r\n", "\r\ntext\r\n"]) expect(await isDecoded(attached(body))).toBe(true);
});

/** Waits some turns of the event loop after each chunk, as the disk makes it wait. */
async function* slowly(octets: Uint8Array, cuts: readonly number[], waits: readonly number[]) {
  let chunk = 0;
  for (const piece of cut(octets, cuts)) {
    for (let turn = waits[chunk++ % waits.length] ?? 0; turn > 0; turn--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    yield piece;
  }
}

test("neither the cuts between chunks nor what else the loop does changes a fingerprint", async () => {
  const piece = fc.constantFrom(
    "Content-Type: multipart/mixed; boundary=b\r\n",
    "Content-Type: text/html; charset=iso-8859-15\r\n",
    "Content-Type: text/plain; format=flowed; delsp=yes\r\n",
    "Content-Type: text/plain; charset=iso-2022-jp\r\n",
    "Content-Type: application/x-a\r\n",
    "Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "Subject: =?utf-8?q?=C3=BC?=\r\n",
    "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n",
    "Date: never\r\n",
    "\r\n",
    "--b\r\n",
    "--b--\r\n",
    repeated("=C3=BC words \r\n", 900),
    repeated("QUJD", 9_000),
    repeated(`${repeated("QUJD", 19)}\r\n`, 500),
    repeated("\r\n", 4_000),
    repeated(" ", 800),
    repeated("x", LINE_OCTETS_MAX - 10),
  );
  const message = fc.array(piece, { maxLength: 16 }).map((pieces) => Buffer.from(pieces.join(""), "latin1"));
  await fc.assert(
    fc.asyncProperty(
      message,
      fc.array(fc.nat(200_000), { maxLength: 20 }),
      fc.array(fc.nat(9), { minLength: 1, maxLength: 5 }),
      async (octets, cuts, waits) => {
        const whole = await fingerprint(octets);
        expect(await fingerprintOf(slowly(octets, cuts, waits))).toBe(whole);
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);

test("blocks are whole lines, and follow from the octets alone", () => {
  const lines = fc.array(
    fc.nat(20).map((length) => `${repeated("x", length)}\n`),
    { maxLength: 30 },
  );
  const blocksOf = (octets: Uint8Array, cuts: readonly number[]): string[] => {
    const blocks = createLineBlocks(16);
    const out = [...cut(octets, cuts)].flatMap((chunk) => blocks.push(chunk));
    expect(blocks.tooLong() && blocks.rest().length > 0).toBe(false);
    return [...(blocks.tooLong() ? out : [...out, blocks.rest()])].map((block) =>
      Buffer.from(block).toString(),
    );
  };
  fc.assert(
    fc.property(lines, fc.array(fc.nat(600)), (texts, cuts) => {
      const octets = Buffer.from(texts.join(""));
      const blocks = blocksOf(octets, cuts);
      expect(blocks).toEqual(blocksOf(octets, []));
      for (const block of blocks.slice(0, -1)) expect(block).toMatch(/\n$/);
      const longest = Math.max(0, ...texts.map(({ length }) => length));
      if (longest <= 16) expect(blocks.join("")).toBe(texts.join(""));
    }),
  );
});

describe("turns", () => {
  test("a small mail has its fingerprint while a large one is decoded", async () => {
    const turns = createTurns();
    const order: string[] = [];
    const take = async (name: string, content: Iterable<Uint8Array>) => {
      const chunks = (async function* () {
        yield* content;
      })();
      await fingerprintOf(chunks, turns);
      order.push(name);
    };
    const part = "Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    const large = Buffer.from(`${part}${repeated("\r\n", 2 << 20)}x\r\n`);
    const small = Buffer.from("Subject: s\r\n\r\nx\r\n");
    await Promise.all([
      take("large", [large]),
      ...Array.from({ length: 5 }, (_, n) => take(`small ${n}`, [small])),
    ]);
    expect(order.at(-1)).toBe("large");
  });

  test("each gets one in its order, and one a turn of the loop", async () => {
    const turns = createTurns();
    const order: string[] = [];
    const take = async (name: string, count: number) => {
      for (let n = 0; n < count; n++) {
        await turns.take();
        order.push(name);
      }
    };
    let loops = 0;
    const counter = setInterval(() => {}, 1_000);
    const count = (): void => {
      loops++;
      if (order.length < 8) setImmediate(count);
    };
    setImmediate(count);
    await Promise.all([take("large", 6), take("small", 2)]);
    clearInterval(counter);
    expect(order).toEqual(["large", "small", "large", "small", "large", "large", "large", "large"]);
    expect(loops).toBeGreaterThanOrEqual(8);
  });
});
