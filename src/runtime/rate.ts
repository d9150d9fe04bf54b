// A token bucket: so many a second, with short bursts after a time of rest.
import type { Clock } from "./clock.ts";
import { alone, type Fleet } from "./fleet.ts";

export interface Rate {
  /** Takes one token and says 0, or takes none and says after how many milliseconds to ask again. */
  take(): number;
  /** How many a second there are now, for people; absent or undefined without a limit. */
  perSecond?(): number | undefined;
}

export const unlimited: Rate = { take: () => 0 };

export interface TokenBucket extends Rate {
  /** Puts a token back that was taken for nothing. */
  giveBack(): void;
  /** From now on; Infinity is no limit. */
  setRate(perSecond: number): void;
}

/**
 * @param perSecond tokens a second, more than 0; below 1 a token takes longer than a second
 * @param burstSeconds how many seconds' worth a rest can save up
 */
export function createTokenBucket(perSecond: number, burstSeconds: number, clock: Clock): TokenBucket {
  let rate = perSecond;
  const capacity = (): number => Math.max(1, rate * burstSeconds);
  let tokens = capacity();
  let filledAt = clock.now();

  const fill = (): void => {
    const now = clock.now();
    // A clock that was set back must not take tokens away.
    const elapsedMs = Math.max(0, now - filledAt);
    tokens = Number.isFinite(rate) ? Math.min(capacity(), tokens + (elapsedMs * rate) / 1000) : tokens;
    filledAt = now;
  };

  return {
    take() {
      if (!Number.isFinite(rate)) return 0;
      fill();
      if (tokens >= 1) {
        tokens -= 1;
        return 0;
      }
      return Math.ceil(((1 - tokens) * 1000) / rate);
    },

    perSecond: () => (Number.isFinite(rate) ? rate : undefined),

    giveBack() {
      tokens = Math.min(capacity(), tokens + 1);
    },

    setRate(next) {
      fill();
      rate = next;
      // Tokens saved under no limit, or a higher one, don't count under this one.
      tokens = Math.min(tokens, capacity());
    },
  };
}

/** A steady limit, with bursts of one second's worth. Each gateway of the fleet has an equal part. */
export function createRate(perSecond: number, clock: Clock, fleet: Fleet = alone): Rate {
  const bucket = createTokenBucket(perSecond / fleet.size(), 1, clock);
  let size = fleet.size();
  return {
    take() {
      if (fleet.size() !== size) {
        size = fleet.size();
        bucket.setRate(perSecond / size);
      }
      return bucket.take();
    },
    perSecond: () => perSecond / fleet.size(),
  };
}
