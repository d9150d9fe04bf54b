// docs/metrics.md has every metric that a gateway can have, with its type, its labels and their values, and its help text.
import { expect, test } from "vitest";
import { catalogueOf } from "../../src/metrics/catalogue.ts";
import { createCounters } from "../../src/metrics/counters.ts";
import type { Metric } from "../../src/metrics/metric.ts";
import { NO_READINGS } from "../support/readings.ts";
import { codeOf, read, rowsOf } from "./tables.ts";

const counters = createCounters();
counters.connections.of("127.0.0.1:2525");
counters.attempts.of("main");

const WHOLE = catalogueOf(counters, {
  ...NO_READINGS,
  remembered: () => ({ ids: 0, generations: 0 }),
  shared: { isUp: () => true, gateways: () => 1 },
  quotas: () => [],
  certificates: () => [],
});

/** Labels whose values depend on the configuration, or are too many to be listed. */
const OPEN: ReadonlySet<string> = new Set(["version", "node", "listener", "upstream", "code"]);

async function labelsOf({ labels, read: values }: Metric): Promise<string> {
  const rows = await values();
  const shown = labels.map((label, index) => {
    const known = new Set(rows.map((row) => row[index + 1]));
    return OPEN.has(label) ? `\`${label}\`` : `\`${label}\`: ${[...known].join(", ")}`;
  });
  return shown.join("; ");
}

test("every metric, and no other", async () => {
  const documented = rowsOf(read("docs/metrics.md")).filter(({ cells: [name] }) =>
    /^`(mailonce|process|nodejs)_/.test(name ?? ""),
  );
  const known = await Promise.all(
    WHOLE.map(async (metric) => [metric.name, metric.kind, await labelsOf(metric), metric.help]),
  );
  expect(documented.map(({ cells: [name, ...others] }) => [codeOf(name), ...others])).toEqual(known);
});
