// `npm run crash -- --cycles 1000 --seed N`: the long run, with a line for every tenth cycle and a table.
// `npm run crash -- --storm 200`: one task on 50 connections at once, so many times.
import { parseArgs } from "node:util";
import { build } from "./gateway-process.ts";
import { runCycles, tableOf } from "./run-cycles.ts";
import { steps } from "./steps.ts";
import type { Policy } from "./tally.ts";

const { values } = parseArgs({
  options: {
    cycles: { type: "string", default: "1000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    /** Only steps whose name has this in it. */
    step: { type: "string", default: "" },
    doubtful: { type: "string", default: "hold,resend" },
  },
});
const seed = Number(values.seed);
const cycles = Number(values.cycles);
const policies = values.doubtful.split(",") as Policy[];
const PROGRESS_EVERY = 10;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

say(`seed ${seed}, ${cycles} cycles, doubtful = ${policies.join(" and ")}`);
const begun = performance.now();
const { results, faults } = await runCycles({
  build: build(),
  seed,
  cycles,
  policies,
  only: steps.filter(({ name }) => name.includes(values.step)),
  heard(done, { step, faults: found }) {
    for (const fault of found) say(`cycle ${done}, ${step}: ${fault}`);
    if (done % PROGRESS_EVERY !== 0) return;
    say(`${done} of ${cycles}, ${Math.round((performance.now() - begun) / 1000)} s`);
  },
});
say(tableOf(results));
say(`${faults.length} faults in ${Math.round((performance.now() - begun) / 1000)} s`);
for (const fault of faults) say(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
