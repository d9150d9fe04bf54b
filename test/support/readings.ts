// What the metrics are read from, of a gateway that has done nothing.
import { type Counters, createCounters } from "../../src/metrics/counters.ts";
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
