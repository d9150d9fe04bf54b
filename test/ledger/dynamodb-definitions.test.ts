// The table is defined four times: in the engine, for CloudFormation, for Terraform and, as far as rights go, in
// the documentation. They say the same.
import { expect, test } from "vitest";
import { EXPIRES } from "../../src/ledger/dynamodb/items.ts";
import { TABLE_DEFINITION } from "../../src/ledger/dynamodb/table.ts";
import { blocksOf, read } from "../docs/tables.ts";

const cloudFormation = read("examples/dynamodb/table.cloudformation.yaml");
const terraform = read("examples/dynamodb/table.tf");
const rights = (text: string): string[] => [...new Set(text.match(/dynamodb:[A-Z][a-z]\w+/g))].sort();

/** All of one thing in a text, in their order. */
const allOf = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([, one = ""]) => one);

test("attributes, keys, index, TTL and billing are the same", () => {
  const { AttributeDefinitions = [], KeySchema = [], GlobalSecondaryIndexes = [] } = TABLE_DEFINITION;
  const [index] = GlobalSecondaryIndexes;
  const attributes = AttributeDefinitions.map(
    ({ AttributeName, AttributeType }) => `${AttributeName} ${AttributeType}`,
  );
  const keys = [...KeySchema, ...(index?.KeySchema ?? [])].map(({ AttributeName }) => AttributeName);
  const projected = index?.Projection?.NonKeyAttributes;

  const yaml = allOf(cloudFormation, /\{ AttributeName: (\w+, AttributeType: \w)/g);
  expect(yaml.map((one) => one.replace(", AttributeType:", ""))).toEqual(attributes);
  expect(allOf(cloudFormation, /AttributeName: (\w+), KeyType: HASH/g)).toEqual(keys);
  expect(allOf(cloudFormation, /NonKeyAttributes: \[(\w+)\]/g)).toEqual(projected);
  expect(allOf(cloudFormation, /IndexName: (\w+)/g)).toEqual([index?.IndexName]);
  expect(allOf(cloudFormation, /BillingMode: (\w+)/g)).toEqual([TABLE_DEFINITION.BillingMode]);
  expect(allOf(cloudFormation, /TimeToLiveSpecification:\s+AttributeName: (\w+)/g)).toEqual([EXPIRES]);
  expect(cloudFormation).toContain(
    `DeletionProtectionEnabled: ${TABLE_DEFINITION.DeletionProtectionEnabled}`,
  );

  const blocks = [...terraform.matchAll(/attribute \{\s+name = "(\w+)"\s+type = "(\w)"/g)];
  expect(blocks.map(([, name, type]) => `${name} ${type}`)).toEqual(attributes);
  expect(allOf(terraform, /hash_key\s+= "(\w+)"/g)).toEqual(keys);
  expect(allOf(terraform, /non_key_attributes = \["(\w+)"\]/g)).toEqual(projected);
  expect(allOf(terraform, /global_secondary_index \{\s+name\s+= "(\w+)"/g)).toEqual([index?.IndexName]);
  expect(allOf(terraform, /billing_mode\s+= "(\w+)"/g)).toEqual([TABLE_DEFINITION.BillingMode]);
  expect(allOf(terraform, /attribute_name = "(\w+)"/g)).toEqual([EXPIRES]);
  expect(terraform).toContain(`deletion_protection_enabled = ${TABLE_DEFINITION.DeletionProtectionEnabled}`);
});

test("the rights are the same", () => {
  const [policy = ""] = blocksOf(read("docs/dynamodb.md"), "json");
  expect(JSON.parse(policy)).toMatchObject({ Version: "2012-10-17" });
  expect(rights(cloudFormation)).toEqual(rights(policy));
  expect(rights(terraform)).toEqual(rights(policy));
});

test("they are those of the requests that the engine makes", () => {
  const client = read("src/ledger/dynamodb/client.ts");
  const made = allOf(client, /new (\w+)Command\(/g).filter(
    (one) => one !== "CreateTable" && one !== "UpdateTimeToLive",
  );
  const [policy = ""] = blocksOf(read("docs/dynamodb.md"), "json");
  expect([...new Set(made)].map((one) => `dynamodb:${one}`).sort()).toEqual(rights(policy));
});
