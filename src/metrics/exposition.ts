// The metrics as Prometheus reads them. prom-client is imported here and nowhere else; it gets the numbers when somebody
// asks, so that counting costs what an addition costs. Loaded when it is needed.
import { Counter, Gauge, Histogram, type MetricType, Registry } from "prom-client";
import type { Histogram as Counted } from "./histogram.ts";
import type { Metric } from "./metric.ts";

type HistogramMetric = Extract<Metric, { kind: "histogram" }>;

export interface Exposition {
  readonly contentType: string;
  text(): Promise<string>;
}

export function createExposition(metrics: readonly Metric[]): Exposition {
  const registry = new Registry();
  for (const metric of metrics) registry.registerMetric(exposed(metric));
  return { contentType: registry.contentType, text: () => registry.metrics() };
}

function exposed(metric: Metric): Counter | Gauge | Histogram {
  if (metric.kind === "histogram") return new Plain(metric);
  const { name, help, labels, read } = metric;
  const settings = { name, help, labelNames: labels, registers: [] };
  if (metric.kind === "gauge") {
    const gauge: Gauge = new Gauge({ ...settings, collect: () => put(gauge, (...one) => gauge.set(...one)) });
    return gauge;
  }
  const counter: Counter = new Counter({
    ...settings,
    collect: () => put(counter, (...one) => counter.inc(...one)),
  });
  return counter;

  async function put(
    made: Pick<Counter, "reset">,
    add: (labels: Record<string, string>, value: number) => void,
  ): Promise<void> {
    const rows = await read();
    made.reset();
    for (const [value, ...values] of rows) add(labelsOf(labels, values), value);
  }
}

const labelsOf = (names: readonly string[], values: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""]));

/** A histogram whose buckets are counted elsewhere: the library's own can only be given each value. */
class Plain extends Histogram<string> {
  readonly #metric: HistogramMetric;

  constructor(metric: HistogramMetric) {
    const { name, help, labels } = metric;
    super({ name, help, labelNames: labels, registers: [] });
    this.#metric = metric;
  }

  /** The registry asks for this rather than for `get`; it is private to the library (decision 0012). */
  getForPromString() {
    return this.get();
  }

  override async get(): ReturnType<Histogram<string>["get"]> {
    const { name, help, labels, read } = this.#metric;
    const values = read().flatMap(([counted, ...own]) => seriesOf(name, labelsOf(labels, own), counted));
    // Text, whatever its type is called: the library has the enumeration in its types only.
    const type = "histogram" as unknown as MetricType;
    return { name, help, type, aggregator: "sum", values, collect() {} };
  }
}

function seriesOf(name: string, labels: Record<string, string>, { bounds, counts, sum }: Counted) {
  let count = 0;
  const buckets = counts.map((inBucket, index) => {
    count += inBucket;
    const le = bounds[index] ?? "+Inf";
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
