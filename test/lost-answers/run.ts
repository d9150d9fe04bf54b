// `npm run lost-answers`: 10,000 mails under each policy, without events and with them, and a table.
//
//   npm run lost-answers [-- --mails 10000 --rate 200 --wait 2m --seed 1 --write]
//   npm run lost-answers -- --kills 200 [--seed 1]
//
// `--write` writes docs/evidence/lost-answers.md. With `--kills` the gateway is killed so often while it reads events, and a
// half of the kills is under each policy.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { build } from "../crash/gateway-process.ts";
import { runKills } from "./kills.ts";
import { type MailsResult, runMails } from "./mails.ts";
import { killsTableOf, pageOf, tableOf } from "./page.ts";

const { values } = parseArgs({
  options: {
    mails: { type: "string", default: "10000" },
    /** A second. */
    rate: { type: "string", default: "200" },
    wait: { type: "string", default: "2m" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    write: { type: "boolean", default: false },
    kills: { type: "string" },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const PAGE = "docs/evidence/lost-answers.md";
const POLICIES = ["resend", "hold"] as const;
const seed = Number(values.seed);

async function lose(): Promise<boolean> {
  const options = {
    ...{ mails: Number(values.mails), rate: Number(values.rate), wait: values.wait, seed },
    shares: { lost: 0.05, twice: 0.1, late: 0.02, never: 0.01 },
  };
  say(`${values.mails} mails, seed ${seed}`);
  const results: MailsResult[] = [];
  for (const withEvents of [false, true]) {
    for (const policy of POLICIES) {
      const result = await runMails({ ...options, policy, withEvents });
      results.push(result);
      say(`${policy} ${withEvents ? "with" : "without"} events: ${result.faults.length} faults`);
      for (const fault of result.faults) say(fault);
    }
  }
  say(tableOf(results));
  const isSound = results.every(({ faults }) => faults.length === 0);
  if (isSound && values.write) writeFileSync(PAGE, pageOf(results, options));
  return isSound;
}

async function kill(kills: number): Promise<boolean> {
  let isSound = true;
  for (const policy of POLICIES) {
    say(`${kills} kills under ${policy}, seed ${seed}`);
    const result = await runKills({
      ...{ build: build(), kills, policy, seed },
      heard: (done, moment) => say(`${done} of ${kills}: ${moment}`),
    });
    for (const fault of result.faults) say(fault);
    say(killsTableOf(result));
    isSound &&= result.faults.length === 0;
  }
  return isSound;
}

const isSound =
  values.kills === undefined ? await lose() : await kill(Number(values.kills) / POLICIES.length);
process.exitCode = isSound ? 0 : 1;
