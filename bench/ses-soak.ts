// 10,000 messages to an SES that allows 200 a second, throttles, loses answers, fails and pauses: whether
// each arrived or was reported, whether a second copy came without a word, and how fast it went.
//
//   npm run soak:ses [-- --messages 10000 --rate 200 --pause 10 --seed 1 --retry-min 250ms]
import { parseArgs } from "node:util";
import { soakSes } from "../test/support/ses-soak.ts";

/** Of the rate that was allowed while sending was allowed. */
const SHARE_MIN = 0.95;

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "10000" },
    rate: { type: "string", default: "200" },
    /** Seconds. */
    pause: { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    /** [spool] retry_min, which is what a message without an answer waits. */
    "retry-min": { type: "string", default: "250ms" },
  },
});
const rate = Number(values.rate);

process.env.AWS_REGION ??= "eu-west-1";
process.env.AWS_ACCESS_KEY_ID ??= "bench";
process.env.AWS_SECRET_ACCESS_KEY ??= "bench";

const report = await soakSes({
  messages: Number(values.messages),
  rate,
  pauseMs: Number(values.pause) * 1_000,
  ...{ throttled: 0.05, lost: 0.01, failed: 0.01, rejected: 0.001 },
  seed: Number(values.seed),
  settings: { SPOOL_RETRY_MIN: values["retry-min"] },
});
const { submitted, relayed, reported, silent, meanRate } = report;
const share = meanRate / rate;
const missing = submitted - relayed - reported;
for (const [name, value] of Object.entries({ seed: values.seed, ...report, silent: silent.length })) {
  console.log(`${name}: ${typeof value === "number" ? Number(value.toFixed(2)) : value}`);
}
console.log(`mean rate: ${(share * 100).toFixed(1)} % of what was allowed`);
console.log(`neither relayed nor reported: ${missing}`);
process.exitCode = missing === 0 && silent.length === 0 && share >= SHARE_MIN ? 0 : 1;
