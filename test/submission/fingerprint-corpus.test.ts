// A fingerprint is kept for days in the ledger, so another version of the decoder must find the same one: each message
// of fixtures/messages, as mailers compose them, has the fingerprint that fixtures/vectors/fingerprint.json has.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fingerprintOf } from "../../src/submission/decode.ts";

const fixture = (name: string): URL => new URL(`../../fixtures/${name}`, import.meta.url);
const VECTORS = JSON.parse(readFileSync(fixture("vectors/fingerprint.json"), "utf8")) as Record<
  string,
  string
>;

const messages = readdirSync(fixture("messages"));

test.each(messages)("%s", async (name) => {
  async function* content() {
    yield readFileSync(fixture(`messages/${name}`));
  }
  expect(await fingerprintOf(content())).toBe(VECTORS[name]);
});

test("every vector has its message", () => {
  expect(Object.keys(VECTORS).sort()).toEqual(messages.sort());
});
