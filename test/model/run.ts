// `npm run model`: checks the models of docs/model with spin, and prints what each run has looked at and found.
//
//   npm run model                    every run
//   npm run model -- --short         those of CI
//   npm run model -- --only NAME     one of them
//   npm run model -- --show NAME     the history of the error that it has to find, step by step
import { parseArgs } from "node:util";
import { RUNS } from "./runs.ts";
import { check } from "./spin.ts";

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    only: { type: "string" },
    show: { type: "string" },
  },
});
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const name = values.show ?? values.only;
const runs = RUNS.filter((run) => (name === undefined ? !values.short || run.isShort : run.name === name));
if (runs.length === 0) throw new Error(`the runs are ${RUNS.map((run) => run.name).join(", ")}`);

for (const run of runs) {
  const { found, states, transitions, seconds, memory, steps } = await check(run);
  const figures = `${states} states, ${transitions} transitions, ${seconds.toFixed(1)} s, ${memory.toFixed(0)} MB`;
  const isRight = found === run.finds;
  print(
    `${isRight ? "ok" : "WRONG"} ${run.name}: finds ${found}; ${figures}${run.isBounded ? ", bitstate" : ""}`,
  );
  if (!isRight) process.exitCode = 1;
  if (values.show === undefined && isRight) continue;
  print(`   ${run.about}`);
  for (const step of steps) print(step);
}
