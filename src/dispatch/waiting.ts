// What waits in a lane: in the order of due times, and apart from that what was attempted in vain under a pause.
import TinyQueue from "tinyqueue";
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

  return {
    get length() {
      return queue.length + tried.length;
    },

    add: (queued) => queue.push(queued),
    addTried: (queued) => void tried.push(queued),

    release() {
      for (const queued of tried.splice(0)) queue.push(queued);
    },

    next(isDue) {
      const first = queue.peek();
      return tried.length > 0 && (first === undefined || !isDue(first)) ? tried[0] : first;
    },

    take(queued) {
      if (queued === tried[0]) tried.shift();
      else queue.pop();
    },

    takeAll(isSo) {
      const all = [...queue.data, ...tried];
      const taken = all.filter(isSo);
      if (taken.length > 0) {
        const stays = (queued: QueuedTransmission) => !isSo(queued);
        queue = new TinyQueue(queue.data.filter(stays), byDueTime);
        tried = tried.filter(stays);
      }
      return taken;
    },

    each(see) {
      for (const queued of queue.data) see(queued);
      for (const queued of tried) see(queued);
    },

    facts(now) {
      let oldest = Number.POSITIVE_INFINITY;
      for (const { acceptedAt } of queue.data) oldest = Math.min(oldest, acceptedAt);
      for (const { acceptedAt } of tried) oldest = Math.min(oldest, acceptedAt);
      const oldestMs = Number.isFinite(oldest) ? Math.max(0, now - oldest) : undefined;
      return { waiting: queue.length + tried.length, oldestMs };
    },
  };
}
