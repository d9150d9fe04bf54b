// Canonical forms of task, part and recipient: which spellings become one, and that no others do.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalRecipient } from "../../src/address/recipient.ts";
import { deriveId } from "../../src/identity/message-id.ts";
import { canonicalNamespace, canonicalPart, canonicalTask } from "../../src/identity/task.ts";
import { measureCpu } from "../support/cpu.ts";

const UUID = "a9e5a73a-4d4a-4995-a91c-90295e27100a";

describe("task", () => {
  const ok = (value: string, task: string) => expect(canonicalTask(value)).toEqual({ ok: true, task });
  const bad = (value: string, fault: string) => expect(canonicalTask(value)).toEqual({ ok: false, fault });

  test("every spelling of a UUID agrees", () => {
    fc.assert(
      fc.property(
        fc.uuid(),
        fc.nat(7),
        fc.boolean(),
        fc.constantFrom("", " ", "\t", "\r\n "),
        (uuid, form, upper, pad) => {
          const plain = form & 1 ? uuid.replaceAll("-", "") : uuid;
          const braced = form & 2 ? `{${plain}}` : plain;
          const named = form & 4 ? `urn:uuid:${braced}` : braced;
          ok(`${pad}${upper ? named.toUpperCase() : named}${pad}`, uuid);
        },
      ),
    );
  });

  test("what only looks like a UUID stays as it is", () => {
    for (const value of [
      `{${UUID}`,
      `${UUID}}`,
      UUID.slice(1),
      `${UUID}0`,
      `uuid:${UUID}`,
      UUID.replace("-", ""),
      `g${UUID.slice(1)}`,
    ]) {
      ok(value, value);
    }
    ok("Invoice-42", "Invoice-42");
  });

  test("unfolded and trimmed, white space inside kept", () => {
    ok(" nightly\r\n  report  2013 \r\n", "nightly  report  2013");
    ok("~".repeat(255), "~".repeat(255));
  });

  test("faults say what is wrong and where", () => {
    bad("", "is empty");
    bad(" \t\r\n ", "is empty");
    bad("a".repeat(256), "is 256 characters long; at most 255 are allowed");
    bad("ab\0c", "has a control character (U+0000) at position 3");
    bad("a\tb", "has a control character (U+0009) at position 2");
    bad("a\nb", "has a control character (U+000A) at position 2");
    bad("\x7f", "has a control character (U+007F) at position 1");
    bad("caf\xe9", "has a character outside ASCII (U+00E9) at position 4");
    bad("日", "has a character outside ASCII (U+65E5) at position 1");
  });

  test("it is idempotent", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (value) => {
        const first = canonicalTask(value);
        if (first.ok) expect(canonicalTask(first.task)).toEqual(first);
      }),
    );
  });

  test("part and namespace may be empty, and a UUID in them stays as it is", () => {
    expect(canonicalPart(" ")).toEqual({ ok: true, part: "" });
    expect(canonicalPart(UUID.toUpperCase())).toEqual({ ok: true, part: UUID.toUpperCase() });
    expect(canonicalNamespace(" billing ")).toEqual({ ok: true, namespace: "billing" });
    expect(canonicalNamespace("b\xfcro")).toMatchObject({ ok: false });
  });

  test("64 KiB of white space cost nothing", () => {
    const cpuMs = measureCpu();
    bad(`a${" ".repeat(65_536)}b`, "is 65538 characters long; at most 255 are allowed");
    expect(cpuMs()).toBeLessThan(1000);
  });
});

describe("recipient", () => {
  test.each([
    ["user@example.com", "user@example.com"],
    ["User+Tag@EXAMPLE.Com", "User+Tag@example.com"],
    ['"user"@example.com', "user@example.com"],
    ['"us\\er"@example.com', "user@example.com"],
    ['"first.last"@example.com', "first.last@example.com"],
    ['"first last"@example.com', '"first last"@example.com'],
    ['"first\\ last"@example.com', '"first last"@example.com'],
    ["first\\ last@example.com", '"first last"@example.com'],
    ['"a@b"@example.com', '"a@b"@example.com'],
    ['"a\\"b\\\\c"@example.com', '"a\\"b\\\\c"@example.com'],
    ['""@example.com', '""@example.com'],
    ["a..b.@docomo.example", "a..b.@docomo.example"],
    ["user@münchen.example", "user@xn--mnchen-3ya.example"],
    ["user@XN--MNCHEN-3YA.example", "user@xn--mnchen-3ya.example"],
    ["user@straße.example", "user@xn--strae-oqa.example"],
    ["jürgen@example.com", "jürgen@example.com"],
    ["user@[192.0.2.1]", "user@[192.0.2.1]"],
    ["user@[IPv6:2001:DB8::1]", "user@[ipv6:2001:db8::1]"],
    ["user@my_host", "user@my_host"],
    ["Postmaster", "postmaster"],
    ["Postmaster@Example.com", "Postmaster@example.com"],
  ])("%s", (given, recipient) => {
    expect(canonicalRecipient(given)).toEqual({ ok: true, recipient });
    expect(canonicalRecipient(recipient)).toEqual({ ok: true, recipient });
  });

  test.each([
    ["", "is empty"],
    ["user", "has no domain"],
    ["@example.com", "has no valid local-part"],
    ["first last@example.com", "has no valid local-part"],
    ["a@b@example.com", "has no valid local-part"],
    ["us\0er@example.com", "has no valid local-part"],
    ['"us\ner"@example.com', "has no valid local-part"],
    ['"user@example.com', "has quotes that aren't closed before an @"],
    ['"user"', "has quotes that aren't closed before an @"],
    ['"us"er@example.com', "has quotes that aren't closed before an @"],
    ["user@", "has no valid domain"],
    ["user@example..com", "has no valid domain"],
    ["user@example.com.", "has no valid domain"],
    ["user@-example.com", "has no valid domain"],
    ["user@exa mple.com", "has no valid domain"],
    ["user@ex%61mple.com", "has no valid domain"],
    ["user@ü.ex%61mple", "has no valid domain"],
    [`user@${"a".repeat(64)}.example`, "has no valid domain"],
    ["user@[192.0.2.256]", "has no valid domain"],
    ["user@[IPv6:fe80::1%eth0]", "has no valid domain"],
    ["user@[192.0.2.1", "has no valid domain"],
    ["us\ud800er@example.com", "has half a character"],
    [`${"a".repeat(320)}@b`, "is 322 characters long; at most 320 are allowed"],
  ])("%j is refused", (given, fault) => {
    expect(canonicalRecipient(given)).toEqual({ ok: false, fault });
  });

  test("a host that a browser reads as an address stays a name", () => {
    expect(canonicalRecipient("user@0x7f.1")).toEqual({ ok: true, recipient: "user@0x7f.1" });
  });

  test("it is idempotent, and no control character passes", () => {
    const character = fc.oneof(
      fc.constantFrom(
        '"',
        "\\",
        "@",
        ".",
        "[",
        "]",
        " ",
        "\0",
        "\r",
        "\n",
        "\x7f",
        "\x85",
        "ü",
        "ß",
        "a",
        "B",
      ),
      fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    );
    const path = fc
      .tuple(
        fc.array(character, { maxLength: 8 }),
        fc.constantFrom("@example.com", "@B.example", ""),
        fc.boolean(),
      )
      .map(([local, domain, quote]) => (quote ? `"${local.join("")}"${domain}` : local.join("") + domain));
    fc.assert(
      fc.property(path, (value) => {
        const first = canonicalRecipient(value);
        if (!first.ok) return;
        expect(canonicalRecipient(first.recipient)).toEqual(first);
        expect(first.recipient).not.toMatch(/\p{Cc}/u);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("id", () => {
  test("no two mails share one by a character that moves from one field to the next", () => {
    const text = fc.stringMatching(/^[ab@. -]{0,4}$/);
    const mail = fc.record({
      secret: fc.constant(""),
      namespace: text,
      task: text,
      recipient: text,
      part: text,
    });
    const tuple = (parts: Parameters<typeof deriveId>[0]) =>
      JSON.stringify([parts.namespace, parts.task, parts.recipient, parts.part]);
    fc.assert(
      fc.property(mail, mail, (a, b) => {
        expect(deriveId(a) === deriveId(b)).toBe(tuple(a) === tuple(b));
      }),
    );
    // The same characters, cut elsewhere: each cut is another id.
    const ids = new Set<string>();
    const characters = "abcdef";
    let cuts = 0;
    for (let i = 0; i <= 6; i++) {
      for (let j = i; j <= 6; j++) {
        for (let k = j; k <= 6; k++, cuts++) {
          const [namespace, task] = [characters.slice(0, i), characters.slice(i, j)];
          const [recipient, part] = [characters.slice(j, k), characters.slice(k)];
          ids.add(deriveId({ secret: "", namespace, task, recipient, part }));
        }
      }
    }
    expect(ids.size).toBe(cuts);
  });
});
