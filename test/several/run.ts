// `npm run several -- --rounds 100 --seed N`: so many rounds of each kind, a line for each, and a table.
// `--minutes 10` ends each kind after its share of the time; `--fault kill,fast` runs these only.
import { parseArgs } from "node:util";
import { type FaultName, faults } from "./faults.ts";
import { type Round, startRounds } from "./rounds.ts";
import { startServer } from "./server.ts";
import type { Count } from "./tally.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "100" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    fault: { type: "string", default: Object.keys(faults).join(",") },
    minutes: { type: "string", default: "600" },
    quiet: { type: "boolean", default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

interface Result {
  readonly fault: string;
  readonly rounds: readonly Round[];
  readonly count: Count;
  readonly events: ReadonlyMap<string, number>;
}

/** Those that say how a fault was lived through. */
const EVENTS = [
  "transmission.stale",
  "ledger.taken_over",
  "ledger.settled_stale",
  "ledger.unreachable",
  "submission.failed",
  "dispatch.failed",
  "dispatch.unrecorded",
];

function lineOf({ number, what, heard, count, seconds }: Round): string {
  const { lost, twice, doubtful, copies } = count;
  return (
    `round ${number}: ${what}: ${heard.queued} queued, ${heard.repeats} repeats, ${heard.later} later, ` +
    `${heard.lost} connections lost, longest reply ${(heard.longestMs / 1000).toFixed(1)} s; ` +
    `${lost} lost, ${twice} twice, ${doubtful} doubtful, ${copies} further copies; ${seconds.toFixed(1)} s`
  );
}

async function runKind(fault: FaultName, minutes: number): Promise<Result> {
  const until = performance.now() + minutes * 60_000;
  const server = await startServer();
  const rounds = await startRounds(server, Number(values.seed));
  const done: Round[] = [];
  try {
    while (done.length < Number(values.rounds) && performance.now() < until) {
      const round = await rounds.run(fault);
      done.push(round);
      if (!values.quiet) say(lineOf(round));
    }
    const count = await rounds.finish();
    for (const one of count.faults) say(one);
    return { fault, rounds: done, count, events: rounds.events() };
  } finally {
    await rounds.remove();
    await server.remove();
  }
}

const sumOf = (rounds: readonly Round[], value: (round: Round) => number): number =>
  rounds.reduce((sum, round) => sum + value(round), 0);

function rowOf({ fault, rounds, count, events }: Result): string {
  const { mails, lost, twice, doubtful, copies } = count;
  const heard = [
    sumOf(rounds, (round) => round.heard.later),
    sumOf(rounds, (round) => round.heard.lost),
    (Math.max(...rounds.map((round) => round.heard.longestMs)) / 1000).toFixed(1),
  ];
  const said = EVENTS.map((event) => events.get(event) ?? 0);
  const cells = [fault, rounds.length, 3 * mails, mails, lost, twice, doubtful, copies, ...heard, ...said];
  return `| ${cells.join(" | ")} |`;
}

const kinds = values.fault.split(",") as FaultName[];
say(`seed ${values.seed}, ${values.rounds} rounds of ${kinds.join(", ")}`);
const results: Result[] = [];
for (const kind of kinds) {
  say(`-- ${kind}`);
  results.push(await runKind(kind, Number(values.minutes) / kinds.length));
}
const head = ["fault", "rounds", "submissions", "mails", "lost", "twice", "doubtful", "further copies"];
const columns = [...head, "4yz", "lost connections", "longest reply, s", ...EVENTS];
say(`| ${columns.join(" | ")} |`);
say(`|${columns.map((_, at) => (at === 0 ? "---" : "---:")).join("|")}|`);
for (const result of results) say(rowOf(result));
const found = results.flatMap(({ count }) => count.faults);
say(`${found.length} faults`);
process.exitCode = found.length === 0 ? 0 : 1;
