// Warnings that come once a day instead of once a mail, since a mailer with a fault has it in every mail.
import type { Clock } from "./clock.ts";

export interface Daily {
  /** Whether this is the first time within a day; the next answer for the key is false. */
  first(key: string): boolean;
}

const DAY_MS = 86_400_000;

/** Keys hold names that clients choose, so their number is bounded; beyond it nothing more is said that day. */
const KEYS_MAX = 1_000;

export function createDaily(clock: Pick<Clock, "now">): Daily {
  const said = new Set<string>();
  let began = clock.now();
  return {
    first(key) {
      const now = clock.now();
      // A clock that was set back begins a new day too.
      if (now - began >= DAY_MS || now < began) {
        said.clear();
        began = now;
      }
      if (said.has(key) || said.size >= KEYS_MAX) return false;
      said.add(key);
      return true;
    },
  };
}
