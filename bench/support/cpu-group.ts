// Processor time of a program with all processes that it starts, also those that have ended since: a control
// group of the kernel (cgroup v2), which needs root.
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface CpuGroup {
  /** Microseconds so far. */
  used(): number;
  /** The processes that are in it now. */
  pids(): readonly number[];
  /** When its processes have ended. */
  remove(): Promise<void>;
}

const LOOK_MS = 20;
const REMOVE_MS = 1_000;

/** @param pids every process of the program; those that they start belong to the group as well */
export function createCpuGroup(name: string, pids: readonly number[]): CpuGroup {
  const [, mount] = /^cgroup2 (\S+) cgroup2 /m.exec(readFileSync("/proc/mounts", "utf8")) ?? [];
  if (mount === undefined) throw new Error("no cgroup2 is mounted");
  const folder = join(mount, `mailonce-bench-${process.pid}-${name}`);
  mkdirSync(folder, { recursive: true });
  for (const pid of pids) writeFileSync(join(folder, "cgroup.procs"), String(pid));
  return {
    used: () => Number(/^usage_usec (\d+)$/m.exec(readFileSync(join(folder, "cpu.stat"), "utf8"))?.[1]),
    pids: () => readFileSync(join(folder, "cgroup.procs"), "latin1").split("\n").filter(Boolean).map(Number),
    async remove() {
      const until = performance.now() + REMOVE_MS;
      for (;;) {
        try {
          return rmdirSync(folder);
        } catch {
          // Not before the last of them is reaped. One whose parent has gone may never be: an empty group stays.
          if (performance.now() > until) return;
          await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        }
      }
    },
  };
}
