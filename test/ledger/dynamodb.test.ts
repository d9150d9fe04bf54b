// The engine on DynamoDB under the faults of a network and of a busy DynamoDB: what was asked once happens
// once, what is not known is said, and everything ends in time.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type DynamodbEngine, openDynamodbEngine } from "../../src/ledger/dynamodb/dynamodb.ts";
import type { Change, LedgerRecord } from "../../src/ledger/shared/engine.ts";
import { openSharedLedger } from "../../src/ledger/shared/shared.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { digestOf, request } from "../conformance/ledger-steps.ts";
import { startDynamodb, type TestDynamodb } from "../support/dynamodb.ts";
import { type DynamodbPlace, dynamodbPlace } from "../support/dynamodb-place.ts";
import { pseudoIds } from "../support/ids.ts";

const START = 1_700_000_000_000;
const LIMITS = { retentionMs: 60_000, leaseMs: 30_000 };
const KEYS = [...pseudoIds("dynamodb", 100)].sort((a, b) => Buffer.compare(a, b));
const [KEY] = KEYS as [Uint8Array];
const WRITES = ["PutItem", "UpdateItem", "DeleteItem"];

let dynamodb: TestDynamodb;
let place: DynamodbPlace;
let engine: DynamodbEngine;
let life: number;

beforeAll(async () => {
  dynamodb = await startDynamodb();
  for (const [name, value] of Object.entries(dynamodb.environment)) vi.stubEnv(name, value);
});
afterAll(async () => {
  await dynamodb.stop();
  vi.unstubAllEnvs();
});
beforeEach(async () => {
  place = await dynamodbPlace(dynamodb, LIMITS, 1_500);
  await place.setTime(START);
  engine = await place.connect();
  life = await engine.register("gateway");
});
afterEach(() => place.dispose());

const insertion = (key = KEY) => ({ key, digest: digestOf(1) });

async function inserted(key = KEY): Promise<number> {
  const [result] = await engine.insert(life, [insertion(key)]);
  expect(result?.kind).toBe("inserted");
  return (result as { fence: number }).fence;
}

async function recordOf(key = KEY): Promise<LedgerRecord> {
  const [record] = await engine.read([key]);
  if (record === undefined) throw new Error("there is no record");
  return record;
}

const change = (fence: number, step: number, to: Change["to"]): Change => ({
  key: KEY,
  fence,
  step,
  to,
  digest: digestOf(2),
  firstDate: to === "attempted" ? "a date" : undefined,
  bound: true,
});

test("an insert whose answer is lost is sent again, and knows its own", async () => {
  dynamodb.fail("unheard", ["PutItem"], 1);
  const before = dynamodb.requests("PutItem");
  const fence = await inserted();
  expect(dynamodb.requests("PutItem") - before).toBe(2);
  expect(await recordOf()).toMatchObject({ state: "claimed", fence });
});

test("a second insert of the same gateway is no own: it finds the record of the first", async () => {
  const fence = await inserted();
  expect(await engine.insert(life, [insertion()])).toMatchObject([{ kind: "found", record: { fence } }]);
});

test("a take whose answer is lost is sent again, and knows its own", async () => {
  const from = { fence: await inserted(), state: "claimed", step: 0 } as const;
  const to = { to: "claimed", digest: digestOf(3), firstDate: undefined, relayed: undefined } as const;
  dynamodb.fail("unheard", ["UpdateItem"], 1);
  const [fence] = await engine.take(life, [{ key: KEY, from, ...to }]);
  expect(fence).toBeGreaterThan(from.fence);
  expect(await recordOf()).toMatchObject({ fence });
});

test.each(["queued", "attempted", "doubtful", "remembered", "relayed", "absent"] as const)(
  "a change to %s whose answer is lost twice has been made",
  async (to) => {
    const fence = await inserted();
    dynamodb.fail("unheard", WRITES, 2);
    expect(await engine.change([change(fence, 1, to)])).toEqual([true]);
    const [record] = await engine.read([KEY]);
    expect(record?.state).toBe(to === "absent" ? undefined : to);
  },
);

test("a restoration whose answer is lost has been made", async () => {
  const first = await inserted();
  await engine.change([change(first, 1, "relayed")]);
  const from = await recordOf();
  const to = { to: "claimed", digest: digestOf(3), firstDate: undefined, relayed: from.relayed } as const;
  const [fence] = (await engine.take(life, [{ key: KEY, from, ...to }])) as [number];
  expect(await recordOf()).toMatchObject({ state: "claimed", relayed: from.relayed });
  dynamodb.fail("unheard", ["UpdateItem"], 1);
  expect(await engine.change([change(fence, 1, "restored")])).toEqual([true]);
  expect(await recordOf()).toMatchObject({ state: "relayed", relayed: from.relayed, digest: digestOf(2) });
});

test("a change that was given up and arrives after later ones changes nothing", async () => {
  const fence = await inserted();
  dynamodb.fail("late", ["UpdateItem"]);
  await expect(engine.change([change(fence, 1, "attempted")])).rejects.toMatchObject({ code: "unavailable" });
  dynamodb.mend();
  await engine.change([change(fence, 2, "relayed")]);
  await dynamodb.deliver();
  expect(await recordOf()).toMatchObject({ state: "relayed", firstDate: undefined });
});

test("a registration whose answer is lost counts once for whoever registered", async () => {
  dynamodb.fail("unheard", ["UpdateItem"], 1);
  const later = await engine.register("gateway");
  expect(later).toBeGreaterThan(life);
  expect(await engine.beat("gateway", later, 0)).toMatchObject({ current: true, gateways: 1 });
  expect(await engine.beat("gateway", life, 0)).toMatchObject({ current: false });
});

test("a registration that arrives late supersedes nobody", async () => {
  dynamodb.fail("late", ["UpdateItem"], 1);
  const later = await engine.register("gateway");
  await dynamodb.deliver();
  expect(await engine.beat("gateway", later, 0)).toMatchObject({ current: true });
});

test("what is throttled is sent again, and inserted once", async () => {
  dynamodb.fail("throttled", ["PutItem"], 3);
  const fence = await inserted();
  expect(await recordOf()).toMatchObject({ fence });
  expect(engine.use.get("put")).toMatchObject({ requests: 1, again: 3 });
});

test.each(["throttled", "broken", "cut", "denied"] as const)(
  "for ever %s, every call is unavailable in time, and nothing was done",
  async (fault) => {
    const fence = await inserted();
    dynamodb.fail(fault);
    const begun = performance.now();
    const calls = [
      engine.insert(life, KEYS.slice(1).map(insertion)),
      engine.read(KEYS),
      engine.change([change(fence, 1, "attempted")]),
      engine.take(life, [
        {
          key: KEY,
          from: { fence, state: "claimed", step: 0 },
          to: "claimed",
          digest: digestOf(1),
          firstDate: undefined,
          relayed: undefined,
        },
      ]),
      engine.beat("gateway", life, 0),
      engine.register("gateway"),
      engine.sweep(() => {}),
    ];
    for (const answer of await Promise.allSettled<unknown>(calls)) {
      expect(answer).toMatchObject({ status: "rejected", reason: { code: "unavailable" } });
    }
    expect(performance.now() - begun).toBeLessThan(engine.callMaxMs + 1_000);
    // What was given up may be on its way still; this call is behind it.
    await expect(engine.read(KEYS)).rejects.toMatchObject({ code: "unavailable" });
    dynamodb.mend();
    expect((await engine.read(KEYS)).filter((record) => record !== undefined)).toMatchObject([
      { fence, state: "claimed" },
    ]);
    expect(await engine.beat("gateway", life, 0)).toMatchObject({ current: true });
  },
);

test("what is not answered ends in time, and may have taken effect", async () => {
  dynamodb.fail("silent", ["PutItem"]);
  const begun = performance.now();
  await expect(engine.insert(life, [insertion()])).rejects.toMatchObject({ code: "unavailable" });
  expect(performance.now() - begun).toBeLessThan(engine.callMaxMs + 1_000);
  expect(await recordOf()).toMatchObject({ state: "claimed", holder: { incarnation: life, alive: true } });
});

test("an id whose claim was not answered is free for another gateway soon after", async () => {
  const options = { clock: systemClock, elapsed: () => performance.now(), log: silentLog, ...LIMITS };
  const open = async (gatewayId: string) =>
    await openSharedLedger({ ...options, engine: await place.connect(), gatewayId });
  const [a, b] = [await open("a"), await open("b")];
  dynamodb.fail("silent", ["PutItem"]);
  await expect(a.claim([request("x")])).rejects.toMatchObject({ code: "unavailable" });
  dynamodb.mend();
  expect(await b.claim([request("x")])).toMatchObject([{ kind: "claimed" }]);
  await Promise.all([a.close(), b.close()]);
});

test("a read that DynamoDB answers bit by bit is whole", async () => {
  await engine.insert(life, KEYS.slice(0, 4).map(insertion));
  dynamodb.fail("partial", ["BatchGetItem"], 3);
  expect((await engine.read(KEYS.slice(0, 5))).map((record) => record?.state)).toEqual([
    ...Array(4).fill("claimed"),
    undefined,
  ]);
});

test("a batch has a bound on the requests at once", async () => {
  const many = [...pseudoIds("many", 512)].sort((a, b) => Buffer.compare(a, b));
  const timeouts = { callMs: 60_000, requestMs: 60_000 };
  const patient = await openDynamodbEngine({
    ...LIMITS,
    timeouts,
    table: place.table,
    endpoint: dynamodb.endpoint,
  });
  await patient.insert(life, many.map(insertion));
  await patient.close();
  expect(dynamodb.peak).toBeGreaterThan(8);
  // 64, and heartbeats beside them.
  expect(dynamodb.peak).toBeLessThanOrEqual(66);
});

test("a conflict costs one request, and two where the endpoint gives nothing back", async () => {
  const fence = await inserted();
  const reads = () => dynamodb.requests("GetItem") + dynamodb.requests("BatchGetItem");
  await engine.change([change(fence, 1, "relayed")]);
  const before = reads();
  expect(await engine.insert(life, [insertion()])).toMatchObject([{ kind: "found" }]);
  expect(reads()).toBe(before);
  const plain = await openDynamodbEngine({ ...LIMITS, table: place.table, endpoint: dynamodb.plainEndpoint });
  expect(await plain.insert(life, [insertion()])).toMatchObject([
    { kind: "found", record: { fence, state: "relayed" } },
  ]);
  expect(plain.use.get("get")).toMatchObject({ requests: 1 });
  await plain.close();
});

test("time that steps back puts no relaying before an earlier one", async () => {
  const first = await inserted();
  await engine.change([change(first, 1, "relayed")]);
  const from = await recordOf();
  const to = { to: "claimed", digest: digestOf(3), firstDate: undefined, relayed: from.relayed } as const;
  const [fence] = (await engine.take(life, [{ key: KEY, from, ...to }])) as [number];
  await place.setTime(START - 10_000);
  expect(await engine.change([change(fence, 1, "relayed")])).toEqual([true]);
  expect((await recordOf()).relayed?.at).toBe(START + 1);
});
