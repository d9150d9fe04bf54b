// Receiving content: what arrives in the smallest pieces is the same content, what no upstream is to be
// handed is refused, and the memory of all connections together is bounded.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FileWriter } from "../../src/storage/storage.ts";
import {
  BODY_IN_MEMORY_OCTETS,
  type Received,
  type ReceiveLimits,
  receiveContent,
} from "../../src/submission/receive.ts";
import { createReceiveBudget, type ReceiveShare } from "../../src/submission/receive-budget.ts";
import { replies } from "../../src/submission/reply.ts";

const limits: ReceiveLimits = { messageOctets: 1_000_000, headerOctets: 10_000, lineOctets: 998 };

async function* inPieces(octets: Buffer, pieceOctets: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < octets.length; at += pieceOctets) yield octets.subarray(at, at + pieceOctets);
}

const createFile = () => {
  const file: Uint8Array[] = [];
  const writer: FileWriter = {
    append: async (piece) => void file.push(Uint8Array.from(piece)),
    close: async () => {},
    discard: async () => {},
  };
  return { file, create: async () => writer };
};

async function receive(
  text: string,
  {
    pieceOctets = 70_000,
    more = {},
    share,
  }: { pieceOctets?: number; more?: object; share?: ReceiveShare } = {},
): Promise<{ received: Received; body: string }> {
  const { file, create } = createFile();
  const source = inPieces(Buffer.from(text, "latin1"), pieceOctets);
  const received = await receiveContent(source, { ...limits, ...more }, create, share);
  const inMemory = received.kind === "content" ? received.content.body : undefined;
  return { received, body: Buffer.concat(inMemory === undefined ? file : [inMemory]).toString("latin1") };
}

test.each([1, 3, 100, 70_000])("in pieces of %i octets", async (pieceOctets) => {
  const line = "0123456789\r\n";
  for (const lines of [0, 1, 1_000, 6_000]) {
    const sent = line.repeat(lines);
    const { received, body } = await receive(`Subject: x\r\n\r\n${sent}`, { pieceOctets });
    expect(body).toBe(sent);
    expect(received.kind === "content" && received.content.body === undefined).toBe(
      sent.length > BODY_IN_MEMORY_OCTETS,
    );
  }
});

test("a header of 2,000 fields is taken, and one more is refused", async () => {
  const header = (fields: number) => `${"a:\r\n".repeat(fields)}\r\nbody\r\n`;
  expect((await receive(header(2_000))).received.kind).toBe("content");
  expect((await receive(header(2_001))).received).toMatchObject({
    kind: "refused",
    reply: replies.tooManyFields(2_000),
  });
});

describe("line ends and NUL", () => {
  const bare = [
    "Subject: a\rb\r\n\r\nbody\r\n",
    "Subject: a\n\r\nbody\r\n",
    "Subject: a\r\n\r\none\ntwo\r\n",
    "Subject: a\r\n\r\none\rtwo\r\n",
    "Subject: a\r\n\r\n\n.\n",
    "Subject: a\r\n\r\none\r",
    `Subject: a\r\n\r\n${"x\r\n".repeat(40_000)}\n.\r\n`,
  ];

  test.each(bare)("%#: normalised, or refused where that is asked for", async (text) => {
    for (const pieceOctets of [1, 7, 70_000]) {
      expect((await receive(text, { pieceOctets })).received.kind).toBe("content");
      const { received, body } = await receive(text, { pieceOctets, more: { bareNewlines: "reject" } });
      expect(received).toMatchObject({ kind: "refused", reply: replies.bareNewline });
      if (text.length < BODY_IN_MEMORY_OCTETS) expect(body).toBe("");
    }
  });

  test("CRLF alone is taken where anything else is refused", async () => {
    const { received } = await receive("Subject: a\r\n\r\none\r\n.two\r\n\r\n", {
      pieceOctets: 1,
      more: { bareNewlines: "reject" },
    });
    expect(received.kind).toBe("content");
  });

  test.each(["Sub\0ject: a\r\n\r\nbody\r\n", "Subject: a\r\n\r\nbody\r\n\0.\r\nMAIL FROM:<>\r\n", "\0"])(
    "a NUL is refused: %j",
    async (text) => {
      for (const bareNewlines of ["normalize", "reject"]) {
        const { received } = await receive(text, { more: { bareNewlines } });
        expect(received).toMatchObject({ kind: "refused", reply: replies.hasNul });
      }
    },
  );
});

describe("the budget of all connections", () => {
  test("a body that does not fit goes to its file at once", async () => {
    const budget = createReceiveBudget(100);
    const share = budget.open();
    const { received, body } = await receive(`Subject: x\r\n\r\n${"x".repeat(500)}`, { share });
    expect(body).toBe("x".repeat(500));
    expect(received.kind === "content" && received.content.body).toBe(undefined);
    expect(budget.held()).toBe("Subject: x\r\n".length);
    share.close();
    expect(budget.held()).toBe(0);
  });

  test("a header that does not fit is refused for now, and so is the next while the first is held", async () => {
    const budget = createReceiveBudget(1_000);
    const header = (octets: number) => `Subject: ${"x".repeat(octets)}\r\n\r\n`;
    const first = budget.open();
    expect((await receive(header(900), { share: first, pieceOctets: 10 })).received.kind).toBe("content");
    for (const pieceOctets of [10, 70_000]) {
      const share = budget.open();
      const { received } = await receive(header(200), { share, pieceOctets });
      expect(received).toMatchObject({ kind: "refused", reply: replies.busy });
    }
    first.close();
    expect((await receive(header(200), { share: budget.open() })).received.kind).toBe("content");
  });

  test("is kept to at every moment, and all of it comes back however a submission ends", async () => {
    const submission = fc.record({
      header: fc.nat(12_000),
      body: fc.nat(90_000),
      pieceOctets: fc.integer({ min: 500, max: 70_000 }),
      fault: fc.constantFrom("none", "nul", "bare", "long-line", "gone", "create", "append", "close"),
      /** Where it strikes, as a fraction of the content. */
      at: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(submission, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 0, max: 150_000 }),
        async (submissions, octets) => {
          const budget = createReceiveBudget(octets);
          const keptTo = (): void => expect(budget.held()).toBeLessThanOrEqual(octets);
          const shares = await Promise.all(
            submissions.map(async ({ header, body, pieceOctets, fault, at }) => {
              const share = budget.open();
              const text = `Subject: ${"y".repeat(header)}\r\n\r\n${"b"
                .repeat(90)
                .concat("\r\n")
                .repeat(body / 92)}`;
              const cut = Math.floor(at * text.length);
              const inserted =
                { nul: "\0", bare: "\r", "long-line": "z".repeat(1_000) }[fault as "nul"] ?? "";
              const faulty = Buffer.from(text.slice(0, cut) + inserted + text.slice(cut));
              async function* source() {
                for await (const piece of inPieces(faulty, pieceOctets)) {
                  keptTo();
                  yield piece;
                }
                if (fault === "gone") throw new Error("gone");
              }
              const fail = async (call: string): Promise<void> => {
                keptTo();
                if (fault === call) throw new Error(call);
              };
              const writer = {
                append: () => fail("append"),
                close: () => fail("close"),
                discard: async () => {},
              };
              const create = async (): Promise<FileWriter> => {
                await fail("create");
                return writer;
              };
              const before = { ...limits, bareNewlines: "reject" as const };
              const received = await receiveContent(source(), before, create, share).catch(() => undefined);
              keptTo();
              return { share, isHeld: received?.kind === "content" };
            }),
          );
          // Only what is handed on holds something.
          for (const { share, isHeld } of shares) if (isHeld) share.close();
          expect(budget.held()).toBe(0);
          for (const { share } of shares) share.close();
          expect(budget.held()).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });
});

test("a disk that fills while a body arrives is a refusal, and what was written goes", async () => {
  let left = 300_000;
  let discarded = 0;
  const written: number[] = [];
  const create = async (): Promise<FileWriter> => ({
    append: async (piece) => void written.push(piece.length),
    close: async () => {},
    discard: async () => void discarded++,
  });
  const source = inPieces(Buffer.from(`Subject: x\r\n\r\n${"0123456789\r\n".repeat(60_000)}`), 10_000);
  const takeRoom = async (octets: number): Promise<boolean> => {
    left -= octets;
    return left >= 0;
  };
  const received = await receiveContent(source, limits, create, undefined, takeRoom);
  expect(received).toMatchObject({ kind: "refused", reply: replies.full });
  expect(discarded).toBe(1);
  const octets = written.reduce((sum, length) => sum + length, 0);
  expect(octets).toBeLessThanOrEqual(300_000);
  expect(octets).toBeGreaterThan(200_000);
});

test("a body that stays in memory asks for no room of its own", async () => {
  const source = inPieces(Buffer.from("Subject: x\r\n\r\nshort\r\n"), 10);
  const received = await receiveContent(source, limits, createFile().create, undefined, async () => false);
  expect(received.kind).toBe("content");
});
