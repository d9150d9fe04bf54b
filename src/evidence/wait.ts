// For how long policy leaves a doubt alone, so that evidence may come. Pure.

/**
 * Until when it may come, milliseconds since the epoch; undefined when that is over. A clock that was set, or is another's,
 * makes the wait longer by one wait at most.
 *
 * @param since when the doubt began
 */
export const evidenceUntil = (since: number, waitMs: number, now: number): number | undefined =>
  Math.abs(now - since) < waitMs ? Math.min(since, now) + waitMs : undefined;
