// What SES's events need at AWS is defined for CloudFormation and Terraform, and its rights in the documentation too. They
// say the same, and what the code does.
import { expect, test } from "vitest";
import { blocksOf, read } from "../../docs/tables.ts";

const cloudFormation = read("examples/ses-events/events.cloudformation.yaml");
const terraform = read("examples/ses-events/events.tf");
const doc = read("docs/ses-events.md");

const rights = (text: string): string[] =>
  [...new Set(text.match(/(?:sqs|ses):(?:Receive|Delete|Change|Get)\w+/g))].sort();

/** All of one thing in a text, in their order. */
const allOf = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([, one = ""]) => one);

test("the rights are the same, and those of the requests that are made", () => {
  const [policy = ""] = blocksOf(doc, "json");
  expect(JSON.parse(policy)).toMatchObject({ Version: "2012-10-17" });
  expect(rights(cloudFormation)).toEqual(rights(policy));
  expect(rights(terraform)).toEqual(rights(policy));
  const ofSqs = rights(policy).filter((right) => right.startsWith("sqs:"));
  const made = allOf(read("src/upstream/ses/events/sqs.ts"), /new (\w+?)(?:Batch)?Command\(/g);
  expect([...new Set(made)].map((one) => `sqs:${one}`).sort()).toEqual(ofSqs);
  const named = allOf(read("src/upstream/ses/events/sqs.ts"), /tried\("(sqs:\w+)"/g);
  expect(named.sort()).toEqual(ofSqs);
  expect(read("src/upstream/ses/events/check.ts")).toContain(
    rights(policy).find((right) => right.startsWith("ses:")),
  );
});

test("both publish the same events, Send among them, to a topic", () => {
  const [yaml = ""] = allOf(cloudFormation, /MatchingEventTypes: \[([^\]]+)\]/g);
  const [tf = ""] = allOf(terraform, /matching_event_types = \[([^\]]+)\]/g);
  const types = yaml.split(", ").map((type) => type.replace(/[A-Z]/g, "_$&").toUpperCase());
  expect(tf.replaceAll('"', "").split(", ")).toEqual(types);
  expect(types).toContain("SEND");
  expect(cloudFormation).toMatch(/SnsDestination:\s+TopicARN: !Ref Topic/);
  expect(terraform).toMatch(/sns_destination \{\s+topic_arn = aws_sns_topic\.events\.arn/);
});

test("both queues are alike: waits, retention, and receipts before the dead-letter queue", () => {
  const yaml = (name: string) => allOf(cloudFormation, new RegExp(`${name}: (\\w+)`, "g"));
  const tf = (name: string) => allOf(terraform, new RegExp(`${name} += (\\w+)`, "g"));
  expect(yaml("maxReceiveCount")).toEqual(["100"]);
  expect(tf("maxReceiveCount")).toEqual(["100"]);
  expect(yaml("MessageRetentionPeriod")).toEqual(tf("message_retention_seconds"));
  expect(yaml("ReceiveMessageWaitTimeSeconds")).toEqual(tf("receive_wait_time_seconds"));
  expect(yaml("VisibilityTimeout")).toEqual(tf("visibility_timeout_seconds"));
  expect(yaml("RawMessageDelivery")).toEqual(tf("raw_message_delivery"));
});

test("each resource that CloudFormation refers to is there", () => {
  const made = allOf(cloudFormation.slice(cloudFormation.indexOf("Resources:")), /^ {2}(\w+):$/gm);
  const asked = [
    ...allOf(cloudFormation, /!Ref (\w+)(?![\w:])/g),
    ...allOf(cloudFormation, /!GetAtt (\w+)\./g),
    ...allOf(cloudFormation, /DependsOn: (\w+)/g),
  ].filter((name) => name !== "Name" && name !== "AWS");
  expect(asked.filter((name) => !made.includes(name))).toEqual([]);
  expect(asked.length).toBeGreaterThan(10);
});

test("each thing that Terraform refers to is there", () => {
  const made = [
    ...[...terraform.matchAll(/^resource "(\w+)" "(\w+)"/gm)].map(([, type, name]) => `${type}.${name}`),
    ...[...terraform.matchAll(/^data "(\w+)" "(\w+)"/gm)].map(([, type, name]) => `data.${type}.${name}`),
  ];
  const asked = allOf(terraform, /((?:data\.)?aws_\w+\.\w+)\b/g);
  expect(asked.filter((name) => !made.includes(name))).toEqual([]);
  expect(asked.length).toBeGreaterThan(10);
});

test("the page names what the configuration calls it", () => {
  const [toml = ""] = blocksOf(doc, "toml");
  expect(toml).toContain("[upstream.ses.events]");
  expect(toml).toContain("queue_url = ");
  expect(toml).toContain("wait = ");
});
