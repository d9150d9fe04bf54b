// What SES's events need at AWS is defined for CloudFormation and Terraform, and its rights in the documentation too. They
// say the same, and what the code does.
import { expect, test } from "vitest";
import { blocksOf, read } from "../../docs/tables.ts";

const cloudFormation = read("examples/ses-events/events.cloudformation.yaml");
const terraform = read("examples/ses-events/events.tf");
const doc = read("docs/ses-events.md");

const rights = (text: string): string[] =>
  [...new Set(text.match(/(?:sqs|ses):(?:Receive|Delete|Change|Get|SendEmail|SendRaw)\w*/g))].sort();

/** All of one thing in a text, in their order. */
const allOf = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([, one = ""]) => one);

test("the rights are the same, and those of the requests that are made", () => {
  const [policy = ""] = blocksOf(doc, "json");
  expect(JSON.parse(policy)).toMatchObject({ Version: "2012-10-17" });
  expect(rights(policy)).toHaveLength(7);
  expect(rights(cloudFormation)).toEqual(rights(policy));
  expect(rights(terraform)).toEqual(rights(policy));
  const ofSqs = rights(policy).filter((right) => right.startsWith("sqs:"));
  const made = allOf(read("src/upstream/ses/events/sqs.ts"), /new (\w+?)(?:Batch)?Command\(/g);
  expect([...new Set(made)].map((one) => `sqs:${one}`).sort()).toEqual(ofSqs);
  const named = allOf(read("src/upstream/ses/events/sqs.ts"), /tried\("(sqs:\w+)"/g);
  expect(named.sort()).toEqual(ofSqs);
  expect(read("src/upstream/ses/events/check.ts")).toContain(
    rights(policy).find((right) => right.startsWith("ses:Get")),
  );
});

test("the right to send is for the configuration set, the one that the events are of", () => {
  const [policy = ""] = blocksOf(doc, "json");
  const [{ Action, Resource }] = JSON.parse(policy).Statement;
  expect(Action).toEqual(["ses:SendEmail", "ses:SendRawEmail"]);
  const [toml = ""] = blocksOf(doc, "toml");
  const [set = ""] = allOf(toml, /^configuration_set = "(\w+)"$/gm);
  expect(Resource).toEqual([
    expect.stringContaining(":identity/"),
    `arn:aws:ses:REGION:ACCOUNT:configuration-set/${set}`,
  ]);
  // Of the topic's policy, and of the right to send.
  const ofSet = /:configuration-set\/\$\{Set\}"\n +- Set: (.+)\n/g;
  const named = "!If [MakesConfigurationSet, !Ref Name, !Ref ExistingConfigurationSet]";
  expect(allOf(cloudFormation, ofSet)).toEqual([named, named]);
  expect(cloudFormation).toMatch(
    /- ses:SendEmail\n +- ses:SendRawEmail\n +Resource: !Sub\n.*:configuration-set\//,
  );
  expect(terraform).toMatch(
    /\["ses:SendEmail", "ses:SendRawEmail"\]\n +resources = \[local\.configuration_set_arn\]/,
  );
  expect(terraform).toMatch(/variable = "AWS:SourceArn"\s+values += \[local\.configuration_set_arn\]/);
});

test("both take an existing configuration set and a role, and give the same outputs", () => {
  const snake = (name: string): string => name.replace(/(?<!^)[A-Z]/g, "_$&").toLowerCase();
  const [parameters = ""] = allOf(cloudFormation, /^Parameters:\n(.*?)^Conditions:/gms);
  const yaml = allOf(parameters, /^ {2}(\w+):$/gm);
  expect(yaml).toEqual(["Name", "ExistingConfigurationSet", "Role"]);
  expect(allOf(terraform, /^variable "(\w+)"/gm)).toEqual(yaml.map(snake));
  for (const name of yaml.slice(1))
    expect(doc.replace(/\s+/g, " ")).toContain(`\`${name}\`, \`${snake(name)}\``);
  const outputs = allOf(cloudFormation.slice(cloudFormation.indexOf("Outputs:")), /^ {2}(\w+):$/gm);
  expect(outputs).toEqual(["QueueUrl", "ConfigurationSetName", "GatewayPolicyArn"]);
  expect(allOf(terraform, /^output "(\w+)"/gm)).toEqual(outputs.map(snake));
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
  const made = allOf(cloudFormation, /^ {2}(\w+):/gm);
  const asked = [
    ...allOf(cloudFormation, /!Ref (\w+)(?![\w:])/g),
    ...allOf(cloudFormation, /!GetAtt (\w+)\./g),
    ...allOf(cloudFormation, /DependsOn: (\w+)/g),
    ...allOf(cloudFormation, /!If \[(\w+)/g),
    ...allOf(cloudFormation, /Condition: (\w+)/g),
  ].filter((name) => name !== "AWS");
  expect(asked.filter((name) => !made.includes(name))).toEqual([]);
  expect(asked.length).toBeGreaterThan(10);
});

test("each thing that Terraform refers to is there", () => {
  const made = [
    ...[...terraform.matchAll(/^resource "(\w+)" "(\w+)"/gm)].map(([, type, name]) => `${type}.${name}`),
    ...[...terraform.matchAll(/^data "(\w+)" "(\w+)"/gm)].map(([, type, name]) => `data.${type}.${name}`),
    ...allOf(terraform, /^variable "(\w+)"/gm).map((name) => `var.${name}`),
    ...allOf(terraform, /^ {2}(configuration_set\w*) += "?\S/gm).map((name) => `local.${name}`),
  ];
  const asked = allOf(terraform, /((?:data\.)?aws_\w+\.\w+|var\.\w+|local\.\w+)\b/g);
  expect(asked.filter((name) => !made.includes(name))).toEqual([]);
  expect(asked.length).toBeGreaterThan(10);
});

test("the page names what the configuration calls it", () => {
  const [toml = ""] = blocksOf(doc, "toml");
  expect(toml).toContain("[upstream.ses.events]");
  expect(toml).toContain("queue_url = ");
  expect(toml).toContain("wait = ");
});
