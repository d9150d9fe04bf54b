// What of DynamoDB's time the ledger on it relies on: TTL, which removes late or never, and heartbeats that are
// watched, since there is no clock.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { openDynamodbEngine } from "../../src/ledger/dynamodb/dynamodb.ts";
import { GATEWAYS_KEY } from "../../src/ledger/dynamodb/gateways.ts";
import type { ClaimResult } from "../../src/ledger/ledger.ts";
import { HARNESS_LEASE_MS } from "../conformance/ledger-shared.ts";
import { digestOf, request } from "../conformance/ledger-steps.ts";
import type { SharingHarness, TestGateway } from "../conformance/sharing.ts";
import { createSharingHarness } from "../conformance/sharing-harness.ts";
import { startDynamodb, type TestDynamodb } from "../support/dynamodb.ts";
import { type DynamodbPlace, dynamodbPlace } from "../support/dynamodb-place.ts";
import { pseudoIds } from "../support/ids.ts";

const RETENTION_MS = 200_000;
const [KEY] = [...pseudoIds("time", 1)] as [Uint8Array];

let dynamodb: TestDynamodb;
let place: DynamodbPlace;
let harness: SharingHarness;

beforeAll(async () => {
  dynamodb = await startDynamodb();
  for (const [name, value] of Object.entries(dynamodb.environment)) vi.stubEnv(name, value);
});
afterAll(async () => {
  await dynamodb.stop();
  vi.unstubAllEnvs();
});
beforeEach(async () => {
  place = await dynamodbPlace(dynamodb, { retentionMs: RETENTION_MS, leaseMs: HARNESS_LEASE_MS });
  harness = await createSharingHarness(place);
});
afterEach(() => harness.dispose());

async function claim({ ledger }: TestGateway, label: string): Promise<ClaimResult> {
  const [result] = await harness.during(ledger.claim([request(label)]));
  return result as ClaimResult;
}

async function accepted(gateway: TestGateway, label: string) {
  const result = await claim(gateway, label);
  if (result.kind !== "claimed") throw new Error(`${label}: ${result.kind}`);
  gateway.ledger.accepted([result.claim]);
  await harness.pass(100);
  return result.claim;
}

test("a relayed id is absent after the retention whether TTL has removed its item or not", async () => {
  const a = await harness.start("a", { retentionMs: RETENTION_MS });
  for (const label of ["x", "y"]) {
    const own = await accepted(a, label);
    await harness.during(a.ledger.attempt(own, "a date"));
    await harness.during(a.ledger.settle(own, "relayed"));
  }
  await harness.pass(RETENTION_MS - 1_000);
  expect(await place.removeExpired()).toBe(0);
  expect(await claim(a, "x")).toMatchObject({ kind: "repeat", standing: "relayed" });
  await harness.pass(3_000);
  expect(await claim(a, "x")).toMatchObject({ kind: "claimed" });
  expect(await place.removeExpired()).toBe(1);
  expect(await claim(a, "y")).toMatchObject({ kind: "claimed" });
});

test("TTL takes what a lost gateway left unattempted, and no doubt", async () => {
  const a = await harness.start("a", { retentionMs: RETENTION_MS });
  const [tried] = [await accepted(a, "tried"), await accepted(a, "queued"), await claim(a, "claimed")];
  await harness.during(a.ledger.attempt(tried, "a date"));
  await a.kill();
  await harness.pass(RETENTION_MS + 2_000);
  expect(await place.removeExpired()).toBe(2);
  const b = await harness.start("b", { retentionMs: RETENTION_MS });
  // It is still there, to be said before it goes.
  await harness.pass(3 * HARNESS_LEASE_MS);
  expect(b.events).toContain("ledger.doubtful_expired");
});

test("a claim whose item TTL has removed is had again before the attempt, or is stale", async () => {
  const [a, b] = [
    await harness.start("a", { retentionMs: RETENTION_MS }),
    await harness.start("b", { retentionMs: RETENTION_MS }),
  ];
  const [x, y] = [await accepted(a, "x"), await accepted(a, "y")];
  await harness.pass(RETENTION_MS + 2_000);
  expect(await place.removeExpired()).toBe(2);
  expect(await harness.during(a.ledger.attempt(x, "a date"))).toBe("attempted");
  expect(await claim(b, "x")).toMatchObject({ kind: "repeat", standing: "underway" });
  await accepted(b, "y");
  expect(await harness.during(a.ledger.attempt(y, "a date"))).toBe("stale");
});

test("whoever was stopped itself takes nobody for dead who has gone on meanwhile", async () => {
  const limits = { retentionMs: RETENTION_MS, leaseMs: HARNESS_LEASE_MS };
  const options = { ...limits, endpoint: dynamodb.endpoint, table: place.table };
  let elapsed = 0;
  const [watched, watching] = [
    await openDynamodbEngine(options),
    await openDynamodbEngine({ ...options, elapsed: () => elapsed }),
  ];
  const [one, other] = [await watched.register("watched"), await watching.register("watching")];
  await watched.insert(one, [{ key: KEY, digest: digestOf(1) }]);
  await watching.beat("watching", other, 0);
  elapsed += 10 * HARNESS_LEASE_MS;
  await watched.beat("watched", one, 0);
  const alive = async () => (await watching.read([KEY]))[0]?.holder?.alive;
  expect(await alive()).toBe(true);
  elapsed += HARNESS_LEASE_MS - 1;
  expect(await alive()).toBe(true);
  elapsed += 1;
  expect(await alive()).toBe(false);
  await Promise.all([watched.close(), watching.close()]);
});

test("a clock that is wrong by a day makes nobody dead and moves the retention by that day only", async () => {
  const limits = { retentionMs: RETENTION_MS, leaseMs: HARNESS_LEASE_MS };
  const options = { ...limits, endpoint: dynamodb.endpoint, table: place.table };
  const day = 86_400_000;
  const [right, early] = [
    await openDynamodbEngine({ ...options, now: () => 2 * day }),
    await openDynamodbEngine({ ...options, now: () => day }),
  ];
  const [one, other] = [await right.register("right"), await early.register("early")];
  await right.insert(one, [{ key: KEY, digest: digestOf(1) }]);
  const [record] = await early.read([KEY]);
  expect(record?.holder?.alive).toBe(true);
  const from = { fence: record?.fence ?? 0, state: "claimed", step: 0 } as const;
  const to = { to: "claimed", digest: digestOf(1), firstDate: undefined, relayed: undefined } as const;
  // The fence grows all the same.
  const [fence] = (await early.take(other, [{ key: KEY, from, ...to }])) as [number];
  expect(fence).toBeGreaterThan(from.fence);
  await early.change([
    { key: KEY, fence, step: 1, to: "relayed", digest: digestOf(1), firstDate: undefined, bound: true },
  ]);
  expect((await early.read([KEY]))[0]).toMatchObject({ expired: false });
  expect((await right.read([KEY]))[0]).toMatchObject({ expired: true });
  await Promise.all([right.close(), early.close()]);
});

test("gateways that are long gone are taken out of the item, and one that comes back is in it again", async () => {
  const names = async () => {
    const items = await dynamodb.items(place.table);
    const key = Buffer.from(GATEWAYS_KEY).toString("base64");
    const item = items.find(({ id }) => (id as { B: string }).B === key) ?? {};
    return Object.keys(item).filter((name) => name.startsWith("life "));
  };
  const [a, b] = [
    await harness.start("a", { retentionMs: RETENTION_MS }),
    await harness.start("b", { retentionMs: RETENTION_MS }),
  ];
  a.stop();
  await harness.pass(119 * HARNESS_LEASE_MS);
  expect((await names()).sort()).toEqual(["life a", "life b"]);
  await harness.pass(5 * HARNESS_LEASE_MS);
  expect(await names()).toEqual(["life b"]);
  a.goOn();
  await harness.pass(HARNESS_LEASE_MS);
  expect((await names()).sort()).toEqual(["life a", "life b"]);
  expect(a.events).not.toContain("ledger.superseded");
  expect(b.ledger.gateways()).toBe(2);
});
