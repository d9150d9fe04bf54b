// The engine of a shared ledger on PostgreSQL 14 or newer: one statement a batch, the time of the database.
import { type Log, silentLog } from "../../runtime/log.ts";
import type { Engine, EngineLimits } from "../shared/engine.ts";
import { connectDatabase, type Database } from "./database.ts";
import { behindOf, createGateways } from "./gateways.ts";
import { checkPooler } from "./pooler.ts";
import { createRecords } from "./records.ts";
import { checkSchema } from "./schema.ts";
import { DURABLE, SETTINGS, settingsOf, undurable } from "./session.ts";
import { createStatements } from "./statements.ts";
import { createSweep } from "./sweep.ts";

/** A statement of a batch takes milliseconds; a server that needs seconds is one that has failed. */
export const STATEMENT_TIMEOUT_MS = 5_000;

/** The time of the transaction. */
const NOW = "now()";

export interface PostgresOptions extends EngineLimits {
  /** postgres://user:password@host:port/database; see DatabaseOptions. */
  readonly url: string;
  /** For what is found at the start and does not stop it; silent when left out. */
  readonly log?: Log;
  readonly statementTimeoutMs?: number;
  readonly connections?: number;
  /** An SQL expression for the present time; a test that owns time gives another. */
  readonly now?: string;
}

/** Rejects with a StorageError, also when the schema is not that of this version; nothing stays open then. */
export async function openPostgresEngine(options: PostgresOptions): Promise<Engine> {
  const { url, connections, statementTimeoutMs = STATEMENT_TIMEOUT_MS } = options;
  const database = connectDatabase({
    url,
    statementTimeoutMs,
    ...(connections === undefined ? {} : { connections }),
  });
  try {
    await checkPooler(database);
    await checkSchema(database);
    await checkServer(database, options);
    return createEngine(database, options);
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Rejects with a StorageError when the server does not keep what it confirms; warns of settings that may be right. */
async function checkServer(
  database: Database,
  { log = silentLog, now = NOW }: PostgresOptions,
): Promise<void> {
  const [kept] = await database.run({ text: `SELECT ${DURABLE} AS durable` });
  if (kept?.durable !== true) throw undurable();
  const { fullPageWrites } = settingsOf(await database.run({ text: SETTINGS }));
  if (!fullPageWrites) log.warn("ledger.full_page_writes_off");
  const ms = behindOf((await database.run(createStatements(now).time))[0]);
  if (ms > 0) log.warn("ledger.time_stepped_back", { ms });
}

function createEngine(database: Database, options: PostgresOptions): Engine {
  const { now = NOW, retentionMs, leaseMs } = options;
  let limits: EngineLimits = { retentionMs, leaseMs };
  const inForce = () => limits;
  const statements = createStatements(now);
  const gateways = createGateways(database, statements, inForce);
  const { register, beat, retire, settings, putSettings } = gateways;
  return {
    name: "postgres",
    callMaxMs: 2 * database.callMaxMs,
    limit(next) {
      limits = next;
    },
    ...{ register, beat, retire, settings, putSettings },
    ...createRecords(database, statements, inForce),
    sweep: createSweep(database, statements, inForce, gateways.registered),
    async close() {
      await database.close().catch(() => {});
    },
  };
}
