// Calls spin and a C compiler: one run of a model, its figures, and the history of an error as steps that people read.
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { setPriority, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { Run } from "./runs.ts";

const MODELS = resolve("docs/model");

/** MB; a run that needs more has failed. */
const MEMORY_MAX = 5_500;

/** Steps of one history at most; the longest has some hundred. */
const DEPTH_MAX = 100_000;

/** Other processes come first. */
const NICENESS = 10;

export interface Checked {
  readonly found: "nothing" | "error";
  readonly states: number;
  readonly transitions: number;
  readonly seconds: number;
  /** MB. */
  readonly memory: number;
  /** Of an error: its history, one step a line, and what does not hold. */
  readonly steps: readonly string[];
}

const run = promisify(execFile);

/** Rejects when a program is missing or the run does not end by itself: no memory, or no time. */
export async function check(one: Run): Promise<Checked> {
  const folder = await mkdtemp(join(tmpdir(), "mailonce-model-"));
  const flags = one.flags.map((flag) => `-D${flag}`);
  const isToFind = one.finds === "error";
  try {
    // spin leaves its files where it is called, and names a history by its model.
    await writeFile(join(folder, "model.pml"), await readFile(join(MODELS, one.model)));
    await run("spin", ["-a", ...flags, "model.pml"], { cwd: folder });
    // A search by breadth finds the shortest history. Everything in the model is global, so a partial order reduces nothing.
    const search = isToFind ? ["-DSAFETY", "-DBFS"] : ["-DNP", "-DNOFAIR"];
    const hashes = one.isBounded === true ? ["-DBITSTATE"] : ["-DCOLLAPSE"];
    // Most searches end sooner than a compiler that optimises.
    const built = ["-O0", "-w", "-DNOREDUCE", `-DMEMLIM=${MEMORY_MAX}`, ...search, ...hashes];
    await run("gcc", [...built, "-o", "pan", "pan.c"], { cwd: folder });
    const began = performance.now();
    const said = await searched(folder, isToFind ? [] : ["-l"], one.isBounded === true);
    const seconds = (performance.now() - began) / 1_000;
    const number = (pattern: RegExp): number => Number(pattern.exec(said)?.[1] ?? Number.NaN);
    const errors = number(/errors: (\d+)/);
    if (Number.isNaN(errors) || /max search depth too small|out of memory|hash array overfull/.test(said)) {
      throw new Error(`${one.name} has not come to its end:\n${said}`);
    }
    return {
      found: errors > 0 ? "error" : "nothing",
      states: number(/(\d+(?:\.\d+e\+\d+)?) states, stored/),
      transitions: number(/(\d+(?:\.\d+e\+\d+)?) transitions/),
      seconds,
      memory: number(/([\d.]+)\s+total actual memory usage/),
      steps: errors > 0 ? await stepsOf(folder, flags, said) : [],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function searched(folder: string, kind: readonly string[], isBounded: boolean): Promise<string> {
  const table = isBounded ? ["-w32", "-k3"] : ["-w22"];
  const child = spawn("./pan", [`-m${DEPTH_MAX}`, ...table, ...kind], { cwd: folder });
  if (child.pid !== undefined) setPriority(child.pid, NICENESS);
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text) => void said.push(String(text)));
  return new Promise((done, failed) => {
    child.on("error", failed);
    child.on("close", () => done(said.join("")));
  });
}

/** What the model prints on the way is one step a line: who, a colon, what they do. */
async function stepsOf(folder: string, flags: readonly string[], said: string): Promise<string[]> {
  const { stdout } = await run("spin", ["-t", "-B", "-T", ...flags, "model.pml"], {
    cwd: folder,
    maxBuffer: 2 ** 26,
  });
  const lines = stdout.split("\n").map((line) => line.trim());
  const printed = lines.filter((line) => /^[a-z][\w ]*: /.test(line) && !line.startsWith("spin:"));
  // A promise that is broken ends the history.
  const broken = printed.findIndex((line) => line.startsWith("promise: "));
  const steps = broken < 0 ? printed : printed.slice(0, broken + 1);
  const width = String(steps.length).length;
  const numbered = steps.map((step, at) => `${String(at + 1).padStart(width)}. ${step}`);
  if (broken >= 0) return numbered;
  return [...numbered, /pan:\d+: (.*) \(at depth/.exec(said)?.[1] ?? ""];
}
