// The connections to PostgreSQL: a small pool, a time-out on everything, and what its errors mean. pg is
// imported here and nowhere else.
import pg from "pg";
import { StorageError, type StorageErrorCode } from "../../runtime/storage.ts";

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

/** Between tries of what lost against another transaction: the winner is at most a statement away. */
const RETRY_MS = 10;

/** SQLSTATE: the whole statement was undone, and may succeed now. */
const LOST = new Set(["40001", "40P01"]);

export interface Statement {
  /** Of a prepared statement; left out for what is said once. */
  readonly name?: string;
  readonly text: string;
}

export type Row = Readonly<Record<string, unknown>>;

export interface Database {
  /** No call takes longer, with all its tries. */
  readonly callMaxMs: number;
  /** Runs one statement in a transaction of its own. Rejects with a StorageError; see `codeOf`. */
  run(statement: Statement, values?: readonly unknown[]): Promise<Row[]>;
  /** Runs statements in one transaction, on one connection; rolled back when `work` rejects. */
  transaction<T>(work: (run: Database["run"]) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** postgres://user:password@host:port/database, with libpq's parameters (sslmode, options). */
  readonly url: string;
  /** Milliseconds for one statement, and as long for a connection. */
  readonly statementTimeoutMs: number;
  readonly connections?: number;
}

export function connectDatabase(options: DatabaseOptions): Database {
  const { statementTimeoutMs } = options;
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.connections ?? CONNECTIONS,
    connectionTimeoutMillis: statementTimeoutMs,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + ANSWER_LATE_MS,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    application_name: "mailonce",
    keepAlive: true,
  });
  // A connection that breaks while nobody uses it; the pool makes another when one is needed.
  pool.on("error", () => {});

  async function run({ name, text }: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    const lastTryAt = performance.now() + statementTimeoutMs;
    for (;;) {
      try {
        const query = { text, values: [...values], ...(name === undefined ? {} : { name }) };
        const { rows } = await pool.query(query);
        return rows;
      } catch (error) {
        if (!LOST.has(codeOf(error)) || performance.now() > lastTryAt) throw storageError(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  return {
    // Waiting for its turn and a connection, the statement, and one more of each when it lost at the last.
    callMaxMs: 4 * statementTimeoutMs + 2 * ANSWER_LATE_MS,
    run,
    async transaction(work) {
      const client = await pool.connect().catch((error) => {
        throw storageError(error);
      });
      let failure: unknown;
      try {
        await client.query("BEGIN");
        const done = await work(async ({ text }, values = []) => {
          const { rows } = await client.query(text, [...values]);
          return rows;
        });
        await client.query("COMMIT");
        return done;
      } catch (error) {
        failure = error;
        await client.query("ROLLBACK").catch(() => {});
        throw storageError(error);
      } finally {
        client.release(failure instanceof Error ? failure : undefined);
      }
    },
    close: () => pool.end(),
  };
}

/** SQLSTATE of what the server said, or the system's code; empty when there is none. */
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
  const told = error instanceof Error ? error.message : String(error);
  return new StorageError(kind, `PostgreSQL: ${told || code}`, error);
}
