// docs/evidence/benchmarks.md and its chart are what the kept results make, and nobody's own words.
import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { BENCHMARKS, KEPT, keptResults, pages } from "../../bench/support/pages.ts";
import { atLeast, atMost, type Result } from "../../bench/support/result.ts";
import { read, rowsOf } from "../docs/tables.ts";

const result: Result = {
  name: "smtp",
  question: "Rates",
  method: "Measured.",
  tables: [{ columns: ["relay", "a second"], rows: [["mailonce", "1,234"]] }],
  charts: [
    {
      title: "Mails < a second",
      bars: [
        { label: "mailonce", value: 1_234.5, ours: true },
        { label: "other", value: 617.25, ours: false },
      ],
    },
  ],
  targets: [atLeast("rate", 2, 1.999), atMost("wait", 10, 10)],
  machine: {
    ...{ cores: 2, processor: "P", memory: 8, kernel: "6.1", filesystem: "ext4", sync: 0.2, node: "v20" },
  },
  versions: { Postfix: "3.7" },
  date: "2024-01-01",
};

test("the page and the chart are made from the kept results", () => {
  const results = keptResults();
  expect(results).not.toEqual([]);
  for (const [path, content] of Object.entries(pages(results))) expect(read(path), path).toBe(content);
});

test("every kept result belongs to a benchmark, and every benchmark has a command", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const names = BENCHMARKS.map(({ name }) => name);
  for (const file of readdirSync(KEPT)) expect(names).toContain(file.replace(/\.json$/, ""));
  for (const { name, program = name } of BENCHMARKS) {
    if (existsSync(`${KEPT}/${name}.json`)) expect(scripts).toHaveProperty(`bench:${program}`);
  }
});

test("a target is met by what was measured, not by how it is written", () => {
  const rows = rowsOf(pages([result])["docs/evidence/benchmarks.md"] ?? "");
  const targets = rows.filter(({ heading }) => heading === "Targets");
  // The first two are the table's head and its rule.
  expect(targets.slice(2).map(({ cells }) => cells)).toEqual([
    ["rate", "at least 2.00", "2.00", "**no**"],
    ["wait", "at most 10.00", "10.00", "yes"],
  ]);
});

test("the chart's bars are as long as their values, and are told in words", () => {
  const svg = pages([result])["docs/evidence/benchmarks.svg"] ?? "";
  const widths = [...svg.matchAll(/<rect class="(?:ours|other)"[^>]* width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  );
  expect(widths).toHaveLength(2);
  expect((widths[0] ?? 0) / (widths[1] ?? 1)).toBeCloseTo(2, 2);
  expect(svg).toContain('<desc id="d">Mails &lt; a second: mailonce 1,230, other 617.</desc>');
});
