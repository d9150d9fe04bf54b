// Gateways that reach their PostgreSQL by way of PgBouncer. In transaction mode each transaction may have another
// session, and what was set or prepared in one is not there in the next.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { connectDatabase } from "../../src/ledger/postgres/database.ts";
import { startFleet } from "../several/fleet.ts";
import { mailsOf, submitTo } from "../several/mailers.ts";
import { startServer, type TestDatabase, type TestServer } from "../several/server.ts";
import { keepsPrepared, pgbouncerProgram, startPgBouncer } from "../support/pgbouncer.ts";
import { makeFolder, type Run, run, type Settings } from "../support/process.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";

const program = pgbouncerProgram ?? "";
const isMissing = pgbouncerProgram === undefined;
const keeps = !isMissing && keepsPrepared(program);
const IGNORED = { ignore_startup_parameters: "statement_timeout,idle_in_transaction_session_timeout" };

let server: TestServer;
beforeAll(async () => {
  server = await startServer(["-c", "synchronous_commit=off", "-c", "wal_writer_delay=10s"]);
});
afterAll(() => server.remove());

async function bounced(settings: Settings): Promise<{ database: TestDatabase; url: string }> {
  const database = await server.database();
  onTestFinished(() => database.close());
  const pgbouncer = await startPgBouncer(program, server.port, settings);
  onTestFinished(() => pgbouncer.stop());
  return { database, url: pgbouncer.urlOf(database.url) };
}

const serve = (url: string): Promise<Run> => {
  const folder = makeFolder();
  onTestFinished(folder.remove);
  return run(["serve"], { DATA_DIR: folder.path, LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: url });
};

/** Two gateways through it take the same mails, some at the same time, and each is relayed once. */
async function expectOnce(database: TestDatabase, url: string): Promise<void> {
  const upstream = await createScriptedSmtp();
  const fleet = await startFleet({
    ...{ database, upstream, names: ["a", "b"], settings: { LEDGER_POSTGRES_URL: url } },
  });
  onTestFinished(async () => {
    await fleet.remove();
    await upstream.close();
  });
  const mails = mailsOf(60, "r");
  const parts = Array.from({ length: 6 }, (_, n) => mails.slice(10 * n, 10 * (n + 1)));
  const replies = await Promise.all(
    fleet.ports().flatMap((port) => parts.map((part) => submitTo(port, part))),
  );
  for (const reply of replies.flat()) expect(reply).toMatch(/^250 /);
  await fleet.untilSettled();
  expect(upstream.taken).toHaveLength(mails.length);
  expect(upstream.repeated()).toEqual([]);
  // What was confirmed is on the disk, whatever the sessions are set to.
  await server.stop("immediate");
  await server.start();
  const [row] = await database.query("SELECT count(*)::integer AS relayed FROM mailonce_ids WHERE state = 7");
  expect(row?.relayed).toBe(mails.length);
  const again = await submitTo(fleet.ports()[1] as number, mails.slice(0, 5)).catch(String);
  if (typeof again !== "string") for (const reply of again) expect(reply).toMatch(/^(250 .*repeat|451)/);
  expect(await fleet.stop()).toEqual([]);
}

describe.skipIf(isMissing)("PgBouncer (skipped where it is not installed)", () => {
  test.each([
    ["without prepared statements", { max_prepared_statements: 0 }],
    ["with one session", { max_prepared_statements: 0, default_pool_size: 1 }],
    ["that ignores what it does not know", { max_prepared_statements: 0, ...IGNORED }],
  ])("transaction mode %s: refused, saying what to set", async (_, settings) => {
    const { max_prepared_statements: kept, ...common } = settings;
    const { url } = await bounced({
      pool_mode: "transaction",
      ...common,
      // Older ones know no such setting, and keep none.
      ...(keeps ? { max_prepared_statements: kept } : {}),
    });
    const { code, stderr } = await serve(url);
    expect(stderr).toMatch(
      /^mailonce: PostgreSQL: .*set max_prepared_statements = 200 .* or pool_mode = session/,
    );
    expect(code).toBe(1);
  });

  test.skipIf(!keeps).each([
    ["", {}],
    [" with one session", { default_pool_size: 1 }],
    [" that ignores what it does not know", IGNORED],
  ])(
    "transaction mode with prepared statements%s: each mail once, and confirmed is on the disk",
    async (_, own) => {
      const { database, url } = await bounced({
        pool_mode: "transaction",
        max_prepared_statements: 200,
        ...own,
      });
      await expectOnce(database, url);
    },
  );

  test.each([
    ["", {}],
    [" that ignores what it does not know", IGNORED],
  ])("session mode%s: each mail once, and confirmed is on the disk", async (_, own) => {
    const { database, url } = await bounced({ pool_mode: "session", ...own });
    await expectOnce(database, url);
  });

  test.each(["transaction", "session"])(
    "%s mode: a statement that waits for a lock is ended by the server",
    async (mode) => {
      const { database, url } = await bounced({ pool_mode: mode });
      expect(
        await run(["ledger", "migrate"], { LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: url }),
      ).toMatchObject({ code: 0 });
      const through = connectDatabase({ url, statementTimeoutMs: 300 });
      onTestFinished(() => through.close());
      await database.query("BEGIN");
      await database.query("LOCK TABLE mailonce_ids IN ACCESS EXCLUSIVE MODE");
      await expect(
        through.run({ text: "DELETE FROM mailonce_ids WHERE state = 1 RETURNING id" }),
      ).rejects.toMatchObject({ message: expect.stringContaining("statement timeout") });
      await database.query("ROLLBACK");
      expect(await through.run({ text: "DELETE FROM mailonce_ids WHERE state = 1 RETURNING id" })).toEqual(
        [],
      );
    },
  );
});
