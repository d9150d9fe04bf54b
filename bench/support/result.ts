// What a benchmark has found, in the one form that is printed, kept and made into docs/evidence/benchmarks.md.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decimal } from "./figures.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { resultMarkdown, targetsMarkdown } from "./report.ts";

export interface Table {
  /** The first is aligned left, the others right. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Bars of one measure, the longest being the best. */
export interface Chart {
  readonly title: string;
  readonly bars: readonly { readonly label: string; readonly value: number; readonly ours: boolean }[];
}

export interface Target {
  readonly what: string;
  readonly wanted: string;
  readonly measured: string;
  readonly met: boolean;
}

export interface Findings {
  /** One of those in pages.ts. */
  readonly name: string;
  /** The heading in the report. */
  readonly question: string;
  /** How it was measured: paragraphs and lists of Markdown. */
  readonly method: string;
  readonly tables: readonly Table[];
  /** In the chart of the README. */
  readonly charts?: readonly Chart[];
  readonly targets?: readonly Target[];
  /** Programs other than Node, each with its version. */
  readonly versions?: Readonly<Record<string, string>>;
}

export interface Result extends Findings {
  readonly machine: Machine;
  /** ISO 8601, the day. */
  readonly date: string;
}

/** Where a run leaves what it has found, a file for each benchmark. */
export const FOUND = "build/bench-results";

/** Prints what was found, and leaves it for the report. */
export function publish(findings: Findings): void {
  const result: Result = {
    ...findings,
    machine: describeMachine(),
    date: new Date().toISOString().slice(0, 10),
  };
  mkdirSync(FOUND, { recursive: true });
  writeFileSync(join(FOUND, `${result.name}.json`), `${JSON.stringify(result, null, 2)}\n`);
  console.log(`\n${resultMarkdown(result)}`);
  if (findings.targets !== undefined) console.log(targetsMarkdown(findings.targets));
}

/** @param show how its figures are written, with their unit */
export const atLeast = (what: string, wanted: number, measured: number, show = decimal): Target => ({
  what,
  wanted: `at least ${show(wanted)}`,
  measured: show(measured),
  met: measured >= wanted,
});

/** @param show how its figures are written, with their unit */
export const atMost = (what: string, wanted: number, measured: number, show = decimal): Target => ({
  what,
  wanted: `at most ${show(wanted)}`,
  measured: show(measured),
  met: measured <= wanted,
});
