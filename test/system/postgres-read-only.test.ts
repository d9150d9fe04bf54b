// A PostgreSQL that turns read-only under running gateways, as after a failover: an outage, and over when it is.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startFleet } from "../several/fleet.ts";
import { mailsOf, submitTo } from "../several/mailers.ts";
import { startServer, type TestServer } from "../several/server.ts";
import { makeFolder, run } from "../support/process.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());

const PIDS =
  "SELECT pid FROM pg_stat_activity WHERE application_name = 'mailonce' AND datname = current_database()";

test("451 to new mails and known ones, nothing is attempted; then all goes on, on new connections", async () => {
  const database = await server.database();
  const upstream = await createScriptedSmtp();
  const fleet = await startFleet({ database, upstream, names: ["a"] });
  onTestFinished(async () => {
    await fleet.remove();
    await upstream.close();
    await database.close();
  });
  const [member] = fleet.members;
  const known = mailsOf(8, "known");
  // At once, so that there are several connections.
  const parts = known.map((mail) => submitTo(member?.port as number, [mail]));
  for (const [reply] of await Promise.all(parts)) expect(reply).toMatch(/^250 /);
  await fleet.untilSettled();
  const before = (await database.query(PIDS)).map(({ pid }) => pid);
  expect(before.length).toBeGreaterThan(1);

  const turn = async (value: string) => {
    // This session too is read-only by default then.
    await database.query("SET default_transaction_read_only = off");
    await database.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
    await database.query("SELECT pg_reload_conf()");
  };
  const submit = async (mail: (typeof known)[number]) => (await submitTo(member?.port as number, [mail]))[0];
  const [fresh] = mailsOf(1, "fresh") as [(typeof known)[number]];
  await turn("on");
  await expect.poll(() => submit(fresh)).toMatch(/^451 /);
  for (const mail of known) expect(await submit(mail)).toMatch(/^451 /);
  await member?.process.logged("ledger.unreachable");
  expect(member?.said("ledger.unreachable")[0]?.error).toContain("the session is read-only");
  expect(upstream.taken).toHaveLength(known.length);

  await turn("off");
  await expect.poll(() => submit(fresh)).toMatch(/^250 .* queued as/);
  for (const mail of known) expect(await submit(mail)).toMatch(/^250 .*repeat of/);
  await fleet.untilSettled();
  expect(upstream.taken).toHaveLength(known.length + 1);
  expect(upstream.repeated()).toEqual([]);
  const after = (await database.query(PIDS)).map(({ pid }) => pid);
  expect(after.filter((pid) => before.includes(pid))).toEqual([]);
  expect(await fleet.stop()).toEqual([]);
});

test("a start on a read-only database is refused, saying so", async () => {
  const database = await server.database();
  const folder = makeFolder();
  onTestFinished(async () => {
    folder.remove();
    await database.close();
  });
  const name = new URL(database.url).pathname.slice(1);
  await database.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
  const { code, stderr } = await run(["serve"], {
    ...{ DATA_DIR: folder.path, LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: database.url },
  });
  expect(stderr).toMatch(
    /^mailonce: PostgreSQL: the session is read-only .* the ledger needs the primary\n$/,
  );
  expect(code).toBe(1);
});
