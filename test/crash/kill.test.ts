// Whatever step the gateway is killed at: nothing is lost that was answered 250, and nothing goes twice that
// was not said to be doubtful before.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startServer } from "../several/server.ts";
import { createChance } from "./chance.ts";
import { createCycles } from "./cycles.ts";
import { type Build, build } from "./gateway-process.ts";
import { postgresLedger } from "./ledgers.ts";
import type { Defect } from "./plan.ts";
import { runCycles, tableOf } from "./run-cycles.ts";
import { sharedSteps, stepNamed } from "./shared-steps.ts";
import { steps } from "./steps.ts";

/** The day of the accident. `npm run crash -- --cycles 66 --seed 20131210` is the same run. */
const SEED = 20131210;
const CYCLES = 66;
/** Half of the steps. `npm run crash -- --ledger postgres` runs all, as often as is asked for. */
const SHARED_CYCLES = 16;

/**
 * A round without a fault says little of a defect. What one commit did not sync, a later one of the same store
 * may have; what was cut off shows only where a later accept made the removal from the spool durable, which no
 * accept of the first round may have done. Each later one shows it at least two times in three.
 */
const LUCKY_MAX = 15;

/** Some steps lie in a race (a filter may be ready late): most must be met, or the run shows little. */
const REACHED_MIN = 0.8;

let built: Build;
beforeAll(() => {
  built = build();
});
afterAll(() => built.remove());

test(`${CYCLES} kills over all steps, hold and resend in turn, seed ${SEED}`, {
  timeout: 480_000,
}, async () => {
  const run = { build: built, seed: SEED, cycles: CYCLES, policies: ["hold", "resend"] } as const;
  const { results, faults } = await runCycles(run);
  expect(faults).toEqual([]);
  expect(new Set(results.map(({ step }) => step)).size).toBe(steps.length);
  expect(results.filter(({ reached }) => reached).length, tableOf(results)).toBeGreaterThan(
    CYCLES * REACHED_MIN,
  );
});

test(`${SHARED_CYCLES} kills of a gateway on PostgreSQL, seed ${SEED}`, { timeout: 480_000 }, async () => {
  const server = await startServer();
  onTestFinished(() => server.remove());
  const { results, faults } = await runCycles({
    ...{ build: built, seed: SEED, cycles: SHARED_CYCLES, policies: ["hold", "resend"], cyclesOfFolder: 10 },
    ...{ only: sharedSteps, ledger: () => postgresLedger(server) },
  });
  expect(faults).toEqual([]);
  expect(results.filter(({ reached }) => reached).length, tableOf(results)).toBeGreaterThan(
    SHARED_CYCLES * REACHED_MIN,
  );
});

describe("the count sees a gateway", () => {
  test.each<[Defect, readonly string[], RegExp]>([
    ["accept unsynced", ["after 250"], /was answered 250 and then taken for new/],
    ["attempt unsynced", ["upstream has it"], /was relayed 2 times/],
    ["settlement unsynced", ["after the settle commit"], /was answered 250 and then taken for new/],
    // A filter is saved, stays when more ids come in, and is believed after a crash.
    ["filter kept", ["SIGTERM", "after the settle commit"], /was answered 250 and then taken for new/],
  ])("with the defect %s, killed at %s", async (defect, names, expected) => {
    const cycles = await createCycles({
      ...{ build: built, defect, policy: "hold", chance: createChance(SEED), cutShare: 1 },
    });
    let faults = "";
    for (let rounds = 0; rounds <= LUCKY_MAX && !expected.test(faults); rounds++) {
      for (const name of names) faults += `${(await cycles.run(stepNamed(name))).faults.join("\n")}\n`;
    }
    await cycles.finish();
    expect(faults).toMatch(expected);
  });
});
