// `npm run fuzz -- --seed S --lines 1000000 --messages 100000 --requests 1000000`: the long run.
// Settings of the gateway, as environment variables without their prefix: `--set SMTP_BARE_NEWLINE=reject`, as often as needed.
import { parseArgs } from "node:util";
import { type Done, fuzz, type Memory } from "./fuzz.ts";
import { memoryFaults } from "./memory-bound.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    lines: { type: "string", default: "1000000" },
    messages: { type: "string", default: "100000" },
    requests: { type: "string", default: "1000000" },
    set: { type: "string", multiple: true, default: [] },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const begun = performance.now();
const seconds = (): number => Math.round((performance.now() - begun) / 1000);
const megabytes = (octets: number): string => `${(octets / 1e6).toFixed(1)} MB`;
const inWords = ({ live, anonymous, files }: Memory): string =>
  `${megabytes(live)} live, ${megabytes(anonymous)} resident, ${megabytes(files)} of files`;

/** Of the faults, as many as are worth reading. */
const SHOWN = 200;

const seed = Number(values.seed);
const load = {
  lines: Number(values.lines),
  messages: Number(values.messages),
  requests: Number(values.requests),
};
const amounts = ({ lines, messages, requests }: Done): string =>
  `${lines} lines, ${messages} messages, ${requests} requests`;
say(`seed ${seed}, ${amounts(load)} ${values.set.join(" ")}`);
const report = await fuzz({
  seed,
  ...load,
  settings: Object.fromEntries(
    values.set.map((one) => [one.split("=", 1)[0], one.slice(one.indexOf("=") + 1)]),
  ),
  progress: (done) => say(`${seconds()} s: ${amounts(done)}`),
});
const { account, memory } = report;
say(`${amounts(report)}, ${report.connections} connections in ${seconds()} s`);
for (const [key, count] of [...report.replies].sort(([, a], [, b]) => b - a)) say(`  ${key}: ${count}`);
say(
  `${account.taken} submissions taken, ${account.repeats} repeats; ${account.arrived} mails arrived, of ${account.unheard} submissions nobody heard the 250; ${report.notices} notices`,
);
say(
  `at the start ${inWords(memory.start)}; after a tenth ${inWords(memory.warm)}; in the end ${inWords(memory.end)}`,
);
const faults = [...report.faults, ...memoryFaults(memory)];
say(`${faults.length} faults`);
for (const fault of faults.slice(0, SHOWN)) say(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
