// The network between one gateway and the database fails: clients of that gateway hear 451 within seconds, the
// others go on, and it recovers without a restart.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import type { FaultName } from "./faults.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import { createLink, type Link, type LinkState } from "./link.ts";
import { type Mail, mailsOf, submitTo } from "./mailers.ts";
import { startRounds } from "./rounds.ts";
import { startServer, type TestDatabase, type TestServer } from "./server.ts";
import { countOf } from "./tally.ts";

const SEED = 5321;
/** A statement has 5 s, and the gateway gives the server another to say so. */
const TOLD_WITHIN_MS = 8_000;
const SLOW_MS = 300;

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());

async function untilAccepted(port: number, mail: Mail): Promise<string> {
  for (;;) {
    const [reply = ""] = await submitTo(port, [mail]);
    if (!reply.startsWith("4")) return reply;
  }
}

test.each<FaultName>(["dropped", "silent", "slow"])(
  "%s in the middle of a round, seed 5321",
  async (fault) => {
    const rounds = await startRounds(server, SEED);
    try {
      const { what, heard } = await rounds.run(fault);
      expect(heard.wrong, what).toEqual([]);
      const { faults, lost, twice } = await rounds.finish();
      expect({ faults, lost, twice }, what).toEqual({ faults: [], lost: 0, twice: 0 });
      expect(rounds.events().get("gateway.listening")).toBe(3);
    } finally {
      await rounds.remove();
    }
  },
);

let database: TestDatabase;
let upstream: ScriptedSmtp;
let link: Link;
let fleet: Fleet;
beforeEach(async () => {
  database = await server.database();
  upstream = await createScriptedSmtp();
  link = await createLink(server.port, SLOW_MS);
  const own = { b: { LEDGER_POSTGRES_URL: database.urlBy(link.port) } };
  fleet = await startFleet({ database, upstream, names: ["a", "b"], own });
});
afterEach(async () => {
  await fleet.remove();
  await link.close();
  await upstream.close();
  await database.close();
});

test.each<LinkState>(["dropped", "silent"])(
  "%s: 451 within seconds, and 250 when it is up again",
  async (state) => {
    const [a, b] = fleet.members;
    if (a === undefined || b === undefined) throw new Error("no gateways");
    const [first, second, third, ...many] = mailsOf(20, state) as [Mail, Mail, Mail, ...Mail[]];
    expect(await submitTo(b.port, [first])).toEqual([expect.stringMatching(/^250 .*queued as/)]);
    link.set(state);
    const began = performance.now();
    expect(await submitTo(b.port, [second])).toEqual([expect.stringMatching(/^451 4\.3\.0 /)]);
    expect(performance.now() - began).toBeLessThan(TOLD_WITHIN_MS);
    // 451 if it waited for the other one.
    expect(await submitTo(a.port, [third])).toEqual([expect.stringMatching(/^250 .*queued as/)]);
    await b.process.logged("ledger.unreachable");

    link.set("up");
    expect(await untilAccepted(b.port, second)).toMatch(/^250 .*queued as/);
    for (const reply of await submitTo(b.port, many)) expect(reply).toMatch(/^250 .*queued as/);
    await b.process.logged("ledger.reached");
    await fleet.untilSettled();
    expect(b.lives).toBe(1);
    const mails = [first, second, third, ...many];
    expect(countOf(mails, upstream.taken, fleet.lines())).toMatchObject({
      faults: [],
      copies: 0,
      doubtful: 0,
    });
  },
);

test("slow: all goes on, later", async () => {
  const b = fleet.members[1];
  if (b === undefined) throw new Error("no gateway");
  link.set("slow");
  const mails = mailsOf(10, "slow");
  const replies = await Promise.all(mails.map((mail) => submitTo(b.port, [mail])));
  for (const [reply] of replies) expect(reply).toMatch(/^250 .*queued as/);
  await fleet.untilSettled();
  expect(countOf(mails, upstream.taken, fleet.lines())).toMatchObject({ faults: [], copies: 0, doubtful: 0 });
});
