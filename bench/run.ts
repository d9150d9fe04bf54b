// Runs the benchmarks, one after the other, and writes docs/benchmarks.md with its chart. What was found stays in
// bench/results/, so that the page can be made again from it.
//
//   npm run bench [-- NAME…] [--seconds 5] [--turns 3] [--render]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BENCHMARKS, KEPT, keptResults, pages } from "./support/pages.ts";
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
const unknown = positionals.filter((name) => !BENCHMARKS.includes(name));
if (unknown.length > 0) throw new Error(`no such benchmark: ${unknown.join(", ")}`);

async function measure(name: string): Promise<void> {
  const program = fileURLToPath(new URL(`${name}.js`, import.meta.url));
  const options = Object.entries(timing).map(([option, value]) => `--${option}=${value}`);
  const child = spawn(process.execPath, [program, ...options], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`bench:${name} ended with ${code}`);
  mkdirSync(KEPT, { recursive: true });
  copyFileSync(join(FOUND, `${name}.json`), join(KEPT, `${name}.json`));
}

if (!render) {
  for (const name of positionals.length > 0 ? positionals : BENCHMARKS) await measure(name);
}
for (const [path, content] of Object.entries(pages(keptResults()))) writeFileSync(path, content);
