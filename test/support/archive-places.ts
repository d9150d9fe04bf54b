// Empty ledgers of every kind that ids are moved between, with an archive and a ledger opened on each.

import type { Archive, ArchiveRecord } from "../../src/ledger/archive/archive.ts";
import { openDynamodbArchive } from "../../src/ledger/dynamodb/archive.ts";
import { openDynamodbEngine } from "../../src/ledger/dynamodb/dynamodb.ts";
import { createDynamodbTable } from "../../src/ledger/dynamodb/table.ts";
import { openEmbeddedArchive } from "../../src/ledger/embedded/archive.ts";
import { openEmbeddedLedger } from "../../src/ledger/embedded/embedded.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import { openPostgresArchive } from "../../src/ledger/postgres/archive.ts";
import { openPostgresEngine } from "../../src/ledger/postgres/postgres.ts";
import { migratePostgres } from "../../src/ledger/postgres/schema.ts";
import type { Engine } from "../../src/ledger/shared/engine.ts";
import { openSharedLedger } from "../../src/ledger/shared/shared.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import type { TestDynamodb } from "./dynamodb.ts";
import { createManualClock, type ManualClock } from "./manual-clock.ts";
import { createMemoryStorage } from "./memory-storage.ts";
import type { TestPostgres } from "./postgres.ts";
import { collect } from "./storage.ts";

export const RETENTION_MS = 30 * 86_400_000;
export const LEASE_MS = 30_000;

export interface ArchivePlace {
  readonly kind: string;
  archive(): Promise<Archive>;
  /** @param gateway whose; the same name is its next life */
  ledger(gateway?: string): Promise<Ledger>;
}

export interface EmbeddedPlace extends ArchivePlace {
  readonly clock: ManualClock;
  readonly storage: ReturnType<typeof createMemoryStorage>;
}

/** @param firstCapacity small, so that generations fill within a few ids */
export function embeddedPlace(now = Date.now(), firstCapacity = 16): EmbeddedPlace {
  const storage = createMemoryStorage();
  const clock = createManualClock(now);
  const options = { storage, clock, log: silentLog, retentionMs: RETENTION_MS, firstCapacity };
  return {
    kind: "embedded",
    clock,
    storage,
    archive: () => openEmbeddedArchive(options),
    ledger: () => openEmbeddedLedger(options),
  };
}

const sharedLedger = (engine: Engine, gatewayId = "gateway"): Promise<Ledger> =>
  openSharedLedger({
    engine,
    gatewayId,
    clock: systemClock,
    elapsed: () => performance.now(),
    log: silentLog,
    retentionMs: RETENTION_MS,
    leaseMs: LEASE_MS,
  });

const limits = { retentionMs: RETENTION_MS, leaseMs: LEASE_MS };

export async function postgresArchivePlace(postgres: TestPostgres): Promise<ArchivePlace> {
  const { url } = await postgres.schema();
  await migratePostgres(url);
  return {
    kind: "postgres",
    archive: () => openPostgresArchive({ url, leaseMs: LEASE_MS }),
    ledger: async (gateway) => await sharedLedger(await openPostgresEngine({ url, ...limits }), gateway),
  };
}

let tables = 0;

export async function dynamodbArchivePlace({ endpoint }: TestDynamodb): Promise<ArchivePlace> {
  const options = { endpoint, table: `archive-${++tables}`, log: silentLog, ...limits };
  await createDynamodbTable(options);
  return {
    kind: "dynamodb",
    archive: () => openDynamodbArchive(options),
    ledger: async (gateway) => await sharedLedger(await openDynamodbEngine(options), gateway),
  };
}

/** Opens the archive, and closes it afterwards. */
export async function using<T>(place: ArchivePlace, work: (archive: Archive) => Promise<T>): Promise<T> {
  const archive = await place.archive();
  try {
    return await work(archive);
  } finally {
    await archive.close();
  }
}

/** All that the place knows, in the order of the ids. */
export const recordsOf = (place: ArchivePlace): Promise<ArchiveRecord[]> =>
  using(place, async (archive) => {
    const records = await collect(archive.records());
    return records.map(plain).sort((one, other) => Buffer.compare(one.key, other.key));
  });

/** Without the keys that are undefined, so that records can be compared. */
export function plain({ key, relayed, doubt }: ArchiveRecord): ArchiveRecord {
  return { key, ...(relayed && { relayed }), ...(doubt && { doubt }) };
}
