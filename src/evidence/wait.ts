// For how long policy leaves a doubt alone, so that evidence may come, and what a queue has already may be read.
import type { Clock } from "../runtime/clock.ts";

/**
 * Until when it may come, milliseconds since the epoch; undefined when that is over. A clock that was set, or is another's,
 * makes the wait longer by one wait at most.
 *
 * @param since when the doubt began
 */
export const evidenceUntil = (since: number, waitMs: number, now: number): number | undefined =>
  Math.abs(now - since) < waitMs ? Math.min(since, now) + waitMs : undefined;

/**
 * What a queue has already is read within so long, or within the wait where that is shorter. An event that was received and
 * not removed, by a process that has ended or while the ledger was away, is hidden for a minute.
 */
const READ_MS = 120_000;

export interface EvidenceWait {
  /**
   * Until when policy leaves a doubt alone, milliseconds since the epoch; undefined when that is over.
   *
   * @param since when the doubt began
   * @param upstream which one may have the mail, if that is known
   * @param stored the end of its wait, as it was found in the spool
   */
  until(since: number, upstream: string | undefined, stored?: number): number | undefined;
  /** For how many milliseconds more what the queue has already may not have been read; 0 when that is over. */
  unreadMs(upstream: string | undefined): number;
  /** Whether evidence can be read and settled: the start is over, and the ledger is there. */
  isReading(): boolean;
  /** The start is over, and evidence is read from now on. */
  begin(): void;
}

export interface EvidenceWaitParts {
  /** See World; left out: no evidence comes. */
  readonly waitMsOf: ((upstream: string | undefined) => number) | undefined;
  /**
   * Since when a queue of evidence is read without failure, milliseconds since the epoch; of several the latest. Undefined
   * while none is read: mail does not wait for that.
   */
  readonly readingSince: () => number | undefined;
  /** What was read can't be settled yet, so that it may prove what waits. */
  readonly isHeldUp: () => boolean;
  /** Whether the ledger is there, where it may be away: then nothing can be attempted or settled. */
  readonly isUp: (() => boolean) | undefined;
  readonly clock: Clock;
}

export function createEvidenceWait(parts: EvidenceWaitParts): EvidenceWait {
  const { waitMsOf = () => 0, readingSince, isHeldUp, isUp = () => true, clock } = parts;
  let begunAt: number | undefined;
  /** When somebody last asked while nothing could be settled. */
  let awayAt = Number.NEGATIVE_INFINITY;

  const unreadMs = (upstream: string | undefined): number => {
    const now = clock.now();
    if (!isUp() || isHeldUp()) awayAt = now;
    const since = begunAt === undefined ? now : Math.max(begunAt, awayAt, readingSince() ?? begunAt);
    return (evidenceUntil(since, Math.min(waitMsOf(upstream), READ_MS), now) ?? now) - now;
  };

  return {
    until(since, upstream, stored) {
      const now = clock.now();
      const waitMs = waitMsOf(upstream);
      // A stored time may be of a clock that was set since, or of settings that were others.
      const own = stored === undefined ? evidenceUntil(since, waitMs, now) : Math.min(stored, now + waitMs);
      const until = Math.max(own ?? now, now + unreadMs(upstream));
      return until > now ? until : undefined;
    },
    unreadMs,
    isReading: () => begunAt !== undefined && isUp() && !isHeldUp(),
    begin() {
      begunAt = clock.now();
    },
  };
}
