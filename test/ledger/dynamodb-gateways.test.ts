// The heartbeats on DynamoDB by themselves: who counts as alive before and after asking, and what late requests
// and late answers can't do.
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type DynamodbTable, openDynamodbTable } from "../../src/ledger/dynamodb/connection.ts";
import { createGateways, type Gateways } from "../../src/ledger/dynamodb/gateways.ts";
import { createDynamodbTable } from "../../src/ledger/dynamodb/table.ts";
import { startDynamodb, type TestDynamodb } from "../support/dynamodb.ts";

const LEASE_MS = 30_000;

let dynamodb: TestDynamodb;
let tables = 0;
let table: DynamodbTable;
let elapsed: number;
/** Two processes. */
let ours: Gateways;
let theirs: Gateways;

beforeAll(async () => {
  dynamodb = await startDynamodb();
  for (const [name, value] of Object.entries(dynamodb.environment)) vi.stubEnv(name, value);
});
afterAll(async () => {
  await dynamodb.stop();
  vi.unstubAllEnvs();
});
beforeEach(async () => {
  const options = { endpoint: dynamodb.endpoint, table: `gateways-${++tables}` };
  await createDynamodbTable(options);
  table = openDynamodbTable(options);
  elapsed = 0;
  [ours, theirs] = [
    createGateways(
      table.items,
      () => LEASE_MS,
      () => elapsed,
    ),
    createGateways(
      table.items,
      () => LEASE_MS,
      () => elapsed,
    ),
  ];
  return () => table.close();
});

test("who has registered since the last look is alive, and who was superseded is not", async () => {
  await ours.register("a");
  const early = await theirs.register("b");
  expect(ours.holder(early).alive).toBe(true);
  const late = await theirs.register("b");
  await ours.refresh(table.items.begin());
  expect([early, late].map((life) => ours.holder(life).alive)).toEqual([false, true]);
});

test("time alone makes nobody dead, but a look after a lease does", async () => {
  const other = await theirs.register("b");
  await ours.register("a");
  elapsed += 10 * LEASE_MS;
  expect(ours.holder(other).alive).toBe(true);
  await ours.refresh(table.items.begin());
  expect(ours.holder(other).alive).toBe(false);
});

test("an answer that was overtaken brings no earlier life back", async () => {
  await ours.register("a");
  const early = await theirs.register("b");
  dynamodb.fail("slow", ["GetItem"], 1);
  const before = dynamodb.requests("GetItem");
  const slow = ours.refresh(table.items.begin());
  await vi.waitFor(() => expect(dynamodb.requests("GetItem")).toBe(before + 1));
  const late = await theirs.register("b");
  await ours.refresh(table.items.begin());
  await dynamodb.deliver();
  await slow;
  expect([early, late].map((life) => ours.holder(life).alive)).toEqual([false, true]);
});

test("a registration that arrives after others takes no number again", async () => {
  const numbers = [await theirs.register("first")];
  dynamodb.fail("late", ["UpdateItem"], 1);
  numbers.push(await ours.register("a"), await theirs.register("b"));
  await dynamodb.deliver();
  numbers.push(await ours.register("c"), await theirs.register("d"));
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
});

test("who has ended in order is dead, and a beat that arrives late changes nothing", async () => {
  const other = await theirs.register("b");
  await ours.register("a");
  await theirs.retire("b", other);
  expect(await theirs.beat("b", other, 0)).toMatchObject({ current: false });
  await ours.refresh(table.items.begin());
  expect(ours.holder(other).alive).toBe(false);
});
