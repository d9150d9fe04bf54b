// docs/metrics.md has every metric that a gateway can have, with its type, its labels and their values, and its help text.
import { expect, test } from "vitest";
import type { Metric } from "../../src/metrics/metric.ts";
import { OPEN_LABELS, wholeCatalogue } from "../support/readings.ts";
import { codeOf, read, rowsOf } from "./tables.ts";

async function labelsOf({ labels, read: values }: Metric): Promise<string> {
  const rows = await values();
  const shown = labels.map((label, index) => {
    const known = new Set(rows.map((row) => row[index + 1]));
    return OPEN_LABELS.has(label) ? `\`${label}\`` : `\`${label}\`: ${[...known].join(", ")}`;
  });
  return shown.join("; ");
}

test("every metric, and no other", async () => {
  const documented = rowsOf(read("docs/metrics.md")).filter(({ cells: [name] }) =>
    /^`(mailonce|process|nodejs)_/.test(name ?? ""),
  );
  const known = await Promise.all(
    wholeCatalogue().map(async (metric) => [metric.name, metric.kind, await labelsOf(metric), metric.help]),
  );
  expect(documented.map(({ cells: [name, ...others] }) => [codeOf(name), ...others])).toEqual(known);
});
