// The connections to PostgreSQL: a small pool, a time-out on everything, and what its errors mean. pg is
// imported here and nowhere else.
//
// The server itself has to end a statement that takes too long: one that was given up must not change anything
// later. A connection asks for that when it opens. Where a pooler drops what it asked for, every statement has a
// transaction of its own that sets it.
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { StorageError, type StorageErrorCode } from "../../storage/storage.ts";
import { DURABLE, readOnlySession, refuseSession, SETTINGS, settingsOf } from "./session.ts";

/**
 * Connections of one gateway. Calls are batches, so more would not be faster; PostgreSQL's default of 100
 * is enough for a dozen gateways.
 */
const CONNECTIONS = 6;

/**
 * The server ends a statement first and says so; the client gives up on a server that is not there any
 * more so much later.
 */
const ANSWER_LATE_MS = 1_000;

/** Between tries after another transaction was first: that one takes a statement at most. */
const RETRY_MS = 10;

/** SQLSTATE: the whole statement was undone, and may succeed now. */
const LOST = new Set(["40001", "40P01"]);

/** read_only_sql_transaction. */
const READ_ONLY_TRANSACTION = "25006";
/** invalid_sql_statement_name, duplicate_prepared_statement: of a pooler that mixes up its sessions. */
const UNPREPARED = new Set(["26000", "42P05"]);
/** protocol_violation, by which a pooler refuses what it does not know at the start of a connection. */
const PROTOCOL_VIOLATION = "08P01";

export interface Statement {
  /** Of a prepared statement; left out for what is said once. */
  readonly name?: string;
  readonly text: string;
}

export type Row = Readonly<Record<string, unknown>>;

export type Run = (statement: Statement, values?: readonly unknown[]) => Promise<Row[]>;

export interface Database {
  /** No call takes longer, with all its tries. As far as is known after the first call. */
  readonly callMaxMs: number;
  /** Runs one statement in a transaction of its own. Rejects with a StorageError; see `codeOf`. */
  readonly run: Run;
  /** Runs statements in one transaction, on one connection; rolled back when `work` rejects. */
  transaction<T>(work: (run: Run) => Promise<T>): Promise<T>;
  /** Runs statements as they are given, on two connections. */
  apart<T>(work: (one: Run, other: Run) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** postgres://user:password@host:port/database, with libpq's parameters (sslmode, options). */
  readonly url: string;
  /** Milliseconds for one statement, and as long for a connection. */
  readonly statementTimeoutMs: number;
  readonly connections?: number;
}

/** A session that may not be used (session.ts) is not used: the call rejects. */
export function connectDatabase(options: DatabaseOptions): Database {
  const { statementTimeoutMs } = options;
  const limits = {
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
  };
  /** Connections whose sessions have these limits. */
  const limited = new WeakSet<pg.ClientBase>();
  const beginLimited = [
    "BEGIN",
    ...Object.entries(limits).map(([name, value]) => `SET LOCAL ${name} = ${value}`),
  ].join("; ");
  let asksForLimits = true;
  let isPooled = false;
  let pool = createPool();
  let closing: Promise<unknown>[] = [];

  function createPool(): pg.Pool {
    const created = new pg.Pool({
      connectionString: options.url,
      max: options.connections ?? CONNECTIONS,
      connectionTimeoutMillis: statementTimeoutMs,
      ...(asksForLimits ? limits : {}),
      query_timeout: statementTimeoutMs + ANSWER_LATE_MS,
      application_name: "mailonce",
      keepAlive: true,
      onConnect: admit,
    });
    // A connection that breaks while nobody uses it; the pool makes another when one is needed.
    created.on("error", () => {});
    return created;
  }

  async function admit(client: pg.ClientBase): Promise<void> {
    // One that breaks while it is used: the query rejects too.
    client.on("error", () => {});
    const settings = settingsOf((await client.query(SETTINGS)).rows);
    refuseSession(settings);
    if (settings.statementTimeoutMs === statementTimeoutMs) limited.add(client);
    else isPooled = true;
  }

  /** Connections made from now on are new; those that are in use end with their statement. */
  function renew(): void {
    const before = pool;
    pool = createPool();
    const ended = before.end().finally(() => {
      closing = closing.filter((one) => one !== ended);
    });
    closing.push(ended);
  }

  async function connect(): Promise<pg.PoolClient> {
    const from = pool;
    try {
      return await from.connect();
    } catch (error) {
      if (!refusesLimits(error)) throw error;
      if (from === pool) {
        asksForLimits = false;
        renew();
      }
      return await pool.connect();
    }
  }

  /** Gives the connection back, or ends it when `work` rejects: what state it is in is not known then. */
  async function withClient<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const from = pool;
    const client = await connect();
    try {
      const done = await work(client);
      client.release();
      return done;
    } catch (error) {
      client.release(error instanceof Error ? error : true);
      // The server has become a standby, or is about to: others of these connections would still read from it.
      if (codeOf(error) === READ_ONLY_TRANSACTION && from === pool) renew();
      throw error;
    }
  }

  const query = async (
    client: pg.ClientBase,
    { name, text }: Statement,
    values: readonly unknown[],
  ): Promise<Row[]> => {
    const named = name === undefined ? {} : { name };
    return (await client.query({ text, values: [...values], ...named })).rows;
  };

  const runOnce = (statement: Statement, values: readonly unknown[]): Promise<Row[]> =>
    withClient(async (client) => {
      if (limited.has(client)) return await query(client, statement, values);
      await client.query(beginLimited);
      const rows = await query(client, statement, values);
      await client.query("COMMIT");
      return rows;
    });

  const run: Run = async (statement, values = []) => {
    const lastTryAt = performance.now() + statementTimeoutMs;
    for (;;) {
      try {
        return await runOnce(statement, values);
      } catch (error) {
        if (!LOST.has(codeOf(error)) || performance.now() > lastTryAt) throw storageError(error);
        await wait(RETRY_MS);
      }
    }
  };

  return {
    // Waiting for its turn and a connection, the statement (behind a pooler BEGIN and COMMIT too), and one more of each
    // when it lost at the last.
    get callMaxMs() {
      const statements = isPooled ? 3 : 1;
      return 2 * (statementTimeoutMs + statements * (statementTimeoutMs + ANSWER_LATE_MS));
    },
    run,
    transaction: (work) =>
      withClient(async (client) => {
        await client.query(limited.has(client) ? "BEGIN" : beginLimited);
        await client.query(`SELECT ${DURABLE}`);
        const done = await work(({ text }, values = []) => query(client, { text }, values));
        await client.query("COMMIT");
        return done;
      }).catch((error) => {
        throw storageError(error);
      }),
    apart: (work) =>
      withClient((one) =>
        withClient((other) =>
          work(
            (statement, values = []) => query(one, statement, values),
            (statement, values = []) => query(other, statement, values),
          ),
        ),
      ).catch((error) => {
        throw storageError(error);
      }),
    async close() {
      await Promise.all([pool.end(), ...closing]);
    },
  };
}

/** A pooler knows no such parameter at the start of a connection. */
const refusesLimits = (error: unknown): boolean =>
  codeOf(error) === PROTOCOL_VIOLATION && /startup parameter.*timeout/.test(String(error));

/** SQLSTATE of the server's error, or the system's code; empty when there is none of them. */
export function codeOf(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (error instanceof StorageError) return codeOf(cause);
  return typeof code === "string" ? code : "";
}

function storageError(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const code = codeOf(error);
  // 53100 disk_full; 42P01 undefined_table, 42703 undefined_column: not the schema that was checked.
  const kind: StorageErrorCode =
    code === "53100" ? "full" : code === "42P01" || code === "42703" ? "damaged" : "unavailable";
  if (code === READ_ONLY_TRANSACTION) return readOnlySession(error);
  const message = error instanceof Error ? error.message : String(error);
  const advice = UNPREPARED.has(code)
    ? ": there is a connection pooler that does not keep prepared statements; set max_prepared_statements = " +
      "200 (PgBouncer 1.21 or newer) or pool_mode = session there, or connect to PostgreSQL itself"
    : "";
  return new StorageError(kind, `PostgreSQL: ${message || code}${advice}`, error);
}
