// What a loss of power may take that SIGKILL leaves: the end of a store's log that was written and not yet
// made durable. The process under test notes each log's length when it was, and its seals say so too; beyond that all
// may be cut.
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { decodeSeal, SEAL_FILES } from "../../src/storage/seal.ts";
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
    const durable = Math.max(size, sealedLength(folder, name, log));
    // All of it half the time; otherwise anywhere, in the middle of a record too.
    const lost = chance.fraction() < 0.5 ? present - durable : chance.below(present - durable + 1);
    truncateSync(join(store, log), present - lost);
    octets += lost;
  }
  return octets;
}

/** What a seal says is durable has been synced for it, beside the commits. */
function sealedLength(folder: string, store: string, log: string): number {
  const lengths = SEAL_FILES.map((file) => {
    if (!existsSync(join(folder, file))) return 0;
    const seal = decodeSeal(readFileSync(join(folder, file)));
    if (typeof seal === "string") throw new Error(`${file}: ${seal}`);
    return seal.stores[store]?.logs.find(({ number }) => number === Number.parseInt(log, 10))?.octets ?? 0;
  });
  return Math.max(...lengths);
}
