// What waits in a lane: in the order of due times, and apart from that what was attempted in vain under a pause. Each is
// found by its id, for what an operator decides about it.
import TinyQueue from "tinyqueue";
import type { Id } from "../identity/message-id.ts";
import type { LogFields } from "../runtime/log.ts";
import type { QueuedTransmission } from "./queue.ts";

export interface Waiting {
  readonly length: number;
  add(queued: QueuedTransmission): void;
  /** Attempted in vain under the pause: comes again when no other is due. */
  addTried(queued: QueuedTransmission): void;
  /** The pause is over: what was tried waits like any other. */
  release(): void;
  /** The first in order, due or not; under a pause the one tried longest ago where no other is due. */
  next(isDue: (queued: QueuedTransmission) => boolean): QueuedTransmission | undefined;
  /** Takes out what `next` has returned. */
  take(queued: QueuedTransmission): void;
  find(id: Id): QueuedTransmission | undefined;
  /** Takes out what `find` has returned. */
  takeFound(queued: QueuedTransmission): void;
  /** Takes out all of which that is so. */
  takeAll(isSo: (queued: QueuedTransmission) => boolean): readonly QueuedTransmission[];
  each(see: (queued: QueuedTransmission) => void): void;
  /** How many, and how old the oldest is. Looks at all of them, so not for each mail. */
  facts(now: number): LogFields;
}

const byDueTime = (a: QueuedTransmission, b: QueuedTransmission): number => a.dueAt - b.dueAt;

export function createWaiting(): Waiting {
  let queue = new TinyQueue<QueuedTransmission>([], byDueTime);
  /** The oldest try first, so that each try is of another transmission, if there is one. */
  let tried: QueuedTransmission[] = [];
  const byId = new Map<Id, QueuedTransmission>();
  /** Taken out of the middle: still in `queue` or `tried`, where they are passed over. */
  const gone = new Set<QueuedTransmission>();

  const isThere = (queued: QueuedTransmission): boolean => !gone.has(queued);

  const forget = (queued: QueuedTransmission): void => {
    // Two of one id wait where another gateway has it, and one alone is found then.
    if (byId.get(queued.claim.id) === queued) byId.delete(queued.claim.id);
  };

  /** What comes back after it was taken out of the middle is another entry: the first is still to be passed over. */
  const entered = (queued: QueuedTransmission): QueuedTransmission => {
    const entry = gone.size > 0 && gone.has(queued) ? { ...queued } : queued;
    byId.set(entry.claim.id, entry);
    return entry;
  };

  const keep = (isKept: (queued: QueuedTransmission) => boolean): void => {
    queue = new TinyQueue(queue.data.filter(isKept), byDueTime);
    tried = tried.filter(isKept);
    gone.clear();
  };

  const passGone = (): void => {
    for (let first = queue.peek(); first !== undefined && gone.delete(first); first = queue.peek())
      queue.pop();
    for (let [first] = tried; first !== undefined && gone.delete(first); [first] = tried) tried.shift();
  };

  const count = (): number => queue.length + tried.length - gone.size;

  function* all(): Generator<QueuedTransmission> {
    for (const queued of queue.data) if (isThere(queued)) yield queued;
    for (const queued of tried) if (isThere(queued)) yield queued;
  }

  return {
    get length() {
      return count();
    },

    add: (queued) => queue.push(entered(queued)),
    addTried: (queued) => void tried.push(entered(queued)),

    release() {
      for (const queued of tried.splice(0)) if (!gone.delete(queued)) queue.push(queued);
    },

    next(isDue) {
      if (gone.size > 0) passGone();
      const first = queue.peek();
      return tried.length > 0 && (first === undefined || !isDue(first)) ? tried[0] : first;
    },

    take(queued) {
      forget(queued);
      if (queued === tried[0]) tried.shift();
      else queue.pop();
    },

    find: (id) => byId.get(id),

    takeFound(queued) {
      forget(queued);
      gone.add(queued);
      // Now and then, so that each costs little and no more is kept than waits.
      if (gone.size > count()) keep(isThere);
    },

    takeAll(isSo) {
      const taken = [...all()].filter(isSo);
      for (const queued of taken) forget(queued);
      if (taken.length > 0) keep((queued) => isThere(queued) && !isSo(queued));
      return taken;
    },

    each(see) {
      // There may be very many, and pages ask for them often: without a generator and a look at each it takes a fifth.
      if (gone.size > 0) for (const queued of all()) see(queued);
      else for (const each of [queue.data, tried]) for (const queued of each) see(queued);
    },

    facts(now) {
      let oldest = Number.POSITIVE_INFINITY;
      for (const { acceptedAt } of all()) oldest = Math.min(oldest, acceptedAt);
      const oldestMs = Number.isFinite(oldest) ? Math.max(0, now - oldest) : undefined;
      return { waiting: count(), oldestMs };
    },
  };
}
