// Three gateways on one PostgreSQL, a task's hundred mails submitted to all of them at the same instant: each
// is relayed once, whatever dies in the middle; or it was said to be doubtful before the second copy.
// `npm run several` is the long run of the same.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { FaultName } from "../several/faults.ts";
import { type Rounds, startRounds } from "../several/rounds.ts";
import { startServer, type TestServer } from "../several/server.ts";

const SEED = 20131210;

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());

async function withRounds(work: (rounds: Rounds) => Promise<void>): Promise<void> {
  const rounds = await startRounds(server, SEED);
  try {
    await work(rounds);
  } finally {
    await rounds.remove();
  }
}

test.each<[string, readonly FaultName[], number]>([
  ["nothing fails", ["none", "none", "none", "none", "none"], 0],
  ["one gateway is killed in the middle of each round", ["kill", "kill", "kill", "kill", "kill"], 5],
  ["PostgreSQL is restarted in the middle", ["fast", "immediate", "fast", "immediate"], 0],
  ["one gateway stands still beyond its lease", ["freeze"], 0],
])(`%s, seed ${SEED}`, async (_name, faults, starts) => {
  await withRounds(async (rounds) => {
    const what: string[] = [];
    for (const fault of faults) {
      const round = await rounds.run(fault);
      what.push(`${round.what}: ${JSON.stringify(round.heard)}`);
      expect(round.heard.wrong).toEqual([]);
      if (fault === "none")
        expect(round.heard).toMatchObject({ queued: 100, repeats: 200, later: 0, lost: 0 });
    }
    const { faults: found, twice, lost, copies } = await rounds.finish();
    expect({ found, twice, lost }, what.join("\n")).toEqual({ found: [], twice: 0, lost: 0 });
    if (faults.includes("none")) expect(copies).toBe(0);
    expect(rounds.events().get("gateway.listening")).toBe(3 + starts);
  });
});
