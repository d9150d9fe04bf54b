// Three gateways on one PostgreSQL, and one queue of events. Each event goes to any of them, and settles what any of them
// holds in doubt: under hold no mail waits for a person in the end.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Fleet, type Member, startFleet } from "../several/fleet.ts";
import { type Mail, submitTo } from "../several/mailers.ts";
import { startServer, type TestDatabase, type TestServer } from "../several/server.ts";
import { type LogLine, PRESENT } from "../support/process.ts";
import { scrape } from "../support/scrape.ts";
import { CREDENTIALS } from "../support/scripted-ses.ts";
import type { Shares } from "./plan.ts";
import { openWorld, type World } from "./world.ts";

const SEED = 20131210;
const MAILS = 60;

let server: TestServer;
let database: TestDatabase;
let world: World;
let fleet: Fleet | undefined;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());
beforeEach(async () => {
  database = await server.database();
});
afterEach(async () => {
  await fleet?.remove();
  await world.close();
  await database.close();
});

/** Three gateways, each with a third of the mails. SES has all, and has answered nothing. */
async function start(shares: Omit<Shares, "lost" | "never">): Promise<ReadonlyMap<Member, readonly Mail[]>> {
  world = await openWorld({
    ...{ mails: MAILS, shares: { lost: 1, never: 0, ...shares }, rate: 1_000, seed: SEED },
  });
  const settings = {
    LEDGER_DOUBTFUL: "hold",
    UPSTREAM_SES_EVENTS_WAIT: "6h",
    ...world.upstream,
    ...world.queue,
  };
  fleet = await startFleet({ database, settings, program: { ...PRESENT, environment: CREDENTIALS } });
  const { members } = fleet;
  const shareOf = (at: number) => world.mails.filter((_, number) => number % members.length === at);
  const given = new Map(members.map((member, at) => [member, shareOf(at)]));
  const submitted = [...given].map(async ([{ port }, mails]) => {
    for (const reply of await submitTo(port, mails)) expect(reply).toMatch(/queued as/);
  });
  await Promise.all(submitted);
  await world.ses.waitFor(MAILS);
  return given;
}

/** Each mail that was given to it is settled there: it has left the spool. */
const allSettled = (member: Member, mails: readonly Mail[]): Promise<void> =>
  member.process.until(() => {
    const settled = new Set(member.said("evidence.settled").map(({ recipient }) => recipient));
    return mails.every(({ recipient }) => settled.has(recipient));
  }, "each of its mails settled");

/** Of the mails that the member holds: who settled them. */
const sourcesAt = (member: Member): unknown[] =>
  member
    .said("evidence.settled")
    .filter(({ recipient }: LogLine) => recipient !== undefined)
    .map(({ source }) => source);

async function inSpool({ process }: Member): Promise<number> {
  const { values } = await scrape(process);
  return [...values]
    .filter(([series]) => /^mailonce_(queue_transmissions|doubtful_ids|ledger_claims)\b/.test(series))
    .reduce((sum, [, value]) => sum + value, 0);
}

test("each doubt is settled by the gateway that reads its event, and leaves the spool of the one that holds it", async () => {
  const given = await start({ twice: 0.3, late: 0 });
  await world.inOrder();
  await world.published();
  await Promise.all([...given].map(([member, mails]) => allSettled(member, mails)));
  await world.emptied();
  const sources = [...given.keys()].flatMap(sourcesAt);
  expect(sources).toHaveLength(MAILS);
  expect(new Set(sources)).toEqual(new Set(["ses", "another gateway"]));
  for (const member of given.keys()) {
    expect(member.lives).toBe(1);
    expect(await inSpool(member)).toBe(0);
  }
  expect(world.ses.taken).toHaveLength(MAILS);
});

test("what a dead gateway holds is settled by the others, and leaves its spool when it starts", async () => {
  const given = await start({ twice: 0, late: 1 });
  const [dead, ...others] = [...given.keys()];
  if (dead === undefined) throw new Error("no gateway");
  await dead.process.logged("transmission.doubtful", given.get(dead)?.length);
  await dead.kill();
  await world.inOrder();
  await world.published();
  await world.emptied();
  await Promise.all(others.map((member) => allSettled(member, given.get(member) ?? [])));
  await dead.start();
  expect(await inSpool(dead)).toBe(0);
  for (const member of given.keys()) expect(await inSpool(member)).toBe(0);
  expect(world.ses.taken).toHaveLength(MAILS);
});
