// What is made of the results that are kept: the page in docs/ and its chart.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chartSvg } from "./chart.ts";
import { reportMarkdown } from "./report.ts";
import type { Result } from "./result.ts";

export interface Benchmark {
  readonly name: string;
  /** The file in bench/ and its options, where they are not its name and none. */
  readonly program?: string;
  readonly options?: readonly string[];
  /** Takes so long that it runs only when it is named. */
  readonly long?: boolean;
}

/** In the order of the page. */
export const BENCHMARKS: readonly Benchmark[] = [
  { name: "smtp" },
  { name: "mailers" },
  { name: "ceiling" },
  { name: "repeats" },
  { name: "latency" },
  { name: "connections" },
  { name: "sizes" },
  { name: "start" },
  { name: "rest" },
  { name: "install" },
  { name: "ses-rate" },
  { name: "ledger-peers" },
  { name: "ledger-scale" },
  { name: "ledger-scale-100", program: "ledger-scale", options: ["--millions", "100"], long: true },
];

/** The results of the last npm run bench, so that the page can be made again without measuring. */
export const KEPT = "bench/results";

export const keptResults = (): Result[] =>
  BENCHMARKS.map(({ name }) => join(KEPT, `${name}.json`))
    .filter((path) => existsSync(path))
    .map((path) => JSON.parse(readFileSync(path, "utf8")) as Result);

/** By path. */
export const pages = (results: readonly Result[]): Readonly<Record<string, string>> => ({
  "docs/evidence/benchmarks.md": reportMarkdown(results),
  "docs/evidence/benchmarks.svg": chartSvg(results.flatMap(({ charts = [] }) => charts)),
});
