// Time as an argument: every part that waits or looks at the time is handed a Clock, so that a
// simulation can own time. This is not a scheduler; due times belong to the dispatcher.

/** A pending timer. Cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970-01-01T00:00Z. May step backwards when the machine's clock is set. */
  now(): number;
  /** Calls `fire` once, not before `ms` milliseconds have passed. Does not keep the process alive. */
  after(ms: number, fire: () => void): Timer;
}

/** The clocks of two machines may differ by so many milliseconds: by seconds, as a rule. */
export const CLOCKS_APART_MS = 60_000;

/** setTimeout takes a signed 32-bit number of milliseconds; longer waits fire early otherwise. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fire) {
    const timeout = setTimeout(fire, Math.min(Math.max(ms, 0), TIMEOUT_MAX_MS));
    timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};
