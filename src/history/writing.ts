// What is noted waits in memory for a second, and is written in batches. A disk that takes nothing is asked again each
// second; what does not fit into memory meanwhile is counted and forgotten.
import type { Id } from "../identity/message-id.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Operation } from "../storage/storage.ts";
import type { HistoryEvent } from "./history.ts";
import type { KeptCounts } from "./kept-counts.ts";
import { monthOf } from "./prevented.ts";
import { encodeBatch, type Noted } from "./record.ts";
import type { Shelf } from "./shelf.ts";

export interface Writing {
  note(id: Id, event: HistoryEvent): void;
  repeated(id: Id): void;
  /** What is noted of the id and may not be in the store yet, oldest first, but for repeats. */
  noted(id: Id): readonly HistoryEvent[];
  /** Resolves when what is noted of the id is in the store, or the disk does not take it now. Never rejects. */
  written(id: Id): Promise<void>;
  /** Writes what is noted, as far as the disk takes it. Never rejects. */
  flush(): Promise<void>;
  /** The disk failed in another work on the store. Never rejects. */
  failed(error: unknown): Promise<void>;
}

/** So much is lost at most when the process ends. */
const WAIT_MS = 1_000;

/** Ids of a batch: it is encoded in one go, which holds up everything else for some 2 ms. */
const BATCH_MAX = 500;

/** Ids and events that wait, together: the fastest load of several seconds, in some 10 MB. */
const WAITING_MAX = 40_000;

interface Batch {
  readonly entries: ReadonlyMap<Id, Noted>;
  readonly operations: readonly Operation[];
}

/** A set or a map of ids. */
type Ids = Pick<ReadonlySet<Id>, "keys" | "size">;

export interface WritingParts {
  readonly shelf: Shelf;
  readonly prevented: KeptCounts;
  readonly observations: KeptCounts;
  readonly clock: Clock;
  readonly log: Log;
}

export function createWriting({ shelf, prevented, observations, clock, log }: WritingParts): Writing {
  const kept = [prevented, observations];
  const waiting = new Map<Id, Noted>();
  /** Events of them. */
  let events = 0;
  /** Taken from there, and in the store or not: written again, it is there once. */
  let unwritten: Batch | undefined;
  let batches = 0;
  let missed = 0;
  let isFailing = false;
  let writing: Promise<void> | undefined;
  let timer: Timer | undefined;
  let isSoon = false;
  /** The second was over during a write. */
  let isDue = false;
  /** What somebody waits for, and the write that it goes with. */
  const hurried = new Set<Id>();
  let hurrying: Promise<void> | undefined;

  function begin(): void {
    timer?.cancel();
    timer = undefined;
    isSoon = false;
    isDue = writing !== undefined;
    if (!isDue && (waiting.size > 0 || unwritten !== undefined)) writing = write(waiting);
  }

  function schedule(): void {
    if (writing !== undefined || isSoon) return;
    isSoon = !isFailing && waiting.size >= BATCH_MAX;
    if (isSoon) timer?.cancel();
    // Not in the caller's turn, which has a mail to answer.
    if (isSoon) timer = clock.after(0, begin);
    else timer ??= clock.after(WAIT_MS, begin);
  }

  /** Those of them that came first. */
  function take(ids: Ids): Batch | undefined {
    const entries = new Map<Id, Noted>();
    for (const id of ids.keys()) {
      const noted = waiting.get(id);
      if (noted !== undefined) entries.set(id, noted);
      if (entries.size >= BATCH_MAX) break;
    }
    if (entries.size === 0) return undefined;
    for (const [id, noted] of entries) {
      waiting.delete(id);
      events -= noted.events.length;
    }
    batches = (batches + 1) & 0xffff;
    const counted = kept.flatMap((counts) => counts.operation() ?? []);
    const operations = encodeBatch([...entries], { time: clock.now(), count: batches });
    return { entries, operations: [...operations, ...counted] };
  }

  /** What waits when it begins: something does. What comes meanwhile fills the next batches. Never rejects. */
  async function write(ids: Ids): Promise<void> {
    try {
      for (let left = ids.size; left > 0 || unwritten !== undefined; left -= BATCH_MAX) {
        const store = await shelf.store();
        for (const counts of kept) if (!counts.isLoaded) counts.load(await store.get(counts.key));
        unwritten ??= take(ids);
        if (unwritten === undefined) break;
        await store.write(unwritten.operations);
        unwritten = undefined;
        resumed();
      }
    } catch (error) {
      await failed(error);
    }
    writing = undefined;
    if (isDue) begin();
    else if (waiting.size > 0 || unwritten !== undefined) schedule();
  }

  /** Those whose notes somebody waits for, together: what comes during a write goes with the next one. Never rejects. */
  async function hurry(): Promise<void> {
    do await writing;
    while (writing !== undefined);
    hurrying = undefined;
    const ids = new Set([...hurried].filter((id) => waiting.has(id)));
    hurried.clear();
    if (ids.size === 0) return;
    writing = write(ids);
    await writing;
  }

  function resumed(): void {
    if (!isFailing) return;
    log.info("history.resumed", { missed });
    isFailing = false;
    missed = 0;
  }

  function unavailable(error: string): void {
    if (!isFailing) log.warn("history.unavailable", { error });
    isFailing = true;
  }

  async function failed(error: unknown): Promise<void> {
    unavailable(error instanceof Error ? error.message : String(error));
    await shelf.repair(error);
  }

  function enter(id: Id): Noted {
    const noted: Noted = { events: [], repeats: 0, repeatedAt: 0 };
    waiting.set(id, noted);
    schedule();
    return noted;
  }

  /** Counts what there is no room for. */
  function isFull(): boolean {
    if (waiting.size + events < WAITING_MAX) return false;
    missed++;
    unavailable("the disk is too slow");
    return true;
  }

  return {
    note(id, event) {
      if (isFull()) return;
      (waiting.get(id) ?? enter(id)).events.push(event);
      events++;
    },

    repeated(id) {
      prevented.add(monthOf(clock.now()));
      const noted = waiting.get(id) ?? (isFull() ? undefined : enter(id));
      if (noted === undefined) return;
      noted.repeats++;
      noted.repeatedAt = clock.now();
    },

    noted: (id) => [unwritten?.entries, waiting].flatMap((entries) => entries?.get(id)?.events ?? []),

    async written(id) {
      if (!waiting.has(id) && unwritten?.entries.has(id) !== true) return;
      // It is asked again each second, and goes with that.
      if (isFailing) return;
      hurried.add(id);
      hurrying ??= hurry();
      await hurrying;
    },

    async flush() {
      while (writing !== undefined) await writing;
      begin();
      await writing;
    },

    failed,
  };
}
