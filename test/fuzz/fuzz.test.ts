// The fuzzing that `npm run fuzz` does at length, short and from a fixed seed.
import { expect, test } from "vitest";
import { fuzz } from "./fuzz.ts";
import { memoryFaults } from "./memory-bound.ts";

const SEED = 20_260_105;

test(`seed ${SEED}: every line has its reply, every 250 its mail, and memory goes back`, async () => {
  const report = await fuzz({ seed: SEED, lines: 20_000, messages: 3_000 });
  expect(report.faults).toEqual([]);
  expect(memoryFaults(report.memory)).toEqual([]);
  expect(report.lines).toBeGreaterThanOrEqual(20_000);
  // The dialogue is entered, not just knocked at.
  expect(report.account.taken).toBeGreaterThan(1_500);
  expect(report.account.repeats).toBeGreaterThan(50);
  for (const reply of ["354", "421 4.4.2", "500 5.5.2", "501 5.5.4", "503 5.5.1", "554 5.6.0"]) {
    expect(report.replies.get(reply) ?? 0, reply).toBeGreaterThan(0);
  }
});
