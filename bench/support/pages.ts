// What is made of the results that are kept: the page in docs/ and its chart.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chartSvg } from "./chart.ts";
import { reportMarkdown } from "./report.ts";
import type { Result } from "./result.ts";

/** In the order of the page. */
export const BENCHMARKS: readonly string[] = [
  "smtp",
  "repeats",
  "latency",
  "connections",
  "sizes",
  "ses-rate",
  "ledger-peers",
  "ledger-scale",
];

/** The results of the last npm run bench, so that the page can be made again without measuring. */
export const KEPT = "bench/results";

export const keptResults = (): Result[] =>
  BENCHMARKS.map((name) => join(KEPT, `${name}.json`))
    .filter((path) => existsSync(path))
    .map((path) => JSON.parse(readFileSync(path, "utf8")) as Result);

/** By path. */
export const pages = (results: readonly Result[]): Readonly<Record<string, string>> => ({
  "docs/benchmarks.md": reportMarkdown(results),
  "docs/benchmarks.svg": chartSvg(results.flatMap(({ charts = [] }) => charts)),
});
