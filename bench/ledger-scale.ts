// The embedded ledger with many ids: what a claim, a repeat, a start, memory and disk cost.
//
//   npm run bench:ledger-scale [-- --millions 10 --keep FOLDER --part load --part start …]
//
// With --keep the ledger stays in the folder and is used again: loading is what takes the time. Above 20
// million ids only the last ten million are claimed, those before are put there without a claim each.
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { FALSE_POSITIVE_RATE } from "../src/ledger/filter.ts";
import { makeFolder } from "../test/support/process.ts";
import { measureLayouts } from "./ledger-scale-filter.ts";
import type { Report, Task } from "./ledger-scale-process.ts";
import { atLeast, atMost, publish, type Table, type Target } from "./support/result.ts";

const CALLERS = 1000;
const CLAIMED_MAX = 20_000_000;
const LAST = 10_000_000;
/** Of the parts that go by time. */
const SECONDS = 10;
/** Ids set aside for them: more than can be relayed in that time. */
const SET_ASIDE = 4_000_000;

const { values } = parseArgs({
  options: {
    millions: { type: "string", default: "10" },
    keep: { type: "string" },
    part: { type: "string", multiple: true },
    /** As the other benchmarks take them; here nothing is compared in turns. */
    seconds: { type: "string" },
    turns: { type: "string" },
  },
});
const ids = Number(values.millions) * 1e6;
const made = values.keep === undefined ? makeFolder() : undefined;
const folder = values.keep ?? made?.path ?? "";
const noted = join(folder, "scale.json");
const has = (part: string): boolean => values.part === undefined || values.part.includes(part);

/** used: numbers of the stream, whether or not their ids were relayed. held: ids in the ledger. */
const { used: usedBefore, held: heldBefore } = existsSync(noted)
  ? (JSON.parse(readFileSync(noted, "utf8")) as { used: number; held: number })
  : { used: 0, held: 0 };
let [used, held] = [usedBefore, heldBefore];

const note = (): void => writeFileSync(noted, JSON.stringify({ used, held }));

/** The first of so many numbers that nobody has used: a multiple of four, as streams begin with one. */
function use(count: number): number {
  const first = used;
  used += Math.ceil(count / 4) * 4;
  note();
  return first;
}

async function run(task: Partial<Task> & Pick<Task, "work">): Promise<Report> {
  const program = fileURLToPath(new URL("ledger-scale-process.js", import.meta.url));
  const whole: Task = {
    folder,
    first: 0,
    count: SET_ASIDE,
    seconds: SECONDS,
    callers: CALLERS,
    warm: false,
    kill: false,
    ...task,
  };
  const child = fork(program, { execArgv: ["--expose-gc"] });
  const exited = once(child, "exit");
  child.send(whole);
  const answered = await Promise.race([once(child, "message"), exited.then(() => undefined)]);
  if (answered === undefined) throw new Error(`${whole.work} ended early`);
  await exited;
  const { report } = answered[0] as { report: Report };
  if (["fill", "relay", "attempt"].includes(whole.work)) held += report?.ids ?? whole.count;
  note();
  return report;
}

const whole = (value: number): string => Math.round(value).toLocaleString("en");
const ms = (value: number): string => `${value < 10 ? value.toFixed(2) : whole(value)} ms`;
const mega = (octets: number): string => `${whole(octets / 1e6)} MB`;
const rate = (report: Report): number => report.ids / report.seconds;
const slowest = (report: Report): number => Math.min(...report.rates, rate(report));

const tables: Table[] = [];
const targets: Target[] = [];
const size = `${whole(ids / 1e6)} million ids`;

function claims(rows: readonly (readonly [string, Report])[]): void {
  tables.push({
    columns: [
      `${size}, ${CALLERS} callers`,
      "a second",
      "slowest second",
      "p50",
      "p99",
      "processor time",
      "written an id",
    ],
    rows: rows.map(([name, report]) => [
      name,
      whole(rate(report)),
      whole(slowest(report)),
      ms(report.latency[0]),
      ms(report.latency[1]),
      `${report.cpuUs.toFixed(1)} µs`,
      `${whole(report.writtenOctets / report.ids)} octets`,
    ]),
  });
}

async function load(): Promise<void> {
  if (ids > CLAIMED_MAX && held < ids - LAST) {
    const count = ids - LAST - held;
    await run({ work: "fill", first: use(count), count });
  }
  const rows: [string, Report][] = [];
  if (held < ids) {
    const count = ids - held;
    const relayed = await run({ work: "relay", first: use(count), count, seconds: 3600, warm: true });
    rows.push([
      count === ids
        ? "claim and settle, all of them"
        : `claim and settle, the last ${whole(count / 1e6)} million`,
      relayed,
    ]);
    const wanted = ids > CLAIMED_MAX ? 25_000 : 50_000;
    targets.push(atLeast(`ledger: durable claims a second at ${size}`, wanted, rate(relayed), whole));
  } else rows.push(["claim and settle", await run({ work: "relay", first: use(SET_ASIDE), warm: true })]);
  rows.push(["claim, attempt and settle", await run({ work: "attempt", first: use(SET_ASIDE), warm: true })]);
  claims(rows);
}

async function start(): Promise<void> {
  const clean = await run({ work: "absent", seconds: SECONDS, warm: true });
  await run({ work: "relay", first: use(SET_ASIDE), seconds: 5, kill: true });
  const killed = await run({ work: "absent", seconds: 2, kill: true });
  const warmed = await run({ work: "absent", seconds: 2, warm: true });
  const octets = Number(execFileSync("du", ["-s", "-B1", folder], { encoding: "utf8" }).split("\t")[0]);
  tables.push({
    columns: [
      `${size}, start`,
      "until it answers",
      "until filters answer",
      "absent ids a second in the first 2 s",
    ],
    rows: [
      ["after a clean stop", ms(clean.openMs), ms(clean.warmMs ?? 0), "-"],
      ["after SIGKILL", ms(killed.openMs), ms(warmed.warmMs ?? 0), whole(rate(killed))],
    ],
  });
  const percent = (clean.asked / clean.ids) * 100;
  tables.push({
    columns: [`${size}, memory and disk`, "measured"],
    rows: [
      ["memory of the filters, an id", `${(clean.memory.arrays / held).toFixed(2)} octets`],
      [
        "resident before, with the filters, and at most with pages of files",
        [clean.memory.before, clean.memory.own, clean.memory.peak].map(mega).join(", "),
      ],
      ["disk, an id", `${whole(octets / held)} octets`],
      ["of the absent ids, those that some filter takes for present", `${percent.toFixed(2)} %`],
    ],
  });
  targets.push(
    atMost(`ledger: memory of filters an id at ${size}, octets`, 2, clean.memory.arrays / held),
    atMost(`ledger: disk an id at ${size}, octets`, 120, octets / held, whole),
    atMost(`ledger: start after a clean stop at ${size}, ms`, 2_000, clean.openMs, whole),
    atMost(
      `ledger: start after SIGKILL at ${size}, ms`,
      2_000,
      Math.max(killed.openMs, warmed.openMs),
      whole,
    ),
  );
}

async function lookUps(): Promise<void> {
  const rows: [string, Report][] = [];
  for (const callers of [CALLERS, 64, 1]) {
    // From the middle, which no cache has.
    const first = Math.floor(used / 8) * 4;
    rows.push([`a repeat, ${callers} at once`, await run({ work: "repeat", first, callers, warm: true })]);
  }
  rows.push(["an absent id, 64 at once", await run({ work: "absent", callers: 64, warm: true })]);
  tables.push({
    columns: [`${size}, look-ups`, "a second", "p50", "p99", "processor time"],
    rows: rows.map(([name, report]) => [
      name,
      whole(rate(report)),
      ms(report.latency[0]),
      ms(report.latency[1]),
      `${report.cpuUs.toFixed(1)} µs`,
    ]),
  });
}

function layouts(): void {
  const results = [10_000_000, 2 ** 26].flatMap(measureLayouts);
  tables.push({
    columns: [
      "layout of a filter",
      "ids",
      "bits an id",
      "maybe, of absent ids",
      "add",
      "has, present",
      "has, absent",
    ],
    rows: results.map((one) => [
      one.layout,
      `${whole(one.capacity / 1e6)} million`,
      one.bitsPerId.toFixed(2),
      `${one.falsePositivePercent.toFixed(3)} %`,
      ...[one.add, one.hasPresent, one.hasAbsent].map((ns) => `${whole(ns)} ns`),
    ]),
  });
  const full = results[0]?.falsePositivePercent ?? Number.NaN;
  targets.push(
    atMost(
      "ledger: absent ids that a full filter takes for present, %",
      FALSE_POSITIVE_RATE * 110,
      full,
      (value) => value.toFixed(3),
    ),
  );
}

mkdirSync(folder, { recursive: true, mode: 0o700 });
try {
  if (has("load")) await load();
  if (has("start")) await start();
  if (has("look-ups")) await lookUps();
  if (has("filter")) layouts();
} finally {
  made?.remove();
}
publish({
  name: values.millions === "10" ? "ledger-scale" : `ledger-scale-${values.millions}`,
  question: `The embedded ledger with ${size}`,
  method: `A durable claim is the path of a new id: its claim, and the durable record that it was relayed; ${CALLERS}
callers with one id each. With the attempt there is one more durable write. Each part runs in its own process. Octets
written are \`write_bytes\` in \`/proc/self/io\`.`,
  tables,
  targets,
});
