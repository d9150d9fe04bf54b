// The mail digest: which differences of two mails it shows, and which it does not.
import { hash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { DIGEST_OCTETS } from "../../src/ledger/ledger.ts";
import {
  createMailDigest,
  HALF_DIGEST_OCTETS,
  type MailDigests,
  sameBody,
  sameFromAndSubject,
} from "../../src/message/digest.ts";

function digests(from: string | undefined, subject: string | undefined, ...body: string[]): MailDigests {
  const mail = createMailDigest(from, subject);
  for (const chunk of body) mail.body(Buffer.from(chunk));
  return mail.digests();
}

const first = digests("A <a@example.com>", "Hello you", "body\r\n");

test("it has the ledger's length and does not depend on chunks or folding", () => {
  expect(first.digest.length).toBe(DIGEST_OCTETS);
  expect(digests(" A  <a@example.com>", "Hello \t you ", "bo", "", "dy\r\n")).toEqual(first);
});

test("From and Subject are one half, the body the other", () => {
  const otherSubject = digests("A <a@example.com>", "Hello me", "body\r\n");
  expect(sameFromAndSubject(first.digest, otherSubject)).toBe(false);
  expect(sameBody(first.digest, otherSubject.digest)).toBe(true);
  const otherBody = digests("A <a@example.com>", "Hello you", "body 2\r\n");
  expect(sameFromAndSubject(first.digest, otherBody)).toBe(true);
  expect(sameBody(first.digest, otherBody.digest)).toBe(false);
});

type FromAndSubject = readonly [from: string | undefined, subject: string | undefined];

const isSame = (one: FromAndSubject, other: FromAndSubject): boolean =>
  sameFromAndSubject(digests(...one).digest, digests(...other));

test("a word that moves from From to Subject is a difference", () => {
  expect(isSame(["a b", "c"], ["a", "b c"])).toBe(false);
  expect(isSame(["a", undefined], [undefined, "a"])).toBe(false);
});

describe("one way to write a mail and another are one mail", () => {
  test.for([
    ["quotes", '"Shop" <a@b.example>', "Shop <a@b.example>"],
    ["quotes that are needed", '"Shop, Inc." <a@b.example>', "=?utf-8?q?Shop=2C_Inc=2E?= <a@b.example>"],
    ["encoded words", "=?UTF-8?B?SsO2cmc=?= <a@b.example>", "=?iso-8859-1?Q?J=F6rg?= <a@b.example>"],
    ["UTF-8 as it is", "Jörg <a@b.example>", "=?UTF-8?B?SsO2cmc=?= <a@b.example>"],
    ["encoded words in quotes", '"=?UTF-8?B?SsO2cmc=?=" <a@b.example>', "Jörg <a@b.example>"],
    ["angle brackets", "<a@b.example>", "a@b.example"],
    ["the case of the domain", "a@B.Example", "a@b.example"],
    ["a domain in U-labels", "a@bücher.example", "a@xn--bcher-kva.example"],
    ["a name behind the address", "a@b.example (Shop)", "Shop <a@b.example>"],
    ["plain words, in quotes", '"Mr. A-B 2" <a@b.example>', "Mr. A-B 2 <a@b.example>"],
    ["several mailboxes", '"A" <a@b.example>,c@d.example', "A <a@b.example>, c@d.example"],
  ] as const)("From: %s", ([, one, other]) => {
    expect(isSame([one, "x"], [other, "x"])).toBe(true);
  });

  test.for([
    ["encoded words", "=?utf-8?Q?W=C3=B6rld?=", "=?utf-8?B?V8O2cmxk?="],
    ["UTF-8 as it is", "Hello Wörld", "Hello =?utf-8?Q?W=C3=B6rld?="],
    ["a word or two", "=?utf-8?Q?Hello?= =?utf-8?Q?_W=C3=B6rld?=", "=?utf-8?Q?Hello_W=C3=B6rld?="],
    ["plain text", "=?us-ascii?Q?Hello?=", "Hello"],
    ["nothing", "", undefined],
  ] as const)("Subject: %s", ([, one, other]) => {
    expect(isSame(["a@b.example", one], ["a@b.example", other])).toBe(true);
  });
});

describe("what people would read as another mail is another mail", () => {
  test.for([
    ["another name", "Shop <a@b.example>", "Shop 2 <a@b.example>"],
    ["another mailbox of the domain", "Shop <a@b.example>", "Shop <A@b.example>"],
    ["another domain", "Shop <a@b.example>", "Shop <a@c.example>"],
    ["a name with an address in it", '"a@b.example" <c@d.example>', "a@b.example, c@d.example"],
    ["one more mailbox", "a@b.example", "a@b.example, c@b.example"],
    ["empty groups", "One:;", "Two:;"],
    ["no list of mailboxes", "Shop, Inc. <a@b.example>", "Inc. <a@b.example>"],
    ["not in the charset", "=?utf-8?Q?=FF?= <a@b.example>", "=?utf-8?Q?=FE?= <a@b.example>"],
  ] as const)("From: %s", ([, one, other]) => {
    expect(isSame([one, "x"], [other, "x"])).toBe(false);
  });

  test.for([
    ["capitals", "=?utf-8?Q?hello?=", "Hello"],
    ["not in the charset", "=?utf-8?Q?=FF?=", "=?utf-8?Q?=FE?="],
    ["a charset that nobody knows", "=?x-mine?Q?a?=", "=?x-mine?Q?b?="],
  ] as const)("Subject: %s", ([, one, other]) => {
    expect(isSame(["a@b.example", one], ["a@b.example", other])).toBe(false);
  });
});

describe("what 0.1.0 has put into the ledger", () => {
  /** As written there: white space collapsed, no more. */
  const formerly = (from: string, subject: string): Uint8Array =>
    hash("sha256", `${from}\0${subject}`, "buffer").subarray(0, HALF_DIGEST_OCTETS);

  test.for([
    ["App <app@sender.example>", "Order 1"],
    ['"Shop, Inc." <a@b.example>', "=?utf-8?Q?W=C3=B6rld?="],
    ["<a@B.Example>", "Plain"],
  ] as const)("is known of %s, %s", ([from, subject]) => {
    expect(sameFromAndSubject(formerly(from, subject), digests(from, subject))).toBe(true);
    expect(sameFromAndSubject(formerly(from, `${subject}.`), digests(from, subject))).toBe(false);
  });

  test("is what is kept of a mail with nothing to decode", () => {
    const { digest } = digests("App <app@sender.example>", "Order 1");
    expect(digest.subarray(0, HALF_DIGEST_OCTETS)).toEqual(
      new Uint8Array(formerly("App <app@sender.example>", "Order 1")),
    );
  });
});
