// A Clock that a test moves by hand. Elapsed time and the time of day are two things, as on a machine:
// timers follow the first, and the second can be set.
import type { Clock } from "../../src/runtime/clock.ts";

export interface ManualClock extends Clock {
  /** Lets time pass; timers that fall due fire on the way, each at its own time, in order. */
  advance(ms: number): void;
  /** Sets the time of day forwards or backwards; no timer fires. */
  set(now: number): void;
  /** Milliseconds until the next timer fires; undefined when there is none. */
  untilNext(): number | undefined;
}

interface Pending {
  readonly due: number;
  readonly fire: () => void;
}

/** 2013-12-20T10:13:06Z, when the first of the two copies was received. */
const START = 1_387_534_386_000;

export function createManualClock(start = START): ManualClock {
  let elapsed = 0;
  let offset = start;
  const timers = new Set<Pending>();

  function next(): Pending | undefined {
    let first: Pending | undefined;
    // Of two that are due together the older stands first, in the order in which they were set.
    for (const timer of timers) if (first === undefined || timer.due < first.due) first = timer;
    return first;
  }

  return {
    now: () => elapsed + offset,
    after(ms, fire) {
      const timer = { due: elapsed + Math.max(ms, 0), fire };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    advance(ms) {
      const until = elapsed + ms;
      for (let timer = next(); timer !== undefined && timer.due <= until; timer = next()) {
        timers.delete(timer);
        elapsed = timer.due;
        timer.fire();
      }
      elapsed = until;
    },
    set(now) {
      offset = now - elapsed;
    },
    untilNext() {
      const timer = next();
      return timer === undefined ? undefined : timer.due - elapsed;
    },
  };
}
