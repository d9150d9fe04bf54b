import type { Clock } from "./clock.ts";

/** Resolves after so many milliseconds, or earlier when the signal aborts. */
export const pass = (ms: number, signal: AbortSignal, clock: Clock): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(ms, done);
    signal.addEventListener("abort", done);
  });
