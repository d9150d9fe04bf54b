// What the grammar of RFC 5322 allows is read as it was composed; anything added to it is no list of mailboxes.
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalDomain } from "../../src/address/domain.ts";
import { grammarMailboxes } from "../../src/address/mailbox-grammar.ts";
import { allDomains } from "../../src/address/mailboxes.ts";
import { measureCpu } from "../support/cpu.ts";

const letters = fc.string({ unit: fc.constantFrom(..."abzAZ09+-_é"), minLength: 1, maxLength: 6 });
const domain = fc
  .array(fc.string({ unit: fc.constantFrom(..."abz09"), minLength: 1, maxLength: 5 }), {
    minLength: 1,
    maxLength: 3,
  })
  .map((labels) => labels.join("."));
const quoted = fc
  .string({ unit: fc.constantFrom(...'ab @,;:<>()."\\'), maxLength: 8 })
  .map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`);
const comment = fc.constantFrom("", " ", "(c)", " (a@b.example, <x@y.example> (nested)) ", "\t");
const address = fc.record({
  local: fc.oneof(
    letters,
    fc.tuple(letters, letters).map((two) => two.join(".")),
    quoted,
  ),
  domain,
});
const mailbox = fc
  .record({
    address,
    name: fc.option(fc.oneof(letters, quoted), { nil: undefined }),
    before: comment,
    after: comment,
  })
  .map(({ address: { local, domain }, name, before, after }) => ({
    domain,
    text:
      name === undefined
        ? `${before}${local}@${domain}${after}`
        : `${before}${name}${after}<${local}@${domain}>${before}`,
  }));

test("mailboxes, names, comments and groups as they were composed", () => {
  fc.assert(
    fc.property(fc.array(mailbox, { minLength: 1, maxLength: 4 }), fc.boolean(), (all, isGroup) => {
      const list = all.map(({ text }) => text).join(",");
      const from = isGroup ? `Team:${list};` : list;
      expect(grammarMailboxes(from)?.map(({ domain }) => domain)).toEqual(all.map(({ domain }) => domain));
    }),
    { numRuns: 2_000 },
  );
});

test("whatever passes names every domain that stands after an @ outside quotes and comments", () => {
  const piece = fc.constantFrom(
    "a",
    "@",
    "<",
    ">",
    " ",
    ",",
    ";",
    ":",
    "(",
    ")",
    '"',
    "\\",
    "ok.example",
    "evil.example",
    ".",
    "[",
    "]",
    "\t",
    "é",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
      const from = pieces.join("");
      const domains = allDomains(from);
      if (domains === undefined) return;
      const bare = from.replace(/"(?:\\.|[^"\\])*"/g, "q").replace(/\((?:\\.|[^()\\])*\)/g, " ");
      for (const [, named = ""] of bare.matchAll(/@\s*([a-z.é]+)/g)) {
        if (!bare.includes("(") && named.endsWith(".example"))
          expect(domains).toContain(canonicalDomain(named));
      }
    }),
    { numRuns: 20_000 },
  );
});

test.each([
  // Right by the grammar, and another mailbox to whoever overlooks quotes or backslashes.
  '"m@evil.example, "@ok.example',
  '"m@evil.example"@ok.example',
  '"x\\" <m@evil.example>, \\"y" <x@ok.example>',
])("another reading counts: %s", (from) => {
  const domains = allDomains(from);
  expect(domains === undefined || domains.includes("evil.example")).toBe(true);
});

test("what every reader takes for one mailbox is one", () => {
  for (const from of ['"a b"@ok.example', '"A \\"B\\" C" <x@ok.example>', "x@ok.example (\\(c\\))"]) {
    expect(new Set(allDomains(from)), from).toEqual(new Set(["ok.example"]));
  }
});

test("8 KiB of anything are read in no time, and more are not read", () => {
  const cpuMs = measureCpu();
  for (const piece of ["<", '"', "(", "a,", "@", "=?", ":;", "a@b.c,", "()", "\\", "a:", "."]) {
    allDomains(piece.repeat(8_192 / piece.length));
  }
  expect(cpuMs()).toBeLessThan(2_000);
  expect(allDomains("a@b.example,".repeat(700))).toBeUndefined();
});
