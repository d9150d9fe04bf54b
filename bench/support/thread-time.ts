// Processor time of the threads of a process, as Linux counts it.
import { readdirSync, readFileSync } from "node:fs";

/** Of /proc, everywhere. */
const TICK_MICROSECONDS = 10_000;

/** Microseconds so far, by thread. */
export function threadTimes(pid: number): ReadonlyMap<string, number> {
  const folder = `/proc/${pid}/task`;
  return new Map(readdirSync(folder).map((thread) => [thread, timeOf(`${folder}/${thread}/stat`)]));
}

/** What the thread that took the most has taken since then, microseconds. */
export function busiestThread(pid: number, before: ReadonlyMap<string, number>): number {
  return Math.max(...[...threadTimes(pid)].map(([thread, time]) => time - (before.get(thread) ?? 0)));
}

/** Fields 14 and 15 of proc(5), counted after the name in parentheses, which may hold anything. */
function timeOf(path: string): number {
  const stat = readFileSync(path, "latin1");
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13);
  return (Number(user) + Number(system)) * TICK_MICROSECONDS;
}
