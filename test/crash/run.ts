// `npm run crash -- --cycles 1000 --seed N`: the long run, with a line for every tenth cycle and a table; with
// `--ledger postgres` of a gateway on PostgreSQL.
// `npm run crash -- --storm 200`: one task on 50 connections at once, so many times.
import { parseArgs } from "node:util";
import { startServer } from "../several/server.ts";
import { build } from "./gateway-process.ts";
import { postgresLedger } from "./ledgers.ts";
import { runCycles, tableOf } from "./run-cycles.ts";
import { sharedSteps } from "./shared-steps.ts";
import { steps } from "./steps.ts";
import { runStorm } from "./storm.ts";
import type { Policy, Reply } from "./tally.ts";

const { values } = parseArgs({
  options: {
    cycles: { type: "string", default: "1000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    /** Only steps whose name has this in it. */
    step: { type: "string", default: "" },
    doubtful: { type: "string", default: "hold,resend" },
    reply: { type: "string", default: "queued" },
    /** embedded or postgres. */
    ledger: { type: "string", default: "embedded" },
    storm: { type: "string" },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const begun = performance.now();
const seconds = (): number => Math.round((performance.now() - begun) / 1000);

const PROGRESS_EVERY = 10;
const STORM_CONNECTIONS = 50;

async function kill(): Promise<boolean> {
  const seed = Number(values.seed);
  const cycles = Number(values.cycles);
  const policies = values.doubtful.split(",") as Policy[];
  const reply = values.reply as Reply;
  say(
    `seed ${seed}, ${cycles} cycles, doubtful = ${policies.join(" and ")}, reply = ${reply}, ledger = ${values.ledger}`,
  );
  const isShared = values.ledger === "postgres";
  const server = isShared ? await startServer() : undefined;
  const { results, faults } = await runCycles({
    build: build(),
    ledger: server && (() => postgresLedger(server)),
    seed,
    cycles,
    policies,
    reply,
    only: (isShared ? sharedSteps : steps).filter(({ name }) => name.includes(values.step)),
    heard(done, { step, faults: found }) {
      for (const fault of found) say(`cycle ${done}, ${step}: ${fault}`);
      if (done % PROGRESS_EVERY === 0) say(`${done} of ${cycles}, ${seconds()} s`);
    },
  });
  await server?.remove();
  say(tableOf(results));
  say(`${faults.length} faults in ${seconds()} s`);
  for (const fault of faults) say(fault);
  return faults.length === 0;
}

async function stormy(rounds: number): Promise<boolean> {
  const { queued, taken, repeated } = await runStorm(build(), STORM_CONNECTIONS, rounds);
  const copies = queued.filter((count) => count !== 1).length;
  say(`${rounds} tasks on ${STORM_CONNECTIONS} connections at once: ${taken} taken by the upstream,`);
  say(`${repeated} of them twice; ${copies} rounds with more or less than one "queued as"; ${seconds()} s`);
  return taken === rounds && repeated === 0 && copies === 0;
}

const isSound = values.storm === undefined ? await kill() : await stormy(Number(values.storm));
process.exitCode = isSound ? 0 : 1;
