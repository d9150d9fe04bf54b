// Runs many histories: `npm run simulate -- --seed N --runs M`. Prints the seed of each that breaks a
// promise, and the history of the first.
import { parseArgs } from "node:util";
import { BROKEN_GATEWAYS, catchBroken } from "./broken.ts";
import { textOf } from "./history.ts";
import { simulate } from "./simulate.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    runs: { type: "string", default: "1000" },
    /** Print the history even if it keeps all promises. */
    show: { type: "boolean", default: false },
    /** Instead: how soon each gateway that is broken on purpose is caught, at most so many histories. */
    broken: { type: "boolean", default: false },
    /** One of them only: shows the history that catches it. */
    only: { type: "string" },
  },
});
const first = Number(values.seed);
const runs = Number(values.runs);

/** Failures after which it is not worth going on. */
const FAILURES_MAX = 20;

// Errors are part of every history, and their stacks would take longer than all the rest.
if (!values.show) Error.stackTraceLimit = 0;

if (values.broken) await runBroken();
else await runWhole();

/** One line for each: how soon it is caught, and by which promise. */
async function runBroken(): Promise<void> {
  for (const broken of BROKEN_GATEWAYS) {
    if (values.only !== undefined && values.only !== broken.name) continue;
    const caught = await catchBroken(broken, first, runs);
    if (caught !== undefined && values.only !== undefined) {
      console.log(textOf((await simulate(caught.seed, broken.create())).events));
    }
    const found = caught === undefined ? "NOT CAUGHT" : `${caught.promise} | ${caught.histories}`;
    console.log(`| ${broken.name} | ${broken.defect} | ${found} |`);
    if (caught === undefined) process.exitCode = 1;
  }
}

async function runWhole(): Promise<void> {
  const started = process.hrtime.bigint();
  const seconds = () => Number(process.hrtime.bigint() - started) / 1e9;
  let failures = 0;
  let done = 0;
  let told = 0;
  for (let seed = first; seed < first + runs && failures < FAILURES_MAX; seed++) {
    const { events, violations } = await simulate(seed);
    done += 1;
    if (values.show || (violations.length > 0 && failures === 0)) console.log(textOf(events));
    if (violations.length > 0) {
      failures += 1;
      for (const { promise, text, seq } of violations.slice(0, 3))
        console.log(`seed ${seed}: ${promise} at ${seq}: ${text}`);
    }
    if (seconds() - told < 10) continue;
    told = seconds();
    console.log(`${done} histories, ${Math.round(done / told)} a second, ${failures} broken`);
  }
  const rate = Math.round(done / seconds());
  console.log(
    `seeds ${first} to ${first + done - 1}: ${done} histories in ${seconds().toFixed(1)} s, ${rate} a second, ${failures} broken`,
  );
  process.exitCode = failures === 0 ? 0 : 1;
}
