// What the process takes, by the names that Prometheus' clients use. Only what costs nothing until it is asked for: no
// timer, and no observer of the garbage collector.
import { readdir } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import type { Metric } from "./metric.ts";

/** Where Linux lists the files that a process has open. */
const OPEN_FILES = "/proc/self/fd";

export const processMetrics = (): Metric[] => [
  {
    ...{ name: "process_cpu_seconds_total", kind: "counter", labels: [] },
    help: "Processor time of the process, in user and system mode",
    read() {
      const { user, system } = process.cpuUsage();
      return [[(user + system) / 1e6]];
    },
  },
  {
    ...{ name: "process_start_time_seconds", kind: "gauge", labels: [] },
    help: "When the process began, seconds since the epoch",
    read: () => [[performance.timeOrigin / 1_000]],
  },
  {
    ...{ name: "process_resident_memory_bytes", kind: "gauge", labels: [] },
    help: "Resident memory",
    read: () => [[process.memoryUsage.rss()]],
  },
  {
    ...{ name: "process_open_fds", kind: "gauge", labels: [] },
    help: "Open files and sockets; on Linux",
    async read() {
      const files = await readdir(OPEN_FILES).catch(() => undefined);
      return files === undefined ? [] : [[files.length]];
    },
  },
  {
    ...{ name: "nodejs_eventloop_active_seconds_total", kind: "counter", labels: [] },
    help: "Time in which the event loop was busy: a rate near 1 is one processor in full use",
    read: () => [[performance.eventLoopUtilization().active / 1_000]],
  },
  {
    ...{ name: "nodejs_eventloop_lag_seconds", kind: "gauge", labels: [] },
    help: "How long this request waited for its next turn of the event loop",
    async read() {
      const began = performance.now();
      await new Promise(setImmediate);
      return [[(performance.now() - began) / 1_000]];
    },
  },
];
