// The relayed ids, in generations by time: new ones go to the newest, the filters say which have to be
// asked, and what is older than the retention goes by the folder. A generation is over after its span of
// time, or earlier when it is full, so that its filter's rate holds.
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Relayed } from "../archive/archive.ts";
import { probesOf } from "../filter.ts";
import { nextCapacity } from "./capacity.ts";
import { type Generation, openGeneration } from "./generation.ts";
import type { GenerationList } from "./generation-list.ts";
import { type Kept, openFound } from "./generations-found.ts";
import type { GenerationRecord } from "./records.ts";

/** More means less kept beyond the retention (an eighth of it at most), and more filters to ask. */
const SPANS_IN_RETENTION = 8;

export interface GenerationsOptions {
  readonly storage: Storage;
  readonly list: GenerationList;
  readonly clock: Clock;
  readonly log: Log;
  /** Ids are kept for at least as many milliseconds. */
  readonly retentionMs: number;
  readonly firstCapacity: number;
}

export interface Generations {
  /** False: certainly not relayed. True: ask find. Does no I/O. */
  maybe(key: Uint8Array): boolean;
  /** The latest record of the id. */
  find(key: Uint8Array): Promise<Relayed | undefined>;
  /** Durable when it resolves. */
  add(key: Uint8Array, relayed: Relayed): Promise<void>;
  counts(): { readonly ids: number; readonly generations: number };
  /** Closes a generation whose time is over; removes those whose ids are all older than the retention. */
  sweep(): Promise<void>;
  /** Saves the filters, so that the next start need not rebuild them. */
  close(): Promise<void>;
}

export async function openGenerations(options: GenerationsOptions): Promise<Generations> {
  const { storage, list, clock, log, retentionMs } = options;
  const spanMs = retentionMs / SPANS_IN_RETENTION;
  /** Newest first. Only the first can be open. */
  let kept: Kept[] = [];
  /** Of no use any more, but not removed, since the disk failed; the next sweep tries again. */
  const leaving = new Set<Kept>();
  let background: Promise<void> = Promise.resolve();
  let changing: Promise<void> | undefined;
  let lastNumber = 0;

  async function load(): Promise<void> {
    kept = await openFound(options);
    lastNumber = kept[0]?.record.number ?? 0;
    for (const one of kept.slice(1)) if (one.record.closedAt === undefined) await closeOne(one);
    // A file that does not count is named before the first client is served.
    await Promise.all(kept.map(({ generation }) => generation.read()));
  }

  function inBackground(work: () => Promise<void>): void {
    background = background.then(work);
  }

  function isOver({ record, generation }: Kept): boolean {
    if (record.closedAt !== undefined || generation.filter.count >= record.capacity) return true;
    return clock.now() >= record.openedAt + spanMs;
  }

  /** From the call on nothing is added to it, unless noting that fails. */
  async function closeOne(one: Kept): Promise<void> {
    const { record, generation } = one;
    const closedAt = Math.max(clock.now(), record.openedAt);
    one.record = { ...record, closedAt, count: generation.filter.count };
    try {
      await list.put([one.record]);
    } catch (error) {
      one.record = record;
      throw error;
    }
    inBackground(() => generation.rest());
  }

  async function closeNewest(): Promise<void> {
    const [newest] = kept;
    if (newest !== undefined && newest.record.closedAt === undefined) await closeOne(newest);
  }

  /** One change of the newest generation at a time. */
  function change(work: () => Promise<void>): Promise<void> {
    changing ??= work().finally(() => {
      changing = undefined;
    });
    return changing;
  }

  /** Ids in all generations, as far as is known before the filters are ready. */
  function count(): number {
    return kept.reduce(
      (sum, { record, generation }) => sum + Math.max(record.count, generation.filter.count),
      0,
    );
  }

  /** Closes the newest generation and opens the next. */
  async function roll(): Promise<void> {
    await closeNewest();
    const record: GenerationRecord = {
      number: lastNumber + 1,
      openedAt: clock.now(),
      closedAt: undefined,
      capacity: nextCapacity(count(), options.firstCapacity),
      count: 0,
    };
    // The record first: a store without one would be taken for another's.
    await list.begin(record);
    const generation = await openGeneration(storage, log, record);
    await generation.warm();
    kept = [{ record, generation }, ...kept];
    lastNumber = record.number;
    // Should it fail, the next start finds the store and does it.
    list.finish(record.number).catch(() => {});
    log.info("ledger.generation_opened", { generation: record.number, capacity: record.capacity });
  }

  async function writable(): Promise<Generation> {
    for (;;) {
      const [newest] = kept;
      if (newest !== undefined && !isOver(newest)) return newest.generation;
      await change(roll);
    }
  }

  async function remove(one: Kept): Promise<void> {
    const { number } = one.record;
    await list.beginRemoval(number);
    kept = kept.filter((other) => other !== one);
    leaving.add(one);
    await one.generation.remove();
    await list.remove(number);
    leaving.delete(one);
    log.info("ledger.generation_expired", { generation: number, ids: one.record.count });
  }

  try {
    await load();
  } catch (error) {
    for (const { generation } of kept) await generation.close();
    throw error;
  }
  for (const { generation, record } of kept) {
    inBackground(async () => {
      await generation.warm();
      if (record.closedAt !== undefined) await generation.save();
    });
  }

  return {
    maybe(key) {
      const probes = probesOf(key);
      for (const { generation } of kept) if (generation.maybe(probes)) return true;
      return false;
    },
    async find(key) {
      const probes = probesOf(key);
      for (const one of kept) {
        // One that has been removed meanwhile held nothing that still counts.
        if (!kept.includes(one) || !one.generation.maybe(probes)) continue;
        const relayed = await one.generation.get(key).catch((error) => {
          if (kept.includes(one)) throw error;
        });
        if (relayed !== undefined) return relayed;
      }
      return undefined;
    },
    add(key, relayed) {
      const [newest] = kept;
      if (newest !== undefined && !isOver(newest)) return newest.generation.add(key, relayed);
      return writable().then((generation) => generation.add(key, relayed));
    },
    counts: () => ({ ids: count(), generations: kept.length }),
    async sweep() {
      const [newest] = kept;
      if (newest !== undefined && isOver(newest)) await change(closeNewest);
      const over = kept.filter(({ record: { closedAt } }) => {
        return closedAt !== undefined && closedAt + retentionMs < clock.now();
      });
      const failures: unknown[] = [];
      for (const one of [...leaving, ...over.reverse()]) {
        await remove(one).catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    },
    async close() {
      await changing?.catch(() => {});
      for (const { generation } of kept) generation.stop();
      await background;
      if (kept[0]?.record.closedAt === undefined) await kept[0]?.generation.save();
      for (const { generation } of kept) await generation.close();
    },
  };
}
