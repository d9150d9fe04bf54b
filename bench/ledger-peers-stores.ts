// What people build by hand in place of a ledger: one durable insert of an id, which fails when it is there.
// Each as it is meant to be used with many callers at once, with its settings for durability.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { startServer } from "../test/several/server.ts";
import { freePort } from "../test/support/peers.ts";
import { atExit } from "./support/at-exit.ts";

export interface Inserts {
  /** False when the id is there. Durable when it resolves. */
  insert(key: Uint8Array, digest: Uint8Array): Promise<boolean>;
  close(): Promise<void>;
}

/** PostgreSQL takes 100 connections unless told otherwise; each is a process. */
const CONNECTIONS = 64;

/** The first line of what the program prints of itself; undefined when it is not installed. */
function versionOf(program: string): string | undefined {
  try {
    return /v=([\d.]+)/.exec(execFileSync(program, ["--version"], { encoding: "utf8" }))?.[1];
  } catch {
    return undefined;
  }
}

export const redisVersion = (): string | undefined => versionOf("redis-server");

/** A server with appendfsync always. */
async function startRedis(
  folder: string,
): Promise<{ port: number; server: ChildProcess; stop(): Promise<void> }> {
  mkdirSync(folder);
  const port = await freePort();
  const options = {
    port,
    dir: folder,
    bind: "127.0.0.1",
    save: "",
    appendonly: "yes",
    appendfsync: "always",
  };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const server = spawn("redis-server", flags, { stdio: "ignore" });
  const ended = atExit(() => server.kill());
  return {
    port,
    server,
    async stop() {
      server.kill();
      await once(server, "exit");
      ended();
    },
  };
}

/** What is used of the client that Redis has for Node, which is not among the dependencies. */
interface RedisClient {
  connect(): Promise<unknown>;
  set(key: Buffer, value: Buffer, options: { condition: "NX" }): Promise<string | null>;
  destroy(): void;
}

/** SET NX by Redis' own client for Node. Undefined when it is not installed. */
export async function openRedisClient(folder: string): Promise<Inserts | undefined> {
  const name = "@redis/client";
  const library = (await import(name).catch(() => undefined)) as
    | { createClient(options: object): RedisClient }
    | undefined;
  if (library === undefined) return undefined;
  const { port, server, stop } = await startRedis(folder);
  (await connected(port, server)).destroy();
  const client = library.createClient({ socket: { host: "127.0.0.1", port } });
  await client.connect();
  return {
    insert: async (key, digest) =>
      (await client.set(Buffer.from(key), Buffer.from(digest), { condition: "NX" })) === "OK",
    async close() {
      client.destroy();
      await stop();
    },
  };
}

/** SET NX without a client: one connection, on which all that callers ask for goes out together. */
export async function openRedis(folder: string): Promise<Inserts> {
  const { port, server, stop } = await startRedis(folder);
  const socket = await connected(port, server);
  const waiting: ((isNew: boolean) => void)[] = [];
  let commands: Buffer[] = [];
  let held = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    // "+OK" or "$-1", each with CRLF.
    const whole = held.length - (held.length % 5);
    for (let at = 0; at < whole; at += 5) waiting.shift()?.(held[at] === 0x2b);
    held = held.subarray(whole);
  });
  return {
    insert(key, digest) {
      if (commands.length === 0) {
        setImmediate(() => {
          socket.write(Buffer.concat(commands));
          commands = [];
        });
      }
      commands.push(Buffer.from("*4\r\n$3\r\nSET\r\n$20\r\n"), Buffer.from(key), Buffer.from("\r\n$16\r\n"));
      commands.push(Buffer.from(digest), Buffer.from("\r\n$2\r\nNX\r\n"));
      return new Promise((resolve) => waiting.push(resolve));
    },
    async close() {
      socket.destroy();
      await stop();
    },
  };
}

async function connected(port: number, server: ChildProcess) {
  for (;;) {
    if (server.exitCode !== null) throw new Error(`redis-server ended with ${server.exitCode}`);
    const socket = createConnection({ port, host: "127.0.0.1", noDelay: true });
    try {
      await once(socket, "connect");
      return socket;
    } catch {
      await wait(50);
    }
  }
}

/** One statement a claim, prepared, on connections of its own; synchronous_commit is on by default. */
export async function openPostgres(): Promise<Inserts & { readonly version: string }> {
  const server = await startServer();
  const database = await server.database();
  await database.query(
    "CREATE TABLE sent (id bytea PRIMARY KEY, digest bytea NOT NULL, at timestamptz DEFAULT now())",
  );
  const [version] = await database.query("SHOW server_version");
  const pool = new pg.Pool({ connectionString: database.url, max: CONNECTIONS });
  pool.on("error", () => {});
  const text = "INSERT INTO sent (id, digest) VALUES ($1, $2) ON CONFLICT DO NOTHING";
  return {
    version: String(version?.server_version),
    async insert(key, digest) {
      const { rowCount } = await pool.query({
        name: "insert",
        text,
        values: [Buffer.from(key), Buffer.from(digest)],
      });
      return rowCount === 1;
    },
    async close() {
      await pool.end();
      await database.close();
      await server.remove();
    },
  };
}

/** What is used of better-sqlite3, which is not among the dependencies: it is compiled when installed. */
interface Sqlite {
  pragma(text: string): unknown;
  exec(text: string): unknown;
  prepare(text: string): { run(...values: unknown[]): { changes: number }; get(): unknown };
  close(): void;
}

/** One statement a claim, in the log first, on the disk when it returns. Undefined when not installed. */
export async function openSqlite(
  folder: string,
): Promise<(Inserts & { readonly version: string }) | undefined> {
  const name = "better-sqlite3";
  const library = (await import(name).catch(() => undefined)) as
    | { default: new (path: string) => Sqlite }
    | undefined;
  if (library === undefined) return undefined;
  mkdirSync(folder);
  const sqlite = new library.default(join(folder, "ledger.sqlite"));
  sqlite.pragma("journal_mode = WAL");
  sqlite.pragma("synchronous = FULL");
  sqlite.exec(
    "CREATE TABLE sent (id BLOB PRIMARY KEY, digest BLOB NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
  );
  const insert = sqlite.prepare("INSERT INTO sent VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
  const { version } = sqlite.prepare("SELECT sqlite_version() AS version").get() as { version: string };
  return {
    version,
    insert: async (key, digest) => insert.run(key, digest, Date.now()).changes === 1,
    close: async () => sqlite.close(),
  };
}
