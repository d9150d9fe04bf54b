import { expect, test } from "vitest";
import { sesFieldsOf } from "../../src/upstream/ses/fields.ts";
import { idOf } from "../support/transmission.ts";

const id = idOf(7);
const fieldsOf = (header: string) =>
  sesFieldsOf(Buffer.from(`${header}\r\n\r\nX-SES-MESSAGE-TAGS: body=1\r\n`), id);
const tagsOf = (header: string) =>
  fieldsOf(header)
    .tags.slice(1)
    .map(({ Name, Value }) => `${Name}=${Value}`);

test("the gateway's own tag is always there, and only once", () => {
  expect(fieldsOf("Subject: x").tags).toEqual([{ Name: "mailonce-id", Value: id }]);
  expect(fieldsOf("X-SES-MESSAGE-TAGS: mailonce-id=forged").tags).toEqual([
    { Name: "mailonce-id", Value: id },
  ]);
});

test("the ledger's tag is there where its name is known, and only once", () => {
  const header = Buffer.from("X-SES-MESSAGE-TAGS: mailonce-ledger=forged, a=1\r\n\r\n");
  expect(sesFieldsOf(header, id, "abcdefghijklmnop").tags).toEqual([
    { Name: "mailonce-id", Value: id },
    { Name: "mailonce-ledger", Value: "abcdefghijklmnop" },
    { Name: "a", Value: "1" },
  ]);
  expect(sesFieldsOf(header, id).tags.map(({ Name }) => Name)).toEqual(["mailonce-id", "a"]);
});

test.each([
  [47, 2, 49],
  [48, 2, 50],
  [49, 1, 50],
  [50, 0, 50],
  [51, 0, 51],
])("a mailer's own %d tags leave room for %d: SES takes 50", (count, own, all) => {
  const list = Array.from({ length: count }, (_, at) => `t${at}=1`).join(", ");
  const { tags } = sesFieldsOf(Buffer.from(`X-SES-MESSAGE-TAGS: ${list}\r\n\r\n`), id, "abcdefghijklmnop");
  expect(tags).toHaveLength(all);
  const names = tags.map(({ Name }) => Name);
  expect(names.slice(0, own)).toEqual(["mailonce-id", "mailonce-ledger"].slice(0, own));
  expect(names.slice(own)).toEqual(Array.from({ length: count }, (_, at) => `t${at}`));
});

test.each([
  ["X-SES-MESSAGE-TAGS: campaign=book", ["campaign=book"]],
  ["x-ses-message-tags: a=1, b=2,c=3", ["a=1", "b=2", "c=3"]],
  ["X-SES-MESSAGE-TAGS: a = 1 ,", ["a=1"]],
  ["X-SES-MESSAGE-TAGS: a=1,\r\n b=2", ["a=1", "b=2"]],
  ["X-SES-MESSAGE-TAGS: a=1\r\nSubject: x\r\nX-SES-MESSAGE-TAGS: a=2, b=3", ["a=1", "b=3"]],
  ["X-SES-MESSAGE-TAGS: ses:feedback-id-a=tenant_1", ["ses:feedback-id-a=tenant_1"]],
  ["X-SES-MESSAGE-TAGS:", []],
])("%j", (header, tags) => {
  expect(tagsOf(header)).toEqual(tags);
  expect(fieldsOf(header).badTags).toBe(0);
});

test.each([
  "a",
  "a=",
  "=1",
  "a=1=2",
  "a b=1",
  "a=é",
  "a=user@example.com",
  "aws:x=1",
  `${"n".repeat(257)}=1`,
  `a=${"v".repeat(257)}`,
])("%j is left out, and the others stay", (bad) => {
  expect(tagsOf(`X-SES-MESSAGE-TAGS: first=1, ${bad}, last=2`)).toEqual(["first=1", "last=2"]);
  expect(fieldsOf(`X-SES-MESSAGE-TAGS: first=1, ${bad}, last=2`).badTags).toBe(1);
});

test("the configuration set, unless it is empty", () => {
  expect(fieldsOf("X-SES-Configuration-Set: events").configurationSet).toBe("events");
  expect(fieldsOf("X-SES-CONFIGURATION-SET: ")).not.toHaveProperty("configurationSet");
});

test("the tenant, unless it is empty", () => {
  expect(fieldsOf("X-SES-TENANT: acme").tenant).toBe("acme");
  expect(fieldsOf("X-SES-TENANT:")).not.toHaveProperty("tenant");
});

test.each([
  ["news", { ContactListName: "news" }],
  ["news; topic=weekly", { ContactListName: "news", TopicName: "weekly" }],
  ["contactListName=news; topicName=weekly", { ContactListName: "news", TopicName: "weekly" }],
  ["contactListName=news;topicName=weekly;", { ContactListName: "news", TopicName: "weekly" }],
  ["CONTACTLISTNAME = news ;\r\n TOPICNAME = weekly", { ContactListName: "news", TopicName: "weekly" }],
  ["; topic=weekly", "unreadable"],
  ["news; weekly", "unreadable"],
  ["news weekly", "unreadable"],
  ["listName=news", "unreadable"],
  ["n".repeat(600), "unreadable"],
])("X-SES-LIST-MANAGEMENT-OPTIONS: %s", (value, list) => {
  expect(fieldsOf(`X-SES-LIST-MANAGEMENT-OPTIONS: ${value}`).list).toEqual(list);
});
