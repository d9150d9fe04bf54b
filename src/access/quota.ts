// So much of something for each key in a span of time. Counts live in memory: a restart forgets them.

export interface QuotaOptions {
  /** What a key may consume within a span: 0 or more. */
  readonly points: number;
  /** A span begins with the first that a key consumes. */
  readonly perMs: number;
  /** A key that would have had more has nothing for so long. Without it, until its span ends. */
  readonly blockMs?: number;
  readonly keysMax?: number;
  /** Milliseconds that only grow, whatever the time of day is set to. */
  readonly now?: () => number;
}

export interface Quota {
  /** Takes the points and says true, or says false: then it takes nothing, but may block the key. */
  consume(key: string, points?: number): boolean;
  /** Points consumed in the key's span; of a blocked key also what it has asked for in vain. */
  used(key: string): number;
  /** Is the key blocked, for having wanted too much? Never without `blockMs`. */
  blocked(key: string): boolean;
}

/**
 * 16 MB at most for each quota. Beyond it the key goes whose span has lasted longest, that is with the least left of
 * its count.
 */
const KEYS_MAX = 65_536;

interface Span {
  used: number;
  readonly endsAt: number;
  readonly isBlocked: boolean;
}

export function createQuota(options: QuotaOptions): Quota {
  const { points: most, perMs, blockMs, keysMax = KEYS_MAX, now = () => performance.now() } = options;
  /** Those first whose span began first. */
  const spans = new Map<string, Span>();

  const spanOf = (key: string): Span | undefined => {
    const span = spans.get(key);
    return span === undefined || span.endsAt <= now() ? undefined : span;
  };

  /** Lets go of those that have ended or are too many. */
  const begin = (key: string, span: Span): void => {
    spans.delete(key);
    spans.set(key, span);
    for (const [oldest, { endsAt }] of spans) {
      if (endsAt > now() && spans.size <= keysMax) return;
      spans.delete(oldest);
    }
  };

  return {
    consume(key, points = 1) {
      const span = spanOf(key);
      const used = (span?.used ?? 0) + points;
      const isGranted = used <= most && span?.isBlocked !== true;
      if (span !== undefined && (isGranted || span.isBlocked)) span.used = used;
      else if (isGranted) begin(key, { used, endsAt: now() + perMs, isBlocked: false });
      else if (blockMs !== undefined) begin(key, { used, endsAt: now() + blockMs, isBlocked: true });
      return isGranted;
    },

    used: (key) => spanOf(key)?.used ?? 0,
    blocked: (key) => spanOf(key)?.isBlocked === true,
  };
}
