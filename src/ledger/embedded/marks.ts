// The marks of attempted and doubtful ids: all of them in memory, each change durable on the disk first.
// A crash may bring back the mark of an id that was relayed; opening sees through that by their times.

import type { Id } from "../../identity/message-id.ts";
import { encodeBase32 } from "../../runtime/base32.ts";
import type { Relayed } from "../archive/archive.ts";
import type { Entry } from "../claims.ts";
import type { IdState } from "../protocol.ts";
import type { MarkStore } from "./mark-store.ts";
import type { Mark } from "./records.ts";

/** What the embedded ledger knows of a live claim, beside what its mark says. */
export interface Markable {
  /** When an earlier mail of the id was relayed that `since` let pass; its record will be replaced. */
  relayedBefore: number;
  /** A write failed, so the disk may hold a mark that memory does not. */
  isMarkUncertain: boolean;
}

export const unmarked = (): Markable => ({
  relayedBefore: Number.NEGATIVE_INFINITY,
  isMarkUncertain: false,
});

/** A live claim of the embedded ledger. */
export type MarkedEntry = Entry & Markable;

export interface Marks {
  readonly size: number;
  get(id: Id): Mark | undefined;
  /** Of an id whose claim is live. Whether that is accepted changes who waits for it, and nothing durable. */
  stateOf(id: Id): IdState;
  /** A new claim finds the mark: whatever was attempted is in doubt now. */
  doubt(id: Id): Mark | undefined;
  all(): Iterable<readonly [Id, Mark]>;
  /** How many ids are in doubt: all that have a mark, but for those whose first attempt is under way. */
  doubts(isLive: (id: Id) => boolean): number;
  /**
   * Durable when it resolves. A first date that is there stays. On rejection the disk may hold the mark
   * all the same, which the entry remembers.
   */
  put(entry: MarkedEntry, state: Mark["state"], firstDate: string, time: number): Promise<void>;
  /** Durable when it resolves. No I/O when there certainly is no mark. */
  remove(entry: MarkedEntry): Promise<void>;
  /** For an id whose relaying is durable: gone at once in memory, on the disk when it suits. */
  forget(entry: MarkedEntry): void;
  /**
   * Removes the marks last changed before `time` whose ids have no live claim. Each is announced once, before it
   * goes: an announcement that came after the removal would be lost with the process. On rejection the others stay.
   */
  expire(time: number, isLive: (id: Id) => boolean, announce: (id: Id, mark: Mark) => void): Promise<void>;
}

/** @param find the latest record of a relayed id */
export async function loadMarks(
  store: MarkStore,
  find: (key: Uint8Array) => Promise<Relayed | undefined>,
): Promise<Marks> {
  const marks = new Map<Id, { readonly key: Uint8Array; readonly mark: Mark }>();
  /** Those whose expiry was announced, and which may be here still since they could not be removed. */
  const announced = new WeakSet<Mark>();
  for await (const [key, mark] of store.all()) {
    const relayed = await find(key);
    if (relayed !== undefined && relayed.time >= mark.time) await store.forget(key);
    else marks.set(encodeBase32(key), { key, mark });
  }

  return {
    get size() {
      return marks.size;
    },
    get: (id) => marks.get(id)?.mark,
    stateOf: (id) => marks.get(id)?.mark.state ?? "queued",
    doubt(id) {
      const known = marks.get(id);
      if (known === undefined) return undefined;
      // On the disk it need not change: opening makes the same of it.
      const mark: Mark = { ...known.mark, state: "doubtful" };
      marks.set(id, { ...known, mark });
      return mark;
    },
    *all() {
      for (const [id, { mark }] of marks) yield [id, mark] as const;
    },
    doubts(isLive) {
      let count = 0;
      for (const [id, { mark }] of marks) if (mark.state !== "attempted" || !isLive(id)) count++;
      return count;
    },
    async put(entry, markState, firstDate, time) {
      const { id, key, digest } = entry;
      const mark: Mark = {
        state: markState,
        firstDate: marks.get(id)?.mark.firstDate ?? firstDate,
        time,
        digest,
      };
      entry.isMarkUncertain = true;
      await store.put(key, mark);
      entry.isMarkUncertain = false;
      marks.set(id, { key, mark });
    },
    async remove(entry) {
      if (!marks.has(entry.id) && !entry.isMarkUncertain) return;
      entry.isMarkUncertain = true;
      await store.remove(entry.key);
      entry.isMarkUncertain = false;
      marks.delete(entry.id);
    },
    forget(entry) {
      if (!marks.delete(entry.id) && !entry.isMarkUncertain) return;
      // Should it fail, the next start forgets it.
      store.forget(entry.key).catch(() => {});
    },
    async expire(time, isLive, announce) {
      for (const [id, { key, mark }] of marks) {
        if (mark.time >= time || isLive(id)) continue;
        if (!announced.has(mark)) announce(id, mark);
        announced.add(mark);
        await store.remove(key);
        // A claim that began meanwhile has found the doubt, which it was in time for; an attempt has a later time.
        if (marks.get(id)?.mark.time === mark.time) marks.delete(id);
      }
    },
  };
}
