// Killed again and again between the receipt of an event and its removal: no evidence is lost, and none counts twice.
// `npm run lost-answers -- --kills 200` is the long run of it.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Build, build } from "../crash/gateway-process.ts";
import { runKills } from "./kills.ts";
import { moments } from "./moments.ts";

const SEED = 20131210;
/** A gateway may have nothing left to do before its moment comes. */
const REACHED_MIN = 0.7;

let built: Build;
beforeAll(() => {
  built = build();
});
afterAll(() => built.remove());

test.each(["resend", "hold"] as const)("a kill at each moment, under %s", async (policy) => {
  const { kills, faults, settled } = await runKills({
    ...{ build: built, kills: moments.length, policy, seed: SEED },
  });
  expect(faults).toEqual([]);
  expect([...kills.values()].filter((times) => times > 0).length).toBeGreaterThan(
    moments.length * REACHED_MIN,
  );
  expect(settled).toBeGreaterThan(0);
});
