// A PostgreSQL that is set not to keep its word: every write of the ledger is on the disk when it is confirmed all the
// same, and what can't be made so is refused by name.
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { openPostgresArchive } from "../../src/ledger/postgres/archive.ts";
import { openPostgresEngine } from "../../src/ledger/postgres/postgres.ts";
import { migratePostgres } from "../../src/ledger/postgres/schema.ts";
import { DURABLE } from "../../src/ledger/postgres/session.ts";
import type { Engine, EngineLimits } from "../../src/ledger/shared/engine.ts";
import { openSharedLedger } from "../../src/ledger/shared/shared.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import type { Log } from "../../src/runtime/log.ts";
import { digestOf } from "../conformance/ledger.ts";
import { startServer, type TestDatabase, type TestServer } from "../several/server.ts";
import { pseudoIds } from "../support/ids.ts";

const limits: EngineLimits = { retentionMs: 86_400_000, leaseMs: 30_000 };

let server: TestServer;
beforeAll(async () => {
  // What is not waited for is written this much later.
  server = await startServer(["-c", "synchronous_commit=off", "-c", "wal_writer_delay=10s"]);
});
afterAll(() => server.remove());

async function newDatabase(on: TestServer = server): Promise<TestDatabase> {
  const database = await on.database();
  onTestFinished(() => database.close());
  return database;
}

async function open(url: string): Promise<Engine> {
  const engine = await openPostgresEngine({ url, ...limits });
  onTestFinished(() => engine.close());
  return engine;
}

/** Whether what `work` wrote is on the disk once it has resolved. */
async function isFlushed(database: TestDatabase, work: () => Promise<unknown>): Promise<boolean> {
  const [before] = await database.query("SELECT pg_current_wal_insert_lsn() AS at");
  await work();
  const [after] = await database.query(
    "SELECT pg_current_wal_flush_lsn() > $1::pg_lsn AS flushed, pg_current_wal_insert_lsn() > $1::pg_lsn AS written",
    [before?.at],
  );
  expect(after?.written).toBe(true);
  return after?.flushed === true;
}

/** Each write of an engine, in an order in which each has something to write. */
function writesOf(engine: Engine, label: string): [string, () => Promise<unknown>][] {
  const [key, other] = [...pseudoIds(label, 2)] as [Uint8Array, Uint8Array];
  const digest = digestOf(1);
  let incarnation = 0;
  let fence = 0;
  return [
    [
      "register",
      async () => {
        incarnation = await engine.register(`gateway-${label}`);
      },
    ],
    ["beat", () => engine.beat(`gateway-${label}`, incarnation, 0)],
    [
      "insert",
      async () => {
        const [first] = await engine.insert(incarnation, [
          { key, digest },
          { key: other, digest },
        ]);
        if (first?.kind === "inserted") fence = first.fence;
      },
    ],
    [
      "attempted",
      () =>
        engine.change([{ key, fence, step: 1, to: "attempted", digest, firstDate: "a date", bound: false }]),
    ],
    [
      "remembered",
      () =>
        engine.change([{ key, fence, step: 2, to: "remembered", digest, firstDate: "a date", bound: false }]),
    ],
    [
      "take",
      async () => {
        const from = { fence, state: "remembered", step: 2 } as const;
        const to = "reclaimed";
        const [taken] = await engine.take(incarnation, [
          { key, from, to, digest, firstDate: "a date", relayed: undefined },
        ]);
        fence = taken ?? 0;
      },
    ],
    [
      "relayed",
      () =>
        engine.change([{ key, fence, step: 1, to: "relayed", digest, firstDate: undefined, bound: false }]),
    ],
    [
      "absent",
      async () => {
        const [read] = await engine.read([other]);
        const fenceOfOther = read?.fence ?? 0;
        await engine.change([
          {
            key: other,
            fence: fenceOfOther,
            step: 1,
            to: "absent",
            digest,
            firstDate: undefined,
            bound: false,
          },
        ]);
      },
    ],
    ["retire", () => engine.retire(`gateway-${label}`, incarnation)],
  ];
}

test("a write that is not waited for is seen not to be on the disk", async () => {
  const database = await newDatabase();
  let unflushed = 0;
  // The server's own writer may come in between now and then.
  for (let n = 0; n < 10; n++) {
    const written = await isFlushed(database, () =>
      database.query(`INSERT INTO mailonce_gateways VALUES ('plain-${n}', ${n}, now())`),
    );
    if (!written) unflushed++;
  }
  expect(unflushed).toBeGreaterThan(5);
});

test("synchronous_commit = off in the server, the database and the role: every write is on the disk", async () => {
  const database = await newDatabase();
  const name = new URL(database.url).pathname.slice(1);
  await database.query(`ALTER DATABASE ${name} SET synchronous_commit = off`);
  await database.query("ALTER ROLE postgres SET synchronous_commit = off");
  onTestFinished(async () => {
    await database.query("ALTER ROLE postgres RESET synchronous_commit");
  });
  const engine = await open(database.url);
  for (let round = 0; round < 3; round++) {
    for (const [what, write] of writesOf(engine, `round-${round}`)) {
      expect(await isFlushed(database, write), what).toBe(true);
    }
  }
});

test("an import is on the disk when it resolves", async () => {
  const database = await newDatabase();
  const archive = await openPostgresArchive({ url: database.url, leaseMs: limits.leaseMs });
  onTestFinished(() => archive.close());
  const records = [...pseudoIds("import", 5)].map((key) => ({
    key,
    relayed: { time: 1_000, digest: digestOf(1) },
  }));
  expect(await isFlushed(database, () => archive.merge(records))).toBe(true);
  const later = records.map(({ key, relayed }) => ({ key, relayed: { ...relayed, time: 2_000 } }));
  expect(await isFlushed(database, () => archive.merge(later))).toBe(true);
});

test.each([
  ["off", "on"],
  ["local", "on"],
  ["remote_write", "on"],
  ["on", "on"],
  ["remote_apply", "remote_apply"],
])("a transaction under synchronous_commit = %s commits under %s", async (given, kept) => {
  const database = await newDatabase();
  const [row] = await database.query(
    `SELECT set_config('synchronous_commit', $1, true), ${DURABLE} AS durable,
            current_setting('synchronous_commit') AS kept`,
    [given],
  );
  expect(row).toMatchObject({ durable: true, kept });
});

test("every statement that writes to the ledger waits for the disk", () => {
  const folder = new URL("../../src/ledger/postgres/", import.meta.url);
  const sources = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), "utf8"));
  const texts = sources.flatMap((source) => source.match(/`(?:[^`\\]|\$\{[^}]*\})*`/g) ?? []);
  const writing = texts.filter((text) =>
    /(INSERT INTO|UPDATE|DELETE FROM)\s+mailonce_(ids|gateways|settings)/.test(text),
  );
  expect(writing.length).toBeGreaterThan(12);
  for (const text of writing) expect(text).toMatch(/\$\{DURABLE\}/);
});

test("fsync = off: refused, naming the setting and what it means", async () => {
  const unsafe = await startServer(["-c", "fsync=off"]);
  onTestFinished(() => unsafe.remove());
  const database = await unsafe.emptyDatabase();
  onTestFinished(() => database.close());
  await expect(openPostgresEngine({ url: database.url, ...limits })).rejects.toMatchObject({
    name: "StorageError",
    message: expect.stringMatching(/fsync is off: .* may be relayed again; set fsync = on$/),
  });
  await expect(migratePostgres(database.url)).rejects.toMatchObject({
    message: expect.stringContaining("fsync is off"),
  });
});

test("fsync that is turned off while a gateway runs is an outage", async () => {
  const other = await startServer();
  onTestFinished(() => other.remove());
  const database = await newDatabase(other);
  const engine = await open(database.url);
  const incarnation = await engine.register("a");
  await engine.beat("a", incarnation, 0);
  const turn = async (value: string) => {
    await database.query(`ALTER SYSTEM SET fsync = ${value}`);
    await database.query("SELECT pg_reload_conf()");
  };
  await turn("off");
  await expect.poll(() => engine.beat("a", incarnation, 0).catch(String)).toContain("fsync is off");
  await turn("on");
  await expect.poll(() => engine.beat("a", incarnation, 0).catch(String)).toMatchObject({ current: true });
});

test("full_page_writes = off is said, as it is right on a disk that writes pages whole", async () => {
  const whole = await startServer(["-c", "full_page_writes=off"]);
  onTestFinished(() => whole.remove());
  const database = await newDatabase(whole);
  const { log, events } = createEvents();
  const engine = await openPostgresEngine({ url: database.url, ...limits, log });
  await engine.close();
  expect(events).toEqual([["ledger.full_page_writes_off", undefined]]);
});

function createEvents() {
  const events: [string, unknown][] = [];
  const note = (event: string, fields?: unknown) => void events.push([event, fields]);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  return { log, events };
}

test("a time that steps back is noticed, at a beat and at the next start", async () => {
  const database = await newDatabase();
  await database.query("CREATE TABLE test_time (now timestamptz NOT NULL)");
  await database.query("INSERT INTO test_time VALUES (now())");
  const pass = (interval: string) =>
    database.query(`UPDATE test_time SET now = now + interval '${interval}'`);
  const { log, events } = createEvents();
  const engineOptions = { url: database.url, retentionMs: 86_400_000, leaseMs: 600, log };
  const now = "(SELECT now FROM test_time)";
  const ledger = await openSharedLedger({
    engine: await openPostgresEngine({ ...engineOptions, now }),
    gatewayId: "a",
    clock: systemClock,
    elapsed: () => performance.now(),
    ...engineOptions,
  });
  onTestFinished(() => ledger.close());
  const beats = () => ledger.calls().beat.calls;
  const beatAgain = async () => {
    const from = beats();
    await expect.poll(beats).toBeGreaterThan(from + 1);
  };
  const stepped = () => events.filter(([event]) => event === "ledger.time_stepped_back");
  await pass("10 seconds");
  await beatAgain();
  expect(stepped()).toEqual([]);
  await pass("-7 seconds");
  await expect.poll(stepped).toHaveLength(1);
  expect(stepped()[0]?.[1]).toEqual({ ms: 7_000 });
  // Said once. What it stepped behind is a beat of this gateway, which has beaten anew.
  await beatAgain();
  expect(stepped()).toHaveLength(1);
  await pass("-1 hour");
  await expect.poll(stepped).toHaveLength(2);
  await beatAgain();
  await ledger.close();
  // Of a gateway that is gone.
  await database.query(`INSERT INTO mailonce_gateways VALUES ('gone', 1, ${now} + interval '30 seconds')`);
  const again = createEvents();
  const engine = await openPostgresEngine({ ...engineOptions, now, log: again.log });
  await engine.close();
  expect(again.events).toEqual([["ledger.time_stepped_back", { ms: 30_000 }]]);
});
