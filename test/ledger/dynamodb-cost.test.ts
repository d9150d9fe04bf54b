// What a mail costs on DynamoDB, counted; docs/dynamodb.md has to say the same.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { DynamodbEngine } from "../../src/ledger/dynamodb/dynamodb.ts";
import { openSharedLedger } from "../../src/ledger/shared/shared.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { request } from "../conformance/ledger-steps.ts";
import { read, rowsOf } from "../docs/tables.ts";
import { startDynamodb, type TestDynamodb } from "../support/dynamodb.ts";
import { type DynamodbPlace, dynamodbPlace } from "../support/dynamodb-place.ts";
import { createManualClock } from "../support/manual-clock.ts";

const MAILS = 20;
const LIMITS = { retentionMs: 60_000, leaseMs: 30_000 };
/** Kinds of requests that write; the others read. */
const WRITES = ["put", "update", "remove"];

let dynamodb: TestDynamodb;
beforeAll(async () => {
  dynamodb = await startDynamodb();
  for (const [name, value] of Object.entries(dynamodb.environment)) vi.stubEnv(name, value);
});
afterAll(async () => {
  await dynamodb.stop();
  vi.unstubAllEnvs();
});

async function gateway(place: DynamodbPlace, gatewayId: string, knownCapacity?: number) {
  const engine = await place.connect();
  // Its clock stands, so no heartbeat is counted.
  const clock = createManualClock();
  const ledger = await openSharedLedger({
    ...{ engine, gatewayId, clock, log: silentLog, ...LIMITS },
    elapsed: () => 0,
    ...(knownCapacity === undefined ? {} : { knownCapacity }),
  });
  return { engine, ledger, clock };
}

interface Cost {
  readonly written: number;
  readonly read: number;
}

async function costOf(engine: DynamodbEngine, work: () => Promise<unknown>): Promise<Cost> {
  const total = () => {
    const of = (isWrite: boolean) =>
      [...engine.use].reduce(
        (sum, [kind, { units }]) => sum + (WRITES.includes(kind) === isWrite ? units : 0),
        0,
      );
    return { written: of(true), read: of(false) };
  };
  const before = total();
  await work();
  const after = total();
  return { written: (after.written - before.written) / MAILS, read: (after.read - before.read) / MAILS };
}

test("what new mail and repeats cost is what the documentation says", async () => {
  const place = await dynamodbPlace(dynamodb, LIMITS);
  await place.setTime(1_700_000_000_000);
  const [a, b, c] = [await gateway(place, "a"), await gateway(place, "b"), await gateway(place, "c", 0)];
  const requests = (label: string) => Array.from({ length: MAILS }, (_, i) => request(`${label} ${i}`));

  async function relay(label: string, wait: () => Promise<void>): Promise<void> {
    const results = await a.ledger.claim(requests(label));
    const claims = results.flatMap((result) => ("claim" in result ? [result.claim] : []));
    expect(claims).toHaveLength(MAILS);
    a.ledger.accepted(claims);
    await wait();
    await Promise.all(claims.map((claim) => a.ledger.attempt(claim, "Sun, 22 Nov 2026 10:03:09 +0000")));
    await Promise.all(claims.map((claim) => a.ledger.settle(claim, "relayed")));
  }

  const announced = async () => {
    a.clock.advance(1_000);
    await vi.waitFor(async () => {
      const standings = (await dynamodb.items(place.table)).map(
        ({ standing }) => (standing as { S?: string })?.S,
      );
      expect(standings.filter((standing) => standing === "queued")).toHaveLength(MAILS);
    });
  };
  const measured = {
    "new, attempted at once": await costOf(a.engine, () => relay("x", async () => {})),
    "new, attempted later": await costOf(a.engine, () => relay("y", announced)),
    "repeat, at the gateway that relayed it": await costOf(a.engine, () => a.ledger.claim(requests("x"))),
    "repeat, at one that has not met the id": await costOf(b.engine, () => b.ledger.claim(requests("x"))),
    "repeat, at one that has met it": await costOf(b.engine, () => b.ledger.claim(requests("x"))),
    "repeat, without the filter": await costOf(c.engine, () => c.ledger.claim(requests("x"))),
  };
  for (const { ledger } of [a, b, c]) await ledger.close();
  await place.dispose();

  const documented = rowsOf(read("docs/dynamodb.md")).filter(
    ({ heading }) => heading === "What a mail costs",
  );
  const table = documented.map(({ cells }) => [
    cells[0],
    { written: Number(cells[1]), read: Number(cells[3]) },
  ]);
  expect(Object.fromEntries(table)).toEqual(measured);
});
