// Tables of a DynamoDB for tests, each one the place of a ledger.

import { type DynamodbEngine, openDynamodbEngine } from "../../src/ledger/dynamodb/dynamodb.ts";
import { createDynamodbTable } from "../../src/ledger/dynamodb/table.ts";
import type { Engine, EngineLimits } from "../../src/ledger/shared/engine.ts";
import type { EnginePlace } from "../conformance/ledger-shared.ts";
import type { TestDynamodb } from "./dynamodb.ts";

let tables = 0;

export interface DynamodbPlace extends EnginePlace {
  readonly table: string;
  connect(): Promise<DynamodbEngine>;
  /** As DynamoDB's TTL does, by the time of the place. Returns how many items it has removed. */
  removeExpired(): Promise<number>;
}

/** Short, so that a test of what never answers ends soon; long enough for a machine that others use too. */
const CALL_MS = 4_000;

export async function dynamodbPlace(
  dynamodb: TestDynamodb,
  limits: EngineLimits,
  callMs = CALL_MS,
): Promise<DynamodbPlace> {
  const table = `ledger-${++tables}`;
  const { endpoint } = dynamodb;
  await createDynamodbTable({ endpoint, table });
  const connected = new Set<Engine>();
  let time = 0;

  async function closeAll(): Promise<void> {
    for (const engine of connected) await engine.close();
    connected.clear();
  }

  return {
    table,
    async connect() {
      const engine = await openDynamodbEngine({
        ...limits,
        endpoint,
        table,
        timeouts: { callMs, requestMs: callMs },
        now: () => time,
        elapsed: () => time,
      });
      connected.add(engine);
      return engine;
    },
    removeExpired: () => dynamodb.removeExpired(table, time),
    async setTime(now) {
      time = now;
    },
    async crash(engine) {
      connected.delete(engine);
      await engine.close();
    },
    faults: { breakStore: () => dynamodb.fail("broken"), mendStore: dynamodb.mend },
    async dispose() {
      dynamodb.mend();
      await closeAll();
    },
  };
}
