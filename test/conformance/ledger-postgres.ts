// Harness of the shared ledger on a real PostgreSQL, whose time stands in a table that the test sets.

import { openPostgresEngine } from "../../src/ledger/postgres/postgres.ts";
import { migratePostgres } from "../../src/ledger/postgres/schema.ts";
import type { Engine } from "../../src/ledger/shared/engine.ts";
import { StorageError } from "../../src/storage/storage.ts";
import type { TestPostgres } from "../support/postgres.ts";
import { HARNESS_RETENTION_MS, type LedgerHarness } from "./ledger.ts";
import { createSharedHarness, type EnginePlace, HARNESS_LEASE_MS } from "./ledger-shared.ts";
import type { SharingHarness } from "./sharing.ts";
import { createSharingHarness, SHARING_RETENTION_MS } from "./sharing-harness.ts";

/** A few statements, on a machine that others use too. */
const PATIENCE_MS = 20_000;

export async function postgresPlace(
  postgres: TestPostgres,
  retentionMs = HARNESS_RETENTION_MS,
  leaseMs = HARNESS_LEASE_MS,
): Promise<EnginePlace> {
  const schema = await postgres.schema();
  await migratePostgres(schema.url);
  let isBroken = false;
  const connected = new Set<Engine>();

  /** The server is there or not for all: as if it had been stopped. */
  function failing(engine: Engine): Engine {
    const unlessBroken =
      <Input extends unknown[], Answer>(call: (...input: Input) => Promise<Answer>) =>
      async (...input: Input): Promise<Answer> => {
        if (isBroken) throw new StorageError("unavailable", "the engine is away");
        return await call(...input);
      };
    return {
      ...engine,
      insert: unlessBroken(engine.insert),
      read: unlessBroken(engine.read),
      take: unlessBroken(engine.take),
      change: unlessBroken(engine.change),
    };
  }

  return {
    async connect() {
      const engine = await openPostgresEngine({
        url: schema.url,
        retentionMs,
        leaseMs,
        connections: 3,
        now: schema.nowSql,
      });
      connected.add(engine);
      return failing(engine);
    },
    setTime: schema.setTime,
    crash: (engine) => engine.close(),
    faults: {
      breakStore() {
        isBroken = true;
      },
      mendStore() {
        isBroken = false;
      },
    },
    async dispose() {
      for (const engine of connected) await engine.close();
      await schema.drop();
    },
  };
}

export const postgresHarness = async (postgres: TestPostgres): Promise<LedgerHarness> =>
  await createSharedHarness(await postgresPlace(postgres), PATIENCE_MS);

export const postgresSharingHarness = async (postgres: TestPostgres): Promise<SharingHarness> =>
  await createSharingHarness(await postgresPlace(postgres, SHARING_RETENTION_MS));
