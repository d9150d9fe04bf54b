// Runs many histories: `npm run simulate -- --seed N --runs M --ledger KIND`. Prints the seed of each that
// breaks a promise, and the history of the first.
import { parseArgs } from "node:util";
import { BROKEN_GATEWAYS, catchBroken } from "./broken.ts";
import { BROKEN_EVIDENCE, BROKEN_SHARED_EVIDENCE } from "./broken-evidence.ts";
import { BROKEN_FORGETS } from "./broken-forgets.ts";
import { BROKEN_OBSERVING } from "./broken-observing.ts";
import { BROKEN_ORDERS } from "./broken-orders.ts";
import { BROKEN_PAUSES } from "./broken-pauses.ts";
import { BROKEN_BY_PEOPLE } from "./broken-people.ts";
import { BROKEN_REPORTS } from "./broken-reports.ts";
import { BROKEN_SHARINGS } from "./broken-sharing.ts";
import { textOf } from "./history.ts";
import { LEDGER_KINDS, type LedgerKind, openLedgers } from "./ledgers.ts";
import { ACTOR_NAMES, type Actors } from "./people.ts";
import { type SharedLedgers, simulate } from "./simulate.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    runs: { type: "string", default: "1000" },
    /** One of LEDGER_KINDS; embedded and then shared when left out. */
    ledger: { type: "string" },
    /** Print the history even if it keeps all promises. */
    show: { type: "boolean", default: false },
    /** Instead: how soon each gateway that is broken on purpose is caught, at most so many histories. */
    broken: { type: "boolean", default: false },
    /** One of them only: shows the history that catches it. */
    only: { type: "string" },
    /** Who may be there, of ACTOR_NAMES, with commas; "none": nobody. All when left out. */
    actors: { type: "string", default: ACTOR_NAMES.join() },
  },
});
const first = Number(values.seed);
const runs = Number(values.runs);
const actors = actorsOf(values.actors);

/** Failures after which it is not worth going on. */
const FAILURES_MAX = 20;

// Errors are part of every history, and their stacks would take longer than all the rest.
if (!values.show) Error.stackTraceLimit = 0;

for (const kind of kindsOf(values.ledger)) {
  const { shared, stop } = await openLedgers(kind);
  if (values.broken) await runBroken(shared);
  else await runWhole(kind, shared);
  await stop();
}

function kindsOf(asked: string | undefined): readonly LedgerKind[] {
  if (asked === undefined) return ["embedded", "shared"];
  const kind = LEDGER_KINDS.find((one) => one === asked);
  if (kind === undefined) throw new Error(`--ledger must be one of ${LEDGER_KINDS.join(", ")}`);
  return [kind];
}

function actorsOf(asked: string): Actors {
  const names = asked === "none" ? [] : asked.split(",");
  const odd = names.find((name) => !ACTOR_NAMES.some((one) => one === name));
  if (odd !== undefined) throw new Error(`--actors must be of ${ACTOR_NAMES.join(", ")}, or none`);
  return {
    operator: names.includes("operator"),
    settings: names.includes("settings"),
    forgetter: names.includes("forgetter"),
    pauser: names.includes("pauser"),
    postmaster: names.includes("postmaster"),
    witness: names.includes("witness"),
    observer: names.includes("observer"),
  };
}

/** One line for each: how soon it is caught, and by which promise. */
async function runBroken(shared: SharedLedgers | undefined): Promise<void> {
  const alone = [
    ...BROKEN_GATEWAYS,
    ...BROKEN_REPORTS,
    ...BROKEN_BY_PEOPLE,
    ...BROKEN_FORGETS,
    ...BROKEN_PAUSES,
    ...BROKEN_ORDERS,
    ...BROKEN_EVIDENCE,
    ...BROKEN_OBSERVING,
  ];
  for (const broken of shared === undefined ? alone : [...BROKEN_SHARINGS, ...BROKEN_SHARED_EVIDENCE]) {
    if (values.only !== undefined && values.only !== broken.name) continue;
    const caught = await catchBroken(broken, first, runs, shared);
    if (caught !== undefined && values.only !== undefined) {
      console.log(
        textOf(
          (await simulate(caught.seed, { ...broken.create(), plan: broken.plan }, shared, broken.actors))
            .events,
        ),
      );
    }
    const found = caught === undefined ? "NOT CAUGHT" : `${caught.promise} | ${caught.histories}`;
    console.log(`| ${broken.name} | ${broken.defect} | ${found} |`);
    if (caught === undefined) process.exitCode = 1;
  }
}

async function runWhole(kind: LedgerKind, shared: SharedLedgers | undefined): Promise<void> {
  const started = process.hrtime.bigint();
  const seconds = () => Number(process.hrtime.bigint() - started) / 1e9;
  let failures = 0;
  let done = 0;
  let told = 0;
  let exposures = 0;
  for (let seed = first; seed < first + runs && failures < FAILURES_MAX; seed++) {
    const { events, violations, exposed } = await simulate(seed, {}, shared, actors);
    done += 1;
    exposures += exposed;
    if (values.show || (violations.length > 0 && failures === 0)) console.log(textOf(events));
    if (violations.length > 0) {
      failures += 1;
      for (const { promise, text, seq } of violations.slice(0, 3))
        console.log(`${kind}, seed ${seed}: ${promise} at ${seq}: ${text}`);
    }
    if (seconds() - told < 10) continue;
    told = seconds();
    console.log(`${done} histories, ${Math.round(done / told)} a second, ${failures} broken`);
  }
  const rate = (done / seconds()).toFixed(done < 10 * seconds() ? 1 : 0);
  const more = shared === undefined ? "" : `, ${exposures} attempts after a pause in the one place`;
  console.log(
    `${kind}, seeds ${first} to ${first + done - 1}: ${done} histories in ${seconds().toFixed(1)} s, ${rate} a second, ${failures} broken${more}`,
  );
  if (failures > 0) process.exitCode = 1;
}
