// So much of something for each key in a span of time. The seam to rate-limiter-flexible, imported here and
// nowhere else; what it lacks is a bound on the number of keys, which is added here. It takes its time from
// the machine, not from a Clock. Counts live in memory: a restart forgets them.
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";

export interface QuotaOptions {
  /** What a key may consume within a span: 0 or more. */
  readonly points: number;
  /** A span begins with the first that a key consumes. More than 24 days count as 24. */
  readonly perMs: number;
  /** A key that would have had more has nothing for so long. Without it, until its span ends. */
  readonly blockMs?: number;
  readonly keysMax?: number;
}

export interface Quota {
  /** Takes the points and says true, or says false: then it takes nothing, but may block the key. */
  consume(key: string, points?: number): Promise<boolean>;
  /** Points consumed in the key's span, or over the limit when that blocked it. */
  used(key: string): Promise<number>;
  /** Is the key blocked, for having wanted too much? Never without `blockMs`. */
  blocked(key: string): boolean;
}

/**
 * Each key costs about half a kilobyte, with its timer: 32 MB at most for each quota. Beyond it the key goes
 * whose span has lasted longest, that is with the least left of its count.
 */
const KEYS_MAX = 65_536;

/** The library sets a timer for each span, and setTimeout takes a signed 32-bit number of milliseconds. */
const SPAN_MAX_MS = 2 ** 31 - 1;

interface Span {
  /** By the machine's monotonic clock, in milliseconds. */
  readonly endsAt: number;
  readonly blocked: boolean;
}

export function createQuota({ points: most, perMs, blockMs, keysMax = KEYS_MAX }: QuotaOptions): Quota {
  const seconds = (ms: number): number => Math.min(ms, SPAN_MAX_MS) / 1_000;
  const limiter = new RateLimiterMemory({
    points: most,
    duration: seconds(perMs),
    blockDuration: blockMs === undefined ? 0 : seconds(blockMs),
  });
  /** The keys that the library holds; those first whose span began first. */
  const spans = new Map<string, Span>();

  const isOver = ({ endsAt }: Span): boolean => endsAt <= performance.now();

  /** Notes a span that began now, and lets go of those that have ended or are too many. */
  const begin = (key: string, { msBeforeNext }: RateLimiterRes, blocked: boolean): void => {
    spans.delete(key);
    spans.set(key, { endsAt: performance.now() + msBeforeNext, blocked });
    for (const [oldest, span] of spans) {
      if (!isOver(span) && spans.size <= keysMax) return;
      spans.delete(oldest);
      // The library drops by itself what is over, by its timer.
      if (!isOver(span)) void limiter.delete(oldest);
    }
  };

  const blocked = (key: string): boolean => {
    const span = spans.get(key);
    return span?.blocked === true && !isOver(span);
  };

  return {
    blocked,

    async consume(key, points = 1) {
      try {
        const taken = await limiter.consume(key, points);
        if (taken.isFirstInDuration) begin(key, taken, false);
        return true;
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        if (blockMs !== undefined) {
          // The library blocks once, and counts what is wanted meanwhile without blocking for longer.
          if (!blocked(key)) begin(key, refusal, true);
        } else if (refusal.isFirstInDuration) await limiter.delete(key);
        else await limiter.reward(key, points);
        return false;
      }
    },

    async used(key) {
      const result = await limiter.get(key);
      return result === null || result.msBeforeNext <= 0 ? 0 : result.consumedPoints;
    },
  };
}
