// The generations that a start finds. What the list and the folder say of them is compared: a store that is missing is
// refused, one that the list does not know is adopted, and a removal that was cut short is finished.
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { missingStore, type Storage } from "../../storage/storage.ts";
import { type Generation, openGeneration, removeRemains, storeName } from "./generation.ts";
import { type GenerationList, generationNumber } from "./generation-list.ts";
import type { GenerationRecord } from "./records.ts";

export interface Kept {
  record: GenerationRecord;
  readonly generation: Generation;
}

export interface FindingOptions {
  readonly storage: Storage;
  readonly list: GenerationList;
  readonly clock: Clock;
  readonly log: Log;
  readonly firstCapacity: number;
}

/**
 * Opens all of them, newest first. After an adoption an older one may still count as open. Rejects with a
 * StorageError; nothing stays open then.
 */
export async function openFound(options: FindingOptions): Promise<Kept[]> {
  const { storage, list, log } = options;
  const records = await recordsOf(options);
  records.sort((a, b) => b.number - a.number);
  // At the same time, since most of an opening is waiting for the disk.
  const opened = await Promise.allSettled(
    records.map(async (record) => ({ record, generation: await openGeneration(storage, log, record) })),
  );
  const kept = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  try {
    for (const one of opened) if (one.status === "rejected") throw one.reason;
    for (const number of (await list.unfinished()).keys()) await list.finish(number);
  } catch (error) {
    for (const { generation } of kept) await generation.close();
    throw error;
  }
  return kept;
}

/** What the list knows, without what a removal was cut short of; adopts what it does not know. */
async function recordsOf(options: FindingOptions): Promise<GenerationRecord[]> {
  const { storage, list, clock, log } = options;
  const names = await storage.list("ledger");
  const present = names.flatMap((name) => generationNumber(name) ?? []);
  const unfinished = await list.unfinished();
  const records: GenerationRecord[] = [];
  for (const record of await list.records()) {
    const { number, closedAt } = record;
    if (unfinished.get(number) === "removing") {
      await removeRemains(storage, number);
      await list.remove(number);
    } else if (present.includes(number) || (unfinished.has(number) && closedAt === undefined)) {
      records.push(record);
    } else {
      const consequence = "ids relayed before are then forgotten and may be relayed again";
      throw missingStore(storeName(number), consequence);
    }
  }
  for (const number of present) {
    if (unfinished.get(number) === "removing" || records.some((record) => record.number === number)) continue;
    // Its record is made first and removed last, so somebody has put an older state back in place.
    log.warn("ledger.generation_adopted", { generation: number });
    const now = clock.now();
    records.push({ number, openedAt: now, closedAt: now, capacity: options.firstCapacity, count: 0 });
    await list.put(records.slice(-1));
  }
  return records;
}
