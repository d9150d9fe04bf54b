// The table: made once, and looked at before it is used; what is wrong with it is said with what to do.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openDynamodbEngine } from "../../src/ledger/dynamodb/dynamodb.ts";
import { createDynamodbTable, TABLE_DEFINITION } from "../../src/ledger/dynamodb/table.ts";
import type { Log } from "../../src/runtime/log.ts";
import { startDynamodb, type TestDynamodb } from "../support/dynamodb.ts";
import { makeFolder } from "../support/process.ts";

let dynamodb: TestDynamodb;
beforeAll(async () => {
  dynamodb = await startDynamodb();
  for (const [name, value] of Object.entries(dynamodb.environment)) vi.stubEnv(name, value);
});
afterAll(async () => {
  await dynamodb.stop();
  vi.unstubAllEnvs();
});

const options = (table: string) => ({ endpoint: dynamodb.endpoint, table });
const opened = async (table: string, log?: Log) =>
  await openDynamodbEngine({ ...options(table), log, retentionMs: 1_000, leaseMs: 1_000 });

test("the table is made with TTL, found the next time, and can be used", async () => {
  expect(await createDynamodbTable(options("fresh"))).toBe("made");
  expect(await createDynamodbTable(options("fresh"))).toBe("found");
  const engine = await opened("fresh");
  expect(await engine.register("gateway")).toBeGreaterThan(0);
  await engine.close();
});

test("two that make it at once both succeed", async () => {
  const made = await Promise.all([
    createDynamodbTable(options("both")),
    createDynamodbTable(options("both")),
  ]);
  expect(made).toContain("made");
  await (await opened("both")).close();
});

test("no table: the error names the command that makes it", async () => {
  await expect(opened("nowhere")).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringMatching(/table nowhere does not exist; `mailonce ledger migrate`/),
  });
});

test("a table with another key or without the index is no ledger, and migrate leaves it alone", async () => {
  const { KeySchema, AttributeDefinitions } = TABLE_DEFINITION;
  const key = AttributeDefinitions?.slice(0, 1);
  const tables = {
    "other-key": { KeySchema, AttributeDefinitions: [{ ...key?.[0], AttributeType: "S" }] },
    "no-index": { KeySchema, AttributeDefinitions: key },
  };
  for (const [table, definition] of Object.entries(tables)) {
    await dynamodb.ask("CreateTable", { TableName: table, BillingMode: "PAY_PER_REQUEST", ...definition });
    const error = { code: "unavailable", message: expect.stringContaining("mailonce ledger migrate") };
    await expect(opened(table)).rejects.toMatchObject(error);
    await expect(createDynamodbTable(options(table))).rejects.toMatchObject(error);
  }
});

test("no rights: the error is AWS's own, and names the operation", async () => {
  await createDynamodbTable(options("denied"));
  dynamodb.fail("denied", ["DescribeTable"], 1);
  await expect(opened("denied")).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringMatching(/AccessDenied.*not authorized to perform: DescribeTable/),
  });
});

test("no credentials, no region and nobody there are said as what they are", async () => {
  const none = {
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_EC2_METADATA_DISABLED: "true",
  };
  for (const [name, value] of Object.entries(none)) vi.stubEnv(name, value);
  vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
  await expect(opened("fresh")).rejects.toMatchObject({ message: expect.stringMatching(/credentials/i) });
  for (const [name, value] of Object.entries(dynamodb.environment)) vi.stubEnv(name, value);
  vi.stubEnv("AWS_REGION", undefined);
  await expect(opened("fresh")).rejects.toMatchObject({
    message: expect.stringMatching(/region is missing/i),
  });
  vi.stubEnv("AWS_REGION", "eu-west-1");
  const away = { table: "fresh", endpoint: "http://127.0.0.1:1", retentionMs: 1, leaseMs: 1 };
  await expect(openDynamodbEngine(away)).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("ECONNREFUSED"),
  });
});

test("a table without TTL is used, with a warning", async () => {
  await dynamodb.ask("CreateTable", { TableName: "no-ttl", ...TABLE_DEFINITION });
  const warnings: string[] = [];
  const none = () => {};
  const log: Log = { debug: none, info: none, error: none, warn: (event) => void warnings.push(event) };
  for (;;) {
    const engine = await opened("no-ttl", log).catch((error: Error) => error);
    if (!(engine instanceof Error)) {
      await engine.close();
      break;
    }
    expect(engine.message).toContain("still being made");
  }
  expect(warnings).toEqual(["ledger.ttl_off"]);
});

test("credentials in a file that is written anew are read again after a refusal, and not before", async () => {
  const folder = makeFolder();
  const file = join(folder.path, "credentials");
  const write = (key: string) =>
    writeFileSync(file, `[default]\naws_access_key_id = ${key}\naws_secret_access_key = secret\n`);
  write("AKIAOLD");
  vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", undefined);
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", file);
  await createDynamodbTable(options("rotated"));
  const engine = await opened("rotated");
  write("AKIANEW");
  await engine.register("first");
  expect(dynamodb.accessKey).toBe("AKIAOLD");
  dynamodb.fail("expired", undefined, 1);
  await expect(engine.register("second")).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("expired"),
  });
  expect(await engine.register("second")).toBeGreaterThan(0);
  expect(dynamodb.accessKey).toBe("AKIANEW");
  await engine.close();
  folder.remove();
});
