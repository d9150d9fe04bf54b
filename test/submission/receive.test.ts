// Receiving content: what arrives in the smallest pieces is the same content.
import { expect, test } from "vitest";
import type { FileWriter } from "../../src/runtime/storage.ts";
import { BODY_IN_MEMORY_OCTETS, receiveContent } from "../../src/submission/receive.ts";

const limits = { messageOctets: 1_000_000, headerOctets: 10_000, lineOctets: 998 };

/** The body as it was received, from memory or from the file. */
async function received(body: string, pieceOctets: number): Promise<string> {
  const octets = Buffer.from(`Subject: x\r\n\r\n${body}`);
  async function* pieces() {
    for (let at = 0; at < octets.length; at += pieceOctets) yield octets.subarray(at, at + pieceOctets);
  }
  const file: Uint8Array[] = [];
  const writer: FileWriter = {
    append: async (piece) => void file.push(piece),
    close: async () => {},
    discard: async () => {},
  };
  const result = await receiveContent(pieces(), limits, async () => writer);
  if (result.kind !== "content") throw new Error(result.reply.text);
  expect(result.content.body === undefined).toBe(body.length > BODY_IN_MEMORY_OCTETS);
  return Buffer.concat(result.content.body === undefined ? file : [result.content.body]).toString();
}

test.each([1, 3, 100, 70_000])("in pieces of %i octets", async (pieceOctets) => {
  const line = "0123456789\r\n";
  for (const lines of [0, 1, 1_000, 6_000]) {
    const body = line.repeat(lines);
    expect(await received(body, pieceOctets)).toBe(body);
  }
});
