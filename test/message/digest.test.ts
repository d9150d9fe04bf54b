// The mail digest: which differences of two mails it shows.
import { expect, test } from "vitest";
import { DIGEST_OCTETS } from "../../src/ledger/ledger.ts";
import { createMailDigest, sameBody, sameFromAndSubject } from "../../src/message/digest.ts";

function digest(from: string | undefined, subject: string | undefined, ...body: string[]): Uint8Array {
  const mail = createMailDigest(from, subject);
  for (const chunk of body) mail.body(Buffer.from(chunk));
  return mail.digest();
}

const first = digest("A <a@example.com>", "Hello you", "body\r\n");

test("it has the ledger's length and does not depend on chunks or folding", () => {
  expect(first.length).toBe(DIGEST_OCTETS);
  expect(digest(" A  <a@example.com>", "Hello \t you ", "bo", "", "dy\r\n")).toEqual(first);
});

test("From and Subject are one half, the body the other", () => {
  const otherSubject = digest("A <a@example.com>", "Hello me", "body\r\n");
  expect(sameFromAndSubject(first, otherSubject)).toBe(false);
  expect(sameBody(first, otherSubject)).toBe(true);
  const otherBody = digest("A <a@example.com>", "Hello you", "body 2\r\n");
  expect(sameFromAndSubject(first, otherBody)).toBe(true);
  expect(sameBody(first, otherBody)).toBe(false);
});

test("a word that moves from From to Subject is a difference", () => {
  expect(sameFromAndSubject(digest("a b", "c"), digest("a", "b c"))).toBe(false);
  expect(sameFromAndSubject(digest("a", undefined), digest(undefined, "a"))).toBe(false);
});
