// The mailboxes of From: what is read without the parser is what the parser reads.
import fc from "fast-check";
import addressparser from "nodemailer/lib/addressparser";
import { expect, test } from "vitest";
import { domainOf, mailboxDomains } from "../../src/address/mailboxes.ts";

const parsed = (from: string): (string | undefined)[] =>
  addressparser(from, { flatten: true }).map(({ address }) => domainOf(address));

const word = fc.string({ unit: fc.constantFrom(..."aB9._-+ "), maxLength: 12 });
const mark = fc.constantFrom("@", "<", ">", "@", " ", ",", ";", ":", "(", ")", '"', "\\", "\t", "ä");

test("a mailbox that is plain is read as the parser reads it", () => {
  const named = fc.tuple(word, word, word).map(([name, local, domain]) => `${name}<${local}@${domain}>`);
  const alone = fc.tuple(word, word).map(([local, domain]) => `${local}@${domain}`);
  const mixed = fc.array(fc.oneof(word, mark), { maxLength: 9 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(fc.oneof(named, alone, mixed), (from) => {
      expect(mailboxDomains(from)).toEqual(parsed(from));
    }),
    { numRuns: 20_000 },
  );
});

test.each([
  ["someone@example.org", ["example.org"]],
  ["Some One <some.one+x@Example.ORG>", ["example.org"]],
  ["a@b.example, C <c@d.example>", ["b.example", "d.example"]],
  ["nobody", [undefined]],
])("%s", (from, domains) => {
  expect(mailboxDomains(from)).toEqual(domains);
});
