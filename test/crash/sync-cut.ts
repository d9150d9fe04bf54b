// What a loss of power may take that SIGKILL leaves: the end of a store's log that was written and not yet
// made durable. The process under test notes each log's length when it was; beyond that all may be cut.
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { Chance } from "./chance.ts";

/** @returns octets cut off, over all stores; the notes are gone then */
export function cutToLastSync(folder: string, notes: string, chance: Chance): number {
  if (!existsSync(notes)) return 0;
  const last = new Map<string, { readonly log: string; readonly size: number }>();
  for (const line of readFileSync(notes, "utf8").split("\n").slice(0, -1)) {
    const [name = "", log = "", size = ""] = line.split(" ");
    last.set(name, { log, size: Number(size) });
  }
  rmSync(notes);
  let octets = 0;
  for (const [name, { log, size }] of last) {
    const store = join(folder, name);
    // The store may have been removed, or have begun another log.
    if (!existsSync(store)) continue;
    const newest = readdirSync(store)
      .filter((entry) => entry.endsWith(".log"))
      .sort()
      .at(-1);
    if (newest !== log) continue;
    const present = statSync(join(store, log)).size;
    // All of it half the time; otherwise anywhere, in the middle of a record too.
    const lost = chance.fraction() < 0.5 ? present - size : chance.below(present - size + 1);
    truncateSync(join(store, log), present - lost);
    octets += lost;
  }
  return octets;
}
