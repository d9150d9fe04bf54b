// The embedded ledger as an archive. No gateway may run on the data folder meanwhile, which the lock of the
// ledger's state sees to.

import type { Id } from "../../identity/message-id.ts";
import { encodeBase32 } from "../../runtime/base32.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Relayed } from "../archive/archive.ts";
import { type Archive, type ArchiveRecord, type Merged, stronger } from "../archive/archive.ts";
import { doubtOf, readEmbedded, standing } from "./archive-reader.ts";
import { createEmbeddedWriter, type EmbeddedWriter } from "./archive-writer.ts";
import { FIRST_CAPACITY } from "./capacity.ts";
import { type Generations, openGenerations } from "./generations.ts";
import type { MarkStore } from "./mark-store.ts";
import type { Mark } from "./records.ts";
import { openState, type State } from "./state.ts";

export interface EmbeddedArchiveOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly log: Log;
  readonly retentionMs: number;
  /** Ids of a first generation. */
  readonly firstCapacity?: number;
}

/** What merging needs. Reading goes without, since a store can be open once only. */
interface Merging {
  readonly generations: Generations;
  readonly writer: EmbeddedWriter;
  readonly marks: Map<Id, Mark>;
}

/** Rejects with a StorageError, "locked" while a gateway runs on the folder. */
export async function openEmbeddedArchive(options: EmbeddedArchiveOptions): Promise<Archive> {
  const { storage, clock } = options;
  const state = await openState(storage);
  let merging: Promise<Merging> | undefined;
  let last: Promise<unknown> = Promise.resolve();

  return {
    kind: "embedded",
    records: () => readEmbedded(storage, state),
    async merge(batch) {
      merging ??= startMerging(options, state);
      const parts = await merging;
      // One after another, so that none looks an id up while another adds it.
      const work = last.then(() => Promise.all(batch.map((record) => mergeOne(parts, state.marks, record))));
      last = work.catch(() => {});
      return await work;
    },
    name: state.name.known,
    adoptName: state.name.adopt,
    now: async () => clock.now(),
    async close() {
      await last;
      const parts = await merging?.catch(() => undefined);
      await parts?.writer.close();
      await parts?.generations.close();
      await state.close();
    },
  };
}

async function startMerging(options: EmbeddedArchiveOptions, state: State): Promise<Merging> {
  const firstCapacity = options.firstCapacity ?? FIRST_CAPACITY;
  const { generations: list } = state;
  const generations = await openGenerations({ ...options, list, firstCapacity });
  const marks = new Map<Id, Mark>();
  for await (const [key, mark] of state.marks.all()) marks.set(encodeBase32(key), mark);
  return { generations, writer: await createEmbeddedWriter({ ...options, list }), marks };
}

/** After each step the id is relayed or in doubt if it was before: a crash between two of them loses nothing. */
async function mergeOne(
  { generations, writer, marks }: Merging,
  store: MarkStore,
  record: ArchiveRecord,
): Promise<Merged> {
  const { key, relayed, doubt } = record;
  const id = encodeBase32(key);
  const mark = marks.get(id);
  const before = later(
    await writer.find(key),
    generations.maybe(key) ? await generations.find(key) : undefined,
  );
  const isNew = before === undefined && mark === undefined;
  const there = standing(key, before, mark && doubtOf(mark));
  if (!isNew && stronger(there, record) === there) return "kept";

  if (relayed !== undefined && relayed.time !== before?.time) {
    // A mark is believed unless the relaying is as late, and this relaying ends the doubt.
    const isMarkLater = mark !== undefined && mark.time > relayed.time;
    if (isMarkLater && doubt === undefined) await store.put(key, { ...mark, time: relayed.time });
    await writer.add(key, relayed);
  }
  if (doubt !== undefined) {
    const { firstDate, changedAt: time, digest } = doubt;
    const doubtful: Mark = { state: "doubtful", firstDate, time, digest };
    await store.put(key, doubtful);
    marks.set(id, doubtful);
  } else if (mark !== undefined) {
    await store.remove(key);
    marks.delete(id);
  }
  return isNew ? "added" : "strengthened";
}

function later(one: Relayed | undefined, other: Relayed | undefined): Relayed | undefined {
  return (other?.time ?? -1) > (one?.time ?? -1) ? other : one;
}
