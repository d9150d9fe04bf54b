// How fast to call SES: as fast as the account may, and slower while SES finds even that too fast, since
// other programs send from the same account, and SES may take less than it promises.
import type { Clock } from "../../runtime/clock.ts";
import { alone, type Fleet } from "../../runtime/fleet.ts";
import type { Log } from "../../runtime/log.ts";
import { createTokenBucket, type Rate } from "../../runtime/rate.ts";
import type { SesQuota } from "./quota.ts";

export interface SesRate extends Rate {
  /** SES took a message. */
  taken(): void;
  /** SES refused a message as one too many. */
  throttled(): void;
}

export interface SesRateParts {
  readonly quota: SesQuota;
  /** Calls a second instead of the account's own rate. */
  readonly perSecond?: number | undefined;
  /** Each has an equal part of the account's rate. */
  readonly fleet?: Fleet | undefined;
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** SES allows "short bursts" and doesn't say how short; half of the second that its rate is counted by. */
const BURST_SECONDS = 0.5;
/** Answers are judged a second at a time, as the rate is. */
const WINDOW_MS = 1_000;
/**
 * Up to this share of refusals the rate stays: a refused call costs SES next to nothing and us a second,
 * while a rate below what SES takes leaves mail waiting.
 */
const TOLERATED = 0.1;
/** Of few calls, as in the seconds after a start or a pause, chance makes more: so many standard deviations. */
const CHANCE = 1.5;
/** No second lowers the rate by more. */
const LOWERED_MIN = 0.5;
/** What a second without much throttling raises it by: from half to all in 15 seconds. */
const RAISED = 1.05;
/** Until the account's rate is known. */
const ASK_AGAIN_MS = 20;

export function createSesRate({ quota, perSecond, fleet = alone, name, clock, log }: SesRateParts): SesRate {
  /** What is allowed, and what we take of it. */
  let full = Number.POSITIVE_INFINITY;
  let limit = full;
  const bucket = createTokenBucket(limit, BURST_SECONDS, clock);
  let window = { begunAt: clock.now(), taken: 0, throttled: 0 };

  const setLimit = (next: number): void => {
    const before = limit;
    limit = Math.min(next, full);
    bucket.setRate(limit);
    if (before === full && limit < full) log.warn("upstream.rate_lowered", { upstream: name, rate: limit });
    if (before < full && limit === full) log.info("upstream.rate_restored", { upstream: name });
  };

  const setFull = (next: number): void => {
    if (next === full) return;
    const isLowered = limit < full;
    full = next;
    limit = isLowered ? Math.min(limit, full) : full;
    bucket.setRate(limit);
  };

  const isTolerable = (): boolean => {
    const tolerated = (window.taken + window.throttled) * TOLERATED;
    return window.throttled <= tolerated + CHANCE * Math.sqrt(tolerated);
  };

  const judge = (elapsedMs: number): void => {
    const { taken, throttled } = window;
    const calls = taken + throttled;
    if (isTolerable()) {
      if (limit < full) setLimit(limit * RAISED);
      return;
    }
    // What SES took is what it allows, whatever we had thought.
    const perSecondMade = Math.min(limit, (calls * 1000) / elapsedMs);
    const floor = Math.min(1, full);
    setLimit(Math.max(floor, perSecondMade * Math.max(LOWERED_MIN, taken / calls)));
  };

  const count = (answer: "taken" | "throttled"): void => {
    const now = clock.now();
    const elapsedMs = now - window.begunAt;
    if (elapsedMs >= WINDOW_MS || elapsedMs < 0) {
      // After a rest, or with a clock that was set, the answers say nothing about the rate.
      if (elapsedMs < 2 * WINDOW_MS && elapsedMs > 0 && window.taken + window.throttled > 0) judge(elapsedMs);
      window = { begunAt: now, taken: 0, throttled: 0 };
    }
    window[answer] += 1;
  };

  return {
    take() {
      const allowed = quota.maxSendRate();
      if (perSecond === undefined && allowed === undefined) return ASK_AGAIN_MS;
      setFull((perSecond ?? allowed ?? Number.POSITIVE_INFINITY) / fleet.size());
      return bucket.take();
    },
    perSecond: () => (Number.isFinite(limit) ? limit : undefined),
    taken: () => count("taken"),
    throttled() {
      quota.doubtRate();
      count("throttled");
      // The token was taken for nothing. Given back each time, it would drive calls into a wall at full tilt.
      if (isTolerable()) bucket.giveBack();
    },
  };
}
