// What one line of the log costs: as it is written now, and as pino writes it by itself (synchronously, which is how
// it was written before). In turn, in one run.
//
//   npm run bench:log-line [-- --lines 200000 --turns 5]
import { closeSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { systemClock } from "../src/runtime/clock.ts";
import { openLog } from "../src/runtime/log.ts";
import { createLogOutput } from "../src/runtime/log-output.ts";
import { makeFolder } from "../test/support/process.ts";
import { median } from "./support/statistics.ts";

const { values } = parseArgs({
  options: { lines: { type: "string", default: "200000" }, turns: { type: "string", default: "5" } },
});
const lines = Number(values.lines);

/** As for a mail that was relayed. */
const FIELDS = {
  messageId: "<uba5zty555vgirmvvhfte66cttjelin2@example.com>",
  task: "0f3b1c9e-5a52-4a86-8a42-6d6f1f1c8a01",
  submission: "agrbv6f2lvhcn5d5",
  upstream: "smtp 127.0.0.1:2525",
  upstreamId: "2.0.0 Ok: queued as 4XYZ",
  attempts: 1,
  ms: 11,
};

type Write = (event: string, fields: typeof FIELDS) => void;

function before(fd: number): Write {
  const logger = pino(
    {
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd, sync: true }),
  );
  return (event, fields) => logger.info({ event, ...fields });
}

async function now(fd: number): Promise<Write> {
  const output = createLogOutput({ fd, clock: systemClock, resumed: () => "", complain: () => {} });
  const log = await openLog(
    { level: "info", format: "json" },
    { write: (line) => output.write(line, false) },
  );
  return (event, fields) => log.info(event, fields);
}

/** Nanoseconds a line. */
async function measure(make: (fd: number) => Write | Promise<Write>, fd: number): Promise<number> {
  const write = await make(fd);
  const begun = process.hrtime.bigint();
  for (let line = 0; line < lines; line++) write("transmission.relayed", FIELDS);
  return Number(process.hrtime.bigint() - begun) / lines;
}

const folder = makeFolder();
const places: Record<string, () => [fd: number, close: () => void]> = {
  file() {
    const path = join(folder.path, "log");
    const fd = openSync(path, "a");
    return [
      fd,
      () => {
        closeSync(fd);
        rmSync(path);
      },
    ];
  },
  "/dev/null"() {
    const fd = openSync("/dev/null", "w");
    return [fd, () => closeSync(fd)];
  },
};
console.log("| into | before, ns a line | now, ns a line | ratio |");
console.log("|---|---:|---:|---:|");
for (const [name, open] of Object.entries(places)) {
  const found = { before: [] as number[], now: [] as number[] };
  for (let turn = 0; turn < Number(values.turns); turn++) {
    for (const [kind, make] of Object.entries({ before, now }) as [keyof typeof found, typeof now][]) {
      const [fd, close] = open();
      found[kind].push(await measure(make, fd));
      close();
    }
  }
  const [was, is] = [median(found.before), median(found.now)];
  console.log(`| ${name} | ${was.toFixed(0)} | ${is.toFixed(0)} | ${(is / was).toFixed(2)} |`);
}
folder.remove();
