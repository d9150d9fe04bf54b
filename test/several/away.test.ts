// A gateway that stands still beyond its lease, or never comes back: what it held goes its way through another
// gateway when it is submitted again, and it sends nothing under what it has lost.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import type { SmtpFault } from "../support/smtp-faults.ts";
import { type Fleet, type FleetOptions, type Member, startFleet } from "./fleet.ts";
import { mailsOf, submitTo } from "./mailers.ts";
import { startServer, type TestDatabase, type TestServer } from "./server.ts";
import { countOf } from "./tally.ts";

let server: TestServer;
let database: TestDatabase;
let upstream: ScriptedSmtp;
let fleet: Fleet | undefined;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());
beforeEach(async () => {
  database = await server.database();
  upstream = await createScriptedSmtp();
});
afterEach(async () => {
  await fleet?.remove();
  fleet = undefined;
  await upstream.close();
  await database.close();
});

async function start(
  own: NonNullable<FleetOptions["own"]>,
): Promise<readonly [Fleet, Member, Member, Member]> {
  fleet = await startFleet({ database, upstream, own });
  const [a, b, c] = fleet.members;
  if (a === undefined || b === undefined || c === undefined) throw new Error("no three gateways");
  return [fleet, a, b, c];
}

/** What the upstream does in the order in which it is asked; afterwards it leaves everybody waiting. */
const SCRIPT: readonly SmtpFault[] = [
  ...(["drop-before-reply", "drop-before-reply", "held-reply", "held-reply"] as const),
];

test("stopped beyond the lease with mails of all states: it drops what others took over", async () => {
  const [all, a, b] = await start({
    a: { UPSTREAM_CONCURRENCY: 6, SPOOL_RETRY_MIN: "1s", SPOOL_RETRY_MAX: "1s" },
  });
  upstream.play((number) => SCRIPT[number] ?? "hang-at-rcpt");
  const mails = mailsOf(20, "stopped");
  for (const reply of await submitTo(a.port, mails)) expect(reply).toMatch(/queued as/);
  await a.process.logged("transmission.doubtful", 2);
  // Two are doubtful, two at the upstream without an answer, four on their way to it, the others wait.
  const hanging = () => upstream.commands.filter((line) => line.startsWith("RCPT")).length - SCRIPT.length;
  while (hanging() < 4) await upstream.struck();
  await upstream.waitFor(SCRIPT.length);

  a.process.signal("SIGSTOP");
  upstream.play("accept");
  await all.untilOneIsDead();
  for (const reply of await submitTo(b.port, mails)) expect(reply).toMatch(/^250 .*queued as/);
  await all.untilSettled();
  expect(b.said("transmission.doubtful")).toHaveLength(8);
  expect(b.said("ledger.taken_over")).toHaveLength(mails.length);
  const taken = upstream.taken.length;
  expect(taken).toBe(mails.length + SCRIPT.length);

  a.process.signal("SIGCONT");
  upstream.release();
  upstream.dropAll();
  // The two whose answer comes late leave its spool with that; the other eighteen as stale.
  await a.process.logged("transmission.stale", 18);
  await a.process.logged("ledger.settled_stale", 6);
  expect(await all.stop()).toEqual([]);
  await a.start();
  expect(a.said("spool.recovered")).toEqual([]);
  expect(upstream.taken).toHaveLength(taken);
  expect(countOf(mails, upstream.taken, all.lines())).toMatchObject({
    lost: 0,
    twice: 0,
    copies: 4,
    faults: [],
  });
});

test("gone for good: a repeat before the lease is over, relayed after it", async () => {
  const gone = await createScriptedSmtp({ script: "hang-at-data" });
  try {
    const [all, a, b, c] = await start({ a: { UPSTREAM_SMTP_PORT: gone.port, UPSTREAM_CONCURRENCY: 1 } });
    const mails = mailsOf(10, "gone");
    const struck = gone.struck();
    for (const reply of await submitTo(a.port, mails)) expect(reply).toMatch(/queued as/);
    await struck;
    await all.untilAnnounced();
    await a.kill();
    for (const reply of await submitTo(b.port, mails)) expect(reply).toMatch(/^250 .*repeat of/);
    expect(upstream.taken).toEqual([]);

    await all.untilOneIsDead();
    for (const reply of await submitTo(c.port, mails)) expect(reply).toMatch(/^250 .*queued as/);
    for (const reply of await submitTo(b.port, mails)) expect(reply).toMatch(/^250 .*repeat of/);
    await all.untilSettled();
    const count = countOf(mails, upstream.taken, all.lines());
    expect(count).toMatchObject({ lost: 0, twice: 0, copies: 0, doubtful: 1, faults: [] });
    expect(c.said("transmission.doubtful")).toHaveLength(1);
  } finally {
    await gone.close();
  }
});
