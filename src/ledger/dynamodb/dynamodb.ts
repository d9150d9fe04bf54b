// The engine on one table of Amazon DynamoDB, or of a server that speaks its protocol with consistent reads and
// conditional writes. docs/dynamodb.md has the table, the rights it needs and what a mail costs.
//
// DynamoDB has no clock. Who is alive is found by watching (gateways.ts). `changedAt`, `relayedAt`
// and `expires` are by the clock of the gateway that writes them: one that goes wrong by a day shortens or
// lengthens the retention by a day, and does nothing else.
import { type Log, silentLog } from "../../runtime/log.ts";
import type { Engine, EngineLimits } from "../shared/engine.ts";
import type { DynamodbOptions } from "./client.ts";
import { type DynamodbTable, openDynamodbTable } from "./connection.ts";
import { createFences } from "./fences.ts";
import { createGateways } from "./gateways.ts";
import { createRecords } from "./records.ts";
import { createSweep } from "./sweep.ts";
import { checkDynamodbTable } from "./table.ts";
import type { DynamodbUse } from "./use.ts";

export interface DynamodbEngineOptions extends DynamodbOptions, EngineLimits {
  readonly log?: Log | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: (() => number) | undefined;
  /** Milliseconds since any moment; never steps back, and goes on while the process is stopped. */
  readonly elapsed?: (() => number) | undefined;
}

export interface DynamodbEngine extends Engine {
  /** Requests of DynamoDB so far. */
  readonly use: DynamodbUse;
}

/** Rejects with a StorageError that says what to do: no table, another one, no rights, no credentials. */
export async function openDynamodbEngine(options: DynamodbEngineOptions): Promise<DynamodbEngine> {
  const table = openDynamodbTable(options);
  try {
    await checkDynamodbTable(table.definition, options.log ?? silentLog);
  } catch (error) {
    table.close();
    throw error;
  }
  return createEngine(table, options);
}

function createEngine(table: DynamodbTable, options: DynamodbEngineOptions): DynamodbEngine {
  const { now = Date.now, elapsed = () => performance.now() } = options;
  let { retentionMs, leaseMs } = options;
  const { items } = table;
  const times = () => ({ now: now(), retentionMs });
  const gateways = createGateways(items, () => leaseMs, elapsed);
  const records = createRecords({ items, gateways, fences: createFences(now), times });
  const sweep = createSweep({ items, gateways, records, times });
  const underWay = new Set<Promise<unknown>>();

  async function tracked<T>(work: Promise<T>): Promise<T> {
    underWay.add(work);
    try {
      return await work;
    } finally {
      underWay.delete(work);
    }
  }

  const none = (batch: readonly unknown[]) => batch.length === 0;
  return {
    name: "dynamodb",
    callMaxMs: items.callMaxMs,
    use: table.use,
    register: (gateway) => tracked(gateways.register(gateway)),
    beat: (gateway, incarnation, confirmed) => tracked(gateways.beat(gateway, incarnation, confirmed)),
    limit(limits) {
      ({ retentionMs, leaseMs } = limits);
    },
    settings: () => tracked(gateways.settings()),
    putSettings: (from, settings) => tracked(gateways.putSettings(from, settings)),
    retire: (gateway, incarnation) => tracked(gateways.retire(gateway, incarnation)),
    insert: async (incarnation, batch) =>
      none(batch) ? [] : await tracked(records.insert(incarnation, batch)),
    read: async (keys) => (none(keys) ? [] : await tracked(records.read(keys))),
    take: (incarnation, batch) => tracked(records.take(incarnation, batch)),
    change: (batch) => tracked(records.change(batch)),
    open: records.open,
    sweep: (announce) => tracked(sweep(announce)),
    async close() {
      await Promise.allSettled(underWay);
      table.close();
    },
  };
}
