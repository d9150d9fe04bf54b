// Adds ids to the embedded ledger with their own times: into generations that are over already, each for a
// span of time, so that what was relayed long ago expires when it would have expired where it comes from.
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Relayed } from "../archive/archive.ts";
import { probesOf } from "../filter.ts";
import { FIRST_CAPACITY, nextCapacity } from "./capacity.ts";
import { type Generation, openGeneration } from "./generation.ts";
import type { GenerationList } from "./generation-list.ts";
import type { GenerationRecord } from "./records.ts";

/** As many as the ledger itself makes in a retention: ids are kept an eighth longer than it at most. */
const SPANS = 8;

/**
 * Numbers kept free for the generations of one span. They are taken in the order of time, since of two records
 * of an id the ledger believes that in the higher number.
 */
const NUMBERS_OF_SPAN = 1_000;

export interface EmbeddedWriterOptions {
  readonly storage: Storage;
  readonly list: GenerationList;
  readonly clock: Clock;
  readonly log: Log;
  readonly retentionMs: number;
  /** Ids of the first generation of each span. */
  readonly firstCapacity?: number;
}

export interface EmbeddedWriter {
  /** The latest that was added of the id. */
  find(key: Uint8Array): Promise<Relayed | undefined>;
  /** Durable when it resolves. */
  add(key: Uint8Array, relayed: Relayed): Promise<void>;
  /** Saves the filters. */
  close(): Promise<void>;
}

interface Written {
  readonly record: GenerationRecord;
  readonly generation: Generation;
}

export async function createEmbeddedWriter(options: EmbeddedWriterOptions): Promise<EmbeddedWriter> {
  const { storage, list, clock, log, retentionMs } = options;
  const spanMs = retentionMs / SPANS;
  const firstAt = clock.now() - retentionMs;
  const last = Math.max(0, ...(await list.records()).map(({ number }) => number));
  /** By span, in the order of their numbers. */
  const spans = new Map<number, Written[]>();

  /** What is later than now belongs to the span after the last, and is kept as long as that. */
  const spanOf = (time: number): number =>
    Math.min(Math.max(0, Math.floor((time - firstAt) / spanMs)), SPANS);

  let opening: Promise<void> | undefined;

  async function open(span: number): Promise<void> {
    const written = spans.get(span) ?? [];
    const ids = [...spans.values()].flat().reduce((sum, { generation }) => sum + generation.filter.count, 0);
    const record: GenerationRecord = {
      number: last + 1 + span * NUMBERS_OF_SPAN + written.length,
      openedAt: Math.floor(firstAt + span * spanMs),
      closedAt: undefined,
      capacity: nextCapacity(ids, options.firstCapacity ?? FIRST_CAPACITY),
      count: 0,
    };
    await list.begin(record);
    const generation = await openGeneration(storage, log, record);
    await generation.warm();
    await list.finish(record.number);
    const closed = { ...record, closedAt: Math.ceil(record.openedAt + spanMs) };
    await list.put([closed]);
    spans.set(span, [...written, { record: closed, generation }]);
  }

  async function writable(span: number): Promise<Generation> {
    for (;;) {
      const newest = spans.get(span)?.at(-1);
      if (newest !== undefined && newest.generation.filter.count < newest.record.capacity) {
        return newest.generation;
      }
      opening ??= open(span).finally(() => {
        opening = undefined;
      });
      await opening;
    }
  }

  return {
    async find(key) {
      let latest: Relayed | undefined;
      const probes = probesOf(key);
      for (const { generation } of [...spans.values()].flat()) {
        if (!generation.maybe(probes)) continue;
        const relayed = await generation.get(key);
        if (relayed !== undefined && relayed.time > (latest?.time ?? -1)) latest = relayed;
      }
      return latest;
    },
    async add(key, relayed) {
      const generation = await writable(spanOf(relayed.time));
      await generation.add(key, relayed);
    },
    async close() {
      for (const { record, generation } of [...spans.values()].flat()) {
        await list.put([{ ...record, count: generation.filter.count }]);
        await generation.save();
        await generation.close();
      }
    },
  };
}
