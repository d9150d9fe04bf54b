// A rolling upgrade as docs/upgrading.md has it: gateways of version 0.1.0 and of this build share one ledger, under
// load, while one after the other is replaced. Nothing is lost, nothing goes twice in silence.
import { expect, onTestFinished, test } from "vitest";
import { run } from "../support/process.ts";
import { useBothEngines } from "./both-engines.ts";
import {
  dynamodbPlace,
  type MixedFleet,
  postgresPlace,
  type SharedPlace,
  startMixedFleet,
} from "./mixed-fleet.ts";

const SEED = 20131210;
/** Eight starts, under load. */
const TIMEOUT_MS = 300_000;

const engines = useBothEngines();

async function oldFleet(kind: string): Promise<{ place: SharedPlace; fleet: MixedFleet }> {
  const place =
    kind === "postgres" ? await postgresPlace(engines.server) : await dynamodbPlace(engines.dynamodb);
  expect(await run(["ledger", "migrate"], place.settings, undefined, engines.old)).toMatchObject({ code: 0 });
  const fleet = await startMixedFleet(place, engines.old, SEED);
  onTestFinished(fleet.remove);
  return { place, fleet };
}

test.each(["postgres", "dynamodb"])(
  `%s: migrated, then one gateway after the other, under load, seed ${SEED}`,
  async (kind) => {
    const { place, fleet } = await oldFleet(kind);
    const [a, b, c] = fleet.members;
    await fleet.round(async () => {
      expect(await run(["ledger", "migrate"], place.settings)).toMatchObject({ code: 0 });
    });
    await fleet.round(async () => {
      await a.stop();
      await a.start();
    });
    // One that has not had its turn can start again beside what the new one has made.
    await fleet.round(async () => {
      await c.kill();
      await c.start(engines.old);
    });
    await fleet.round(async () => {
      await b.kill();
      await b.start();
    });
    await fleet.round(async () => {
      await c.stop();
      await c.start();
    });
    const { faults, twice, lost, mails } = await fleet.finish();
    expect({ faults, twice, lost, mails }).toEqual({ faults: [], twice: 0, lost: 0, mails: 100 });
  },
  TIMEOUT_MS,
);

test("postgres: a new gateway that the ledger refuses leaves its folder to the old build", async () => {
  const { place, fleet } = await oldFleet("postgres");
  const [a, b] = fleet.members;
  await fleet.round(async () => {
    await a.stop();
    const { code, stderr } = await run(["serve"], a.settings);
    expect(stderr).toMatch(/^mailonce: .*run `mailonce ledger migrate`\n$/);
    expect(code).toBe(1);
    await a.start(engines.old);
  });
  expect(await run(["ledger", "migrate"], place.settings)).toMatchObject({ code: 0 });
  await a.stop();
  await a.start();
  await fleet.round(async () => {
    await b.stop();
    const { code, stderr } = await run(["serve"], { ...b.settings, LEDGER_LEASE: "7s" });
    expect(stderr).toMatch(/^mailonce: ledger\.lease is 7s here, and 5s in the ledger/);
    expect(code).toBe(2);
    await b.start(engines.old);
  });
  const { faults, twice, lost } = await fleet.finish();
  expect({ faults, twice, lost }).toEqual({ faults: [], twice: 0, lost: 0 });
});
