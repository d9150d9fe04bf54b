// A token bucket: so many transmissions a second, with bursts of one second's worth.
import type { Clock } from "../runtime/clock.ts";

export interface Rate {
  /** Takes one token and says 0, or takes none and says after how many milliseconds to ask again. */
  take(): number;
}

export const unlimited: Rate = { take: () => 0 };

/** @param perSecond tokens a second, more than 0; below 1 a token takes longer than a second */
export function createRate(perSecond: number, clock: Clock): Rate {
  const capacity = Math.max(1, perSecond);
  let tokens = capacity;
  let filledAt = clock.now();
  return {
    take() {
      const now = clock.now();
      // A clock that was set back must not take tokens away.
      tokens = Math.min(capacity, tokens + (Math.max(0, now - filledAt) * perSecond) / 1000);
      filledAt = now;
      if (tokens >= 1) {
        tokens -= 1;
        return 0;
      }
      return Math.ceil(((1 - tokens) * 1000) / perSecond);
    },
  };
}
