// Runs the benchmarks, one after the other, and writes docs/evidence/benchmarks.md with its chart. What was found stays in
// bench/results/, so that the page can be made again from it.
//
//   npm run bench [-- NAME…] [--seconds 5] [--turns 3] [--render]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BENCHMARKS, type Benchmark, KEPT, keptResults, pages } from "./support/pages.ts";
import { FOUND } from "./support/result.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string" },
    turns: { type: "string" },
    /** Only makes the page again. */
    render: { type: "boolean", default: false },
  },
});
const { render, ...timing } = values;
const named = positionals.map((name) => {
  const benchmark = BENCHMARKS.find((one) => one.name === name);
  if (benchmark === undefined) throw new Error(`no such benchmark: ${name}`);
  return benchmark;
});

async function measure({ name, program = name, options = [] }: Benchmark): Promise<void> {
  const file = fileURLToPath(new URL(`${program}.js`, import.meta.url));
  const given = Object.entries(timing).map(([option, value]) => `--${option}=${value}`);
  const child = spawn(process.execPath, [file, ...options, ...given], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${name} ended with ${code}`);
  mkdirSync(KEPT, { recursive: true });
  copyFileSync(join(FOUND, `${name}.json`), join(KEPT, `${name}.json`));
}

if (!render) {
  for (const one of named.length > 0 ? named : BENCHMARKS.filter(({ long }) => !long)) await measure(one);
}
for (const [path, content] of Object.entries(pages(keptResults()))) writeFileSync(path, content);
