// What the metrics are read from, of a gateway that has done nothing; and all series that there can be.
import { catalogueOf } from "../../src/metrics/catalogue.ts";
import { type Counters, createCounters } from "../../src/metrics/counters.ts";
import type { Metric } from "../../src/metrics/metric.ts";
import type { Readings } from "../../src/metrics/readings.ts";

const NONE = { count: 0 };

export const NO_READINGS: Readings = {
  ...{ version: "1.2.3", nodeVersion: "v20.0.0", now: () => 0 },
  lanes: () => [{ name: "main", upstreams: [{ name: "main" }], ...{ due: NONE, waiting: NONE, held: NONE } }],
  ledger: () => ({ claims: 0, doubtful: 0 }),
  diskFree: async () => 0,
  memory: () => ({ receiving: 0, receiving_max: 0, attempts: 0, attempts_max: 0 }),
};

export const unread = (): { readonly counters: Counters; readonly readings: Readings } => ({
  counters: createCounters(),
  readings: NO_READINGS,
});

/** Every metric that a gateway can have, whatever its configuration is. */
export function wholeCatalogue(): Metric[] {
  const counters = createCounters();
  counters.connections.of("127.0.0.1:2525");
  counters.attempts.of("main");
  return catalogueOf(counters, {
    ...NO_READINGS,
    remembered: () => ({ ids: 0, generations: 0 }),
    shared: { isUp: () => true, gateways: () => 1 },
    quotas: () => [],
    lastEventAt: () => undefined,
    certificates: () => [],
  });
}

/** Labels whose values depend on the configuration, or are too many to be listed. */
export const OPEN_LABELS: ReadonlySet<string> = new Set(["version", "node", "listener", "upstream", "code"]);

/** Of a series as a scrape has it: the name of its metric, and the labels whose values are listed. */
export function fixedLabels(series: string): string {
  const [, name = "", text = ""] = /^([a-z0-9_]+)(?:\{(.*)\})?$/.exec(series) ?? [];
  const labels = text
    .split(",")
    .filter((label) => label !== "" && !OPEN_LABELS.has(label.split("=")[0] ?? ""));
  const metric = HISTOGRAMS.find((one) => new RegExp(`^${one}_(sum|count|bucket)$`).test(name)) ?? name;
  return labels.length === 0 ? metric : `${metric}{${labels.join(",")}}`;
}

const HISTOGRAMS = wholeCatalogue().flatMap(({ kind, name }) => (kind === "histogram" ? [name] : []));

/** All series, each with the labels whose values are listed. */
export async function everySeries(): Promise<string[]> {
  const all = new Set<string>();
  for (const { name, labels, read } of wholeCatalogue()) {
    const listed = labels.some((label) => !OPEN_LABELS.has(label));
    for (const [, ...values] of listed ? await read() : [[0]]) {
      const shown = labels.map((label, index) => `${label}="${values[index]}"`).join(",");
      all.add(fixedLabels(listed ? `${name}{${shown}}` : name));
    }
  }
  return [...all].sort();
}
