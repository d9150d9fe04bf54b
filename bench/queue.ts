// Many mails wait: whether all that count them say the same, and how long the commands take that look at them.
//
//   npm run bench:queue [-- --each 10000 --more 100000]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { residentMemory } from "../test/support/large-mail.ts";
import { freePort } from "../test/support/peers.ts";
import { environmentOf, MAIN, makeFolder, type Settings, startProcess } from "../test/support/process.ts";
import { fillThreeWays, numbersOf, submitMany, THREE_WAYS } from "../test/support/queue-numbers.ts";
import { createScriptedSmtp } from "../test/support/scripted-smtp.ts";
import { mebibytes, milliseconds, whole } from "./support/figures.ts";
import { atMost, publish } from "./support/result.ts";
import { median } from "./support/statistics.ts";

const { values } = parseArgs({
  options: { each: { type: "string", default: "10000" }, more: { type: "string", default: "100000" } },
});
const [each, more] = [Number(values.each), Number(values.more)];

const METHOD = `The built gateway with three upstreams: one is away, one puts every mail off, one is paused by an operator.
${whole(each)} mails wait for each, and \`status\`, \`queue list --json\` and \`/metrics\` are compared. Then ${whole(more)} more are
submitted for the one that is paused. Each command is a process of its own, timed from its start to its end, five times; median.`;

const TIMES = 5;

/** Milliseconds until the command has ended, and lines that it printed. @param terminal it prints to one */
async function timed(args: readonly string[], settings: Settings, terminal = false) {
  const command = [process.execPath, MAIN, ...args];
  const [program = "", ...rest] = terminal ? ["script", "-qc", command.join(" "), "/dev/null"] : command;
  const began = performance.now();
  const child = spawn(program, rest, {
    env: environmentOf(settings),
    stdio: [terminal ? "inherit" : "ignore", "pipe", "inherit"],
  });
  let lines = 0;
  child.stdout?.on("data", (octets: Buffer) => {
    for (const octet of octets) if (octet === 10) lines++;
  });
  await once(child, "close");
  return { ms: performance.now() - began, lines };
}

async function medianOf(work: () => Promise<{ ms: number; lines: number }>) {
  const found = [];
  for (let time = 0; time < TIMES; time++) found.push(await work());
  return { ms: median(found.map(({ ms }) => ms)), lines: found[0]?.lines ?? 0 };
}

const folder = makeFolder();
const late = await createScriptedSmtp({ script: "refuse-rcpt-4" });
const file = join(folder.path, "mailonce.toml");
writeFileSync(file, THREE_WAYS({ away: await freePort(), late: late.port }));
const settings = { CONFIG: file, DATA_DIR: join(folder.path, "data"), SMTP_PORT: 0 };
const gateway = await startProcess(settings);
try {
  const atStart = residentMemory(gateway.pid).now;
  await fillThreeWays(gateway, settings, each);
  const { status, list, metrics } = await numbersOf(gateway, settings);
  const places = Object.keys({ ...status, ...list, ...metrics }).sort();
  const isEqual = places.every((place) => status[place] === list[place] && list[place] === metrics[place]);

  await submitMany(gateway.port, "paused.example", more);
  const asked = async (path: string) => {
    const began = performance.now();
    const body = await (await fetch(`http://${gateway.said("gateway.listening")[0]?.http}${path}`)).text();
    return { ms: performance.now() - began, lines: body.split("\n").length };
  };
  const rows = [
    ["`mailonce status`", await medianOf(() => timed(["status"], settings))],
    ["`mailonce queue list` on a terminal", await medianOf(() => timed(["queue", "list"], settings, true))],
    ["`mailonce queue list --json`", await medianOf(() => timed(["queue", "list", "--json"], settings))],
    ["`mailonce --version`, for comparison", await medianOf(() => timed(["--version"], settings))],
    ["`GET /api/v1/status`", await medianOf(() => asked("/api/v1/status"))],
    ["`GET /api/v1/queue?limit=100`", await medianOf(() => asked("/api/v1/queue?limit=100"))],
    ["`GET /metrics`", await medianOf(() => asked("/metrics"))],
  ] as const;
  const [[, ofStatus], [, ofList]] = rows;
  publish({
    name: "queue",
    question: "How long does it take to look at a long queue?",
    method: METHOD,
    tables: [
      {
        columns: ["where, and in which state", "status", "queue list", "metrics"],
        rows: places.map((place) => [
          place,
          ...[status, list, metrics].map((numbers) => whole(numbers[place] ?? 0)),
        ]),
      },
      {
        columns: [`with ${whole(3 * each + more)} mails queued`, "took", "lines"],
        rows: [
          ...rows.map(([name, { ms, lines }]) => [name, milliseconds(ms), whole(lines)]),
          ["memory at the start", mebibytes(atStart), ""],
          ["memory now", mebibytes(residentMemory(gateway.pid).now), ""],
        ],
      },
    ],
    targets: [
      { what: "All numbers are equal", wanted: "yes", measured: isEqual ? "yes" : "no", met: isEqual },
      atMost("Seconds of `status`", 1, ofStatus.ms / 1_000),
      atMost("Seconds of `queue list`", 1, ofList.ms / 1_000),
    ],
  });
} finally {
  await gateway.stop();
  await late.close();
  folder.remove();
}
