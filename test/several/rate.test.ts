// One rate for all gateways that share a ledger: divided by the live ones, and divided anew when one dies.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import { startFleet } from "./fleet.ts";
import { mailsOf, submitTo } from "./mailers.ts";
import { startServer, type TestServer } from "./server.ts";

const RATE = 30;
const WINDOW_MS = 5_000;
/** Between two beats, at each of which a gateway hears how many are alive. A sixth of the lease. */
const BEAT_MS = 900;

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());

/** Messages a second that the upstream takes from now on, over a time that has to pass. */
async function rateOf(upstream: ScriptedSmtp, windowMs: number): Promise<number> {
  const [began, before] = [performance.now(), upstream.taken.length];
  await new Promise((resolve) => setTimeout(resolve, windowMs));
  return ((upstream.taken.length - before) / (performance.now() - began)) * 1000;
}

test(`${RATE} a second of three gateways together, and of two when one has died`, async () => {
  const database = await server.database();
  const upstream = await createScriptedSmtp();
  const fleet = await startFleet({ database, upstream, settings: { UPSTREAM_RATE_PER_SECOND: RATE } });
  try {
    await Promise.all(fleet.ports().map((port, at) => submitTo(port, mailsOf(280, `g${at}`))));
    // By then the bursts of the first second are over.
    await upstream.waitFor(4 * RATE);
    const three = await rateOf(upstream, WINDOW_MS);
    await fleet.members[2]?.kill();
    const meanwhile = await rateOf(upstream, 3_000);
    await fleet.untilOneIsDead();
    await rateOf(upstream, BEAT_MS);
    const two = await rateOf(upstream, WINDOW_MS);
    expect(three).toBeGreaterThan(0.85 * RATE);
    expect(three).toBeLessThan(1.1 * RATE);
    expect(meanwhile).toBeLessThan(0.8 * RATE);
    expect(two).toBeGreaterThan(0.85 * RATE);
    expect(two).toBeLessThan(1.1 * RATE);
    expect(upstream.repeated()).toEqual([]);
  } finally {
    await fleet.remove();
    await upstream.close();
    await database.close();
  }
});
