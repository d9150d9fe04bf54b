// The schema of the ledger in PostgreSQL, and its migrations: each step once, in one transaction, however
// many run at the same time. It is where the connection's search_path says.
//
// Only what CockroachDB, YugabyteDB and Aurora have too: no advisory locks, no extensions, no functions.
import { StorageError } from "../../storage/storage.ts";
import { codeOf, connectDatabase, type Database } from "./database.ts";

/** For one statement of a migration: an index of a large table takes its time. */
const MIGRATION_TIMEOUT_MS = 3_600_000;

/** Errors of a gateway that makes a table at the same instant as another; it tries again. */
const LOST_RACE = new Set(["23505", "42P07", "42710", "40001", "40P01", "XX000"]);
const RACES_MAX = 10;

/**
 * Columns of eight octets first, since each is aligned to eight. Of the two further indices, `held` has only
 * what is under way, and `expiry` only what is not; neither has a column that an attempt changes, so that an
 * attempt stays within its page (a HOT update). The room for that is the fill factor's.
 */
const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE IF NOT EXISTS mailonce_ids (
       fence bigint NOT NULL,
       changed_at timestamptz NOT NULL,
       incarnation bigint,
       relayed_at timestamptz,
       step integer NOT NULL,
       state smallint NOT NULL,
       id bytea PRIMARY KEY,
       digest bytea NOT NULL,
       earlier_digest bytea,
       first_date text
     ) WITH (fillfactor = 80)`,
    `CREATE INDEX IF NOT EXISTS mailonce_ids_held ON mailonce_ids (id ASC) WHERE incarnation IS NOT NULL`,
    `CREATE INDEX IF NOT EXISTS mailonce_ids_expiry ON mailonce_ids (relayed_at ASC) WHERE incarnation IS NULL`,
    `CREATE TABLE IF NOT EXISTS mailonce_gateways (
       gateway text PRIMARY KEY,
       incarnation bigint NOT NULL UNIQUE,
       beat_at timestamptz NOT NULL
     )`,
  ],
];

/**
 * The version: an older mailonce would misread what a later one writes, and refuses it.
 */
export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * What a mailonce of the same version that does not know of it neither reads nor changes, so that it goes on, and
 * starts, beside a newer one: these are counted apart from the version.
 */
const ADDITIONS: readonly (readonly string[])[] = [
  [
    `ALTER TABLE mailonce_ids ADD COLUMN IF NOT EXISTS bound_fence bigint`,
    `ALTER TABLE mailonce_gateways ADD COLUMN IF NOT EXISTS confirmed bigint`,
    // Which life of the gateway has confirmed it: an older mailonce that starts leaves both as they are.
    `ALTER TABLE mailonce_gateways ADD COLUMN IF NOT EXISTS confirmed_by bigint`,
    `CREATE TABLE IF NOT EXISTS mailonce_settings (
       one integer PRIMARY KEY,
       version bigint NOT NULL,
       settings text NOT NULL
     )`,
  ],
  // The relaying that is forgotten, by its time. To an older mailonce it is relayed.
  [`ALTER TABLE mailonce_ids ADD COLUMN IF NOT EXISTS forgotten timestamptz`],
];

/**
 * Makes the schema, or brings it to this version. Safe when several run at once, and again.
 *
 * @returns the versions before and after; 0: there was none
 */
export async function migratePostgres(url: string): Promise<Migrated> {
  const database = connectDatabase({ url, statementTimeoutMs: MIGRATION_TIMEOUT_MS, connections: 1 });
  try {
    for (let races = 0; ; races++) {
      try {
        return await migrate(database);
      } catch (error) {
        if (races === RACES_MAX || !LOST_RACE.has(codeOf(error))) throw error;
      }
    }
  } finally {
    await database.close();
  }
}

export interface Migrated {
  readonly from: number;
  readonly to: number;
  /** Additions within the version that were made. */
  readonly added: number;
}

async function migrate(database: Database): Promise<Migrated> {
  await database.run({
    text: "CREATE TABLE IF NOT EXISTS mailonce_schema (one integer PRIMARY KEY, version integer NOT NULL)",
  });
  await database.run({
    text: "INSERT INTO mailonce_schema (one, version) VALUES (1, 0) ON CONFLICT (one) DO NOTHING",
  });
  await database.run({
    text: "ALTER TABLE mailonce_schema ADD COLUMN IF NOT EXISTS additions integer NOT NULL DEFAULT 0",
  });
  return await database.transaction(async (run) => {
    // The second one waits here, and finds that it is done.
    const [row] = await run({
      text: "SELECT version, additions FROM mailonce_schema WHERE one = 1 FOR UPDATE",
    });
    const from = Number(row?.version);
    if (from > SCHEMA_VERSION) throw newer(from);
    const before = from === SCHEMA_VERSION ? Number(row?.additions) : 0;
    const steps = [...MIGRATIONS.slice(from), ...ADDITIONS.slice(before)];
    for (const statements of steps) for (const text of statements) await run({ text });
    // A newer mailonce may have added more.
    const additions = Math.max(before, ADDITIONS.length);
    await run({ text: "UPDATE mailonce_schema SET version = $1, additions = $2 WHERE one = 1" }, [
      SCHEMA_VERSION,
      additions,
    ]);
    return { from, to: SCHEMA_VERSION, added: additions - before };
  });
}

/** Rejects with a StorageError that says what to do unless the schema is of this version, with its additions. */
export async function checkSchema(database: Database): Promise<void> {
  const rows = await database.run({ text: "SELECT * FROM mailonce_schema" }).catch((error) => {
    if (codeOf(error) === "42P01") return [];
    throw error;
  });
  const version = Number(rows[0]?.version ?? 0);
  if (version > SCHEMA_VERSION) throw newer(version);
  const additions = Number(rows[0]?.additions ?? 0);
  if (version === SCHEMA_VERSION && additions >= ADDITIONS.length) return;
  const found = `version ${version}.${additions}`;
  const what = version === 0 ? "has no ledger yet" : `has a ledger of ${found}`;
  throw new StorageError(
    "damaged",
    `the database ${what}, this mailonce needs version ${SCHEMA_VERSION}.${ADDITIONS.length}: ` +
      "run `mailonce ledger migrate`",
  );
}

const newer = (version: number): StorageError =>
  new StorageError(
    "damaged",
    `the database has a ledger of version ${version}, this mailonce knows up to ${SCHEMA_VERSION}: ` +
      "use a newer mailonce (`mailonce ledger migrate` does not go back)",
  );
