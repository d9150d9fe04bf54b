// What may be submitted: patterns, and the rules of everybody and of single users.
import fc from "fast-check";
import { expect, test } from "vitest";
import { createPolicy } from "../../src/access/policy.ts";
import { addressPatternFault, addressPatterns } from "../../src/address/pattern.ts";
import { type Config, loadConfig } from "../../src/config/config.ts";
import { parseHeader } from "../../src/message/header.ts";
import { sesNamesOf } from "../../src/message/ses-fields.ts";

const configOf = (changes: Partial<Pick<Config, "policy" | "users" | "identity">>): Config => {
  const plain = loadConfig({ environment: {} });
  return { ...plain, ...changes };
};

const someone = { address: "192.0.2.1" };
const tenant = { address: "192.0.2.1", user: "shop" };

test.each([
  ["someone@example.com", "someone@example.com", true],
  ["someone@example.com", "SomeOne@example.com", true],
  ["someone@example.com", "other@example.com", false],
  ["example.com", "other@example.com", true],
  ["example.com", "other@mail.example.com", false],
  ["example.com", "other@notexample.com", false],
  ["*.example.com", "other@mail.example.com", true],
  ["*.example.com", "other@a.b.example.com", true],
  ["*.example.com", "other@example.com", false],
  ["*.example.com", "other@notexample.com", false],
  ["bücher.example", "other@xn--bcher-kva.example", true],
  ["<>", "", true],
  ["example.com", "", false],
  ["<>", "other@example.com", false],
])("%s and %s", (pattern, address, matches) => {
  expect(addressPatternFault(pattern)).toBeUndefined();
  expect(addressPatterns([pattern]).has(address)).toBe(matches);
});

test.each(["", "@", "*", "*.", "a b", "some one@example.com", "@example.com", "https://example.com"])(
  "%j is no pattern",
  (text) => {
    expect(addressPatternFault(text)).toContain(JSON.stringify(text).slice(1, -1));
  },
);

test("an address is named by itself, by its domain, and by all domains above it, in any case", () => {
  const label = fc.stringMatching(/^[a-z]{1,8}$/);
  fc.assert(
    fc.property(
      label,
      fc.array(label, { minLength: 2, maxLength: 4 }),
      fc.boolean(),
      (local, labels, upper) => {
        const domain = labels.join(".");
        const address = `${upper ? local.toUpperCase() : local}@${domain}`;
        const above = labels.slice(1).map((_, index) => `*.${labels.slice(index + 1).join(".")}`);
        for (const pattern of [`${local}@${domain}`, domain, ...above]) {
          expect(addressPatterns([pattern]).has(address)).toBe(true);
        }
        expect(addressPatterns([`x${domain}`, `*.${domain}`, `x${local}@${domain}`]).has(address)).toBe(
          false,
        );
      },
    ),
  );
});

test("without rules everything may be submitted, under the namespace of who submits it", async () => {
  const policy = createPolicy(configOf({}));
  expect(await policy.mail(someone, "")).toBeUndefined();
  expect(await policy.recipient(someone, "someone@example.net")).toBeUndefined();
  expect(policy.from(undefined, [])).toBeUndefined();
  expect(policy.recipientsMaxOf(undefined)).toBe(1_000);
  expect(policy.namespaceOf(undefined)).toBe("");
  expect(policy.namespaceOf("shop")).toBe("shop");
  // A name that every object has.
  expect(policy.namespaceOf("constructor")).toBe("constructor");
});

test("the configured namespace comes before the name, and that of the user before both", () => {
  const { identity } = configOf({});
  const policy = createPolicy(
    configOf({ identity: { ...identity, namespace: "all" }, users: { shop: { namespace: "till" } } }),
  );
  expect(policy.namespaceOf(undefined)).toBe("all");
  expect(policy.namespaceOf("other")).toBe("all");
  expect(policy.namespaceOf("shop")).toBe("till");
});

test("a user has his own rules in place of everybody's, and nobody escapes a denied recipient", async () => {
  const policy = createPolicy(
    configOf({
      policy: { reverse_paths: ["example.com"], denied_recipients: ["*.invalid"], recipients_max: 5 },
      users: {
        shop: {
          reverse_paths: ["shop.example", "<>"],
          allowed_recipients: ["example.net"],
          denied_recipients: ["nobody@example.net"],
          recipients_max: 2,
        },
      },
    }),
  );
  expect(await policy.mail(someone, "me@example.com")).toBeUndefined();
  expect(await policy.mail(someone, "me@shop.example")).toMatchObject({ kind: "never" });
  expect(await policy.mail(someone, "")).toMatchObject({ kind: "never" });
  expect(await policy.mail(tenant, "me@shop.example")).toBeUndefined();
  expect(await policy.mail(tenant, "me@example.com")).toMatchObject({ kind: "never" });
  expect(await policy.mail(tenant, "")).toBeUndefined();
  expect(await policy.recipient(someone, "a@example.org")).toBeUndefined();
  expect(await policy.recipient(someone, "a@b.invalid")).toMatchObject({ kind: "never" });
  expect(await policy.recipient(tenant, "a@example.net")).toBeUndefined();
  expect(await policy.recipient(tenant, "NOBODY@example.net")).toMatchObject({ kind: "never" });
  expect(await policy.recipient(tenant, "a@example.org")).toMatchObject({ kind: "never" });
  expect([policy.recipientsMaxOf(undefined), policy.recipientsMaxOf("shop")]).toEqual([5, 2]);
});

test.each([
  [["App <app@shop.example>"], true],
  [["a@shop.example, b@news.shop.example"], true],
  [["Team: a@shop.example, b@shop.example;"], true],
  [["a@shop.example, ceo@bank.example"], false],
  [['"a@shop.example" <ceo@bank.example>'], false],
  [["App <app@shop.example>", "ceo@bank.example"], false],
  [[], false],
  [[""], false],
  [["undisclosed"], false],
  // By the grammar one mailbox, and no reader finds another.
  [['"m@bank.example" <a@shop.example>'], true],
  [["a@shop.example (m@bank.example)"], true],
  [["John Q. Public <a@shop.example>"], true],
  [["Zoë =?utf-8?q?B=C3=BCro?= <a@shop.example>"], true],
  [["=?utf-8?q?Doe=2C_Jane?= <a@shop.example>"], true],
  // Not by the grammar: each reader guesses.
  [["a <b@shop.example> <m@bank.example>"], false],
  [["<a@shop.example><m@bank.example>"], false],
  [["a@shop.example m@bank.example"], false],
  [["a@shop.example\tm@bank.example"], false],
  [["m@bank.example@shop.example"], false],
  [["=?utf-8?q?m=40bank=2Eexample?= a@shop.example"], false],
  [["m@bank.example <a@shop.example>"], false],
  [["a@shop.example, "], false],
  [["<@bank.example:a@shop.example>"], false],
  [["a@shop.example (m@bank.example"], false],
  [["Team:;"], false],
  // Another reading: the name is decoded first.
  [["=?utf-8?q?=3Cm=40bank=2Eexample=3E=2C?= <a@shop.example>"], false],
  [["a@[192.0.2.1]"], false],
  [[`${"a@shop.example, ".repeat(600)}ceo@bank.example`], false],
])("From %j with from_domains", (values, allowed) => {
  const policy = createPolicy(
    configOf({ users: { shop: { from_domains: ["shop.example", "*.shop.example"] } } }),
  );
  expect(policy.from("shop", values) === undefined).toBe(allowed);
  expect(policy.from(undefined, values)).toBeUndefined();
});

test.each([
  ["X-SES-CONFIGURATION-SET: own", true],
  ["X-SES-CONFIGURATION-SET: others", false],
  ["X-SES-CONFIGURATION-SET: own\r\nx-ses-configuration-set: others", false],
  ["X-SES-TENANT: acme", false],
  ["X-SES-LIST-MANAGEMENT-OPTIONS: contactListName=news; topicName=x", true],
  ["X-SES-LIST-MANAGEMENT-OPTIONS: news;topic=x", true],
  ["X-SES-LIST-MANAGEMENT-OPTIONS: members", false],
  ["X-SES-MESSAGE-TAGS: campaign=1, campaign = 2", true],
  ["X-SES-MESSAGE-TAGS: campaign=1, customer=2", false],
  ["Subject: nothing for SES", true],
])("%j, where some names are allowed", (header, allowed) => {
  const policy = createPolicy(
    configOf({
      policy: { ses_tenants: [], ses_configuration_sets: ["of all"] },
      users: {
        shop: { ses_configuration_sets: ["own"], ses_contact_lists: ["news"], ses_tags: ["campaign"] },
      },
    }),
  );
  const names = sesNamesOf(parseHeader(Buffer.from(`${header}\r\n\r\n`)));
  expect(policy.sesNames("shop", names) === undefined).toBe(allowed);
});

test("an hour's messages and recipients: of a user wherever he is, of an address whoever is there", async () => {
  const policy = createPolicy(
    configOf({ policy: { messages_per_hour: 2, recipients_per_hour: 3, address_messages_per_hour: 3 } }),
  );
  const mail = (submitter: { address: string; user?: string }) => policy.mail(submitter, "");
  expect(await mail(tenant)).toBeUndefined();
  expect(await mail({ ...tenant, address: "2001:db8::1" })).toBeUndefined();
  expect(await mail({ ...tenant, address: "192.0.2.9" })).toMatchObject({ kind: "now" });
  // The user named like an address is not the address.
  expect(await mail({ address: "192.0.2.9", user: "192.0.2.1" })).toBeUndefined();
  expect(await mail(someone)).toBeUndefined();
  expect(await mail(someone)).toBeUndefined();
  expect(await mail(someone)).toMatchObject({ kind: "now" });
  expect(await mail({ ...someone, user: "fourth" })).toMatchObject({ kind: "now" });
  for (const last of [undefined, undefined, undefined, "now"]) {
    expect((await policy.recipient(tenant, "a@example.net"))?.kind).toBe(last);
  }
});
