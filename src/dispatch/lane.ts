// One way out, with its own queue: when transmissions are attempted there. Due order, a bound on how many
// at once, the upstream's rate, and a pause while the upstream or the disk takes nothing. What holds for
// all lanes is in dispatcher.ts, and what an attempt does in attempt.ts.
import TinyQueue from "tinyqueue";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { Rate } from "../runtime/rate.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { BackoffRange } from "./backoff.ts";
import type { Budget } from "./budget.ts";
import type { AttemptResult, QueuedTransmission } from "./dispatcher.ts";
import { createLifetimes } from "./lifetimes.ts";
import { createPause, PROBE_MAX_MS } from "./pause.ts";

export interface LaneParts {
  readonly upstream: Upstream;
  /** Makes one attempt at the upstream. Never rejects. `taken`: see DispatcherParts. */
  readonly attempt: (queued: QueuedTransmission, taken: () => void) => Promise<AttemptResult>;
  readonly rate: Rate;
  /** Shared by all lanes. */
  readonly budget: Budget;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface LaneOptions {
  /** Attempts at once that the upstream has not taken, at most. */
  readonly concurrency: number;
  readonly retry: BackoffRange;
  /**
   * How long a transmission may stay in the spool, milliseconds; without end when undefined. What was attempted is
   * reported then, also while nothing can be relayed; what never was is attempted first.
   */
  readonly lifetimeMs?: number | undefined;
}

export interface Lane {
  enqueue(queued: QueuedTransmission): void;
  /** Begins to attempt what is due. */
  start(): void;
  /** Nothing can be relayed for a moment, for a reason outside the lane. */
  pause(reason: string, ms: number): void;
  /** Begins no further attempt, and resolves when those under way have ended. */
  drain(): Promise<void>;
}

/** What a streamed content holds at most: chunks of 64 KiB on their way from the disk to the socket. */
const STREAMED_OCTETS = 256 * 1024;

/**
 * Attempts whose end is being recorded take no place, so that a disk that needs milliseconds for it does not
 * slow down a fast upstream; but there are no more than this many times the concurrency in all.
 */
const UNDER_WAY_TIMES = 4;

/** Octets of memory that an attempt of a content of this size holds. */
export const memoryOf = ({ memoryPerOctet }: Upstream, size: number): number =>
  memoryPerOctet === undefined ? Math.min(size, STREAMED_OCTETS) : size * memoryPerOctet;

export function createLane(parts: LaneParts, options: LaneOptions): Lane {
  const { upstream, attempt, rate, budget, clock, random, log } = parts;
  const byDueTime = (a: QueuedTransmission, b: QueuedTransmission): number => a.dueAt - b.dueAt;
  let queue = new TinyQueue<QueuedTransmission>([], byDueTime);
  let running = false;
  let underWay = 0;
  /** Past their lifetime, and not reported yet. */
  const expired: QueuedTransmission[] = [];
  let reporting = 0;
  /** Of those under way, the ones that the upstream has not taken. */
  let untaken = 0;
  let wake: Timer | undefined;
  /** Taken from the rate for an attempt that then found no room in memory. */
  let hasToken = false;
  let drained: (() => void) | undefined;
  const about = { upstream: upstream.name };
  const pause = createPause({ clock, random, log }, options.retry, about, () => pump());
  const lifetimes = createLifetimes(clock, options.lifetimeMs, () => {
    takeExpired();
    return running && queue.length + underWay + reporting > 0;
  });

  const put = (queued: QueuedTransmission): void => {
    lifetimes.begin(queued);
    queue.push(queued);
    if (running) lifetimes.wake();
  };

  /**
   * A due time further away than any back-off was written under another clock setting; waiting for it
   * would keep mail back for as long as the clock was wrong.
   */
  const isDue = ({ dueAt }: QueuedTransmission, now: number): boolean =>
    dueAt <= now || dueAt - now > Math.max(options.retry.maxMs, PROBE_MAX_MS);

  const run = async (queued: QueuedTransmission, giveBack: () => void): Promise<void> => {
    underWay += 1;
    untaken += 1;
    let isTaken = false;
    const taken = (): void => {
      if (isTaken) return;
      isTaken = true;
      untaken -= 1;
    };
    const mark = pause.mark();
    const result = await attempt(queued, () => {
      taken();
      if (running) pump();
    });
    taken();
    underWay -= 1;
    if (result.kind === "pause") {
      pause.failed(result);
      if (!result.left) put({ ...queued, isAttempted: true });
    } else {
      if (result.kind !== "untried" && pause.answered(mark)) {
        log.info("dispatch.resumed", { ...about, queued: queue.length });
      }
      if (result.kind === "again") put({ ...queued, dueAt: result.dueAt, isAttempted: true });
    }
    // After all that, since the next attempt of another lane begins in here.
    giveBack();
    if (running) pump();
    else endWhenDrained();
  };

  function endWhenDrained(): void {
    if (underWay === 0 && reporting === 0) drained?.();
  }

  /** Takes what was attempted and is past its lifetime out of the queue, to be reported. */
  function takeExpired(): void {
    if (!running) return;
    const isOver = (queued: QueuedTransmission) => queued.isAttempted && lifetimes.isOver(queued);
    if (queue.data.some(isOver)) {
      expired.push(...queue.data.filter(isOver));
      queue = new TinyQueue(
        queue.data.filter((queued) => !isOver(queued)),
        byDueTime,
      );
    }
    reportExpired();
  }

  /** The upstream is not asked, so neither pause nor rate keep it waiting. */
  function reportExpired(): void {
    while (running && reporting < options.concurrency) {
      const queued = expired.shift();
      if (queued === undefined) return;
      void report(queued);
    }
  }

  async function report(queued: QueuedTransmission): Promise<void> {
    reporting += 1;
    const result = await attempt({ ...queued, isExpired: true }, () => {});
    reporting -= 1;
    // The disk failed: at the next tick once more.
    if (result.kind === "pause" && !result.left) put(queued);
    // It is to be attempted all the same: the disk kept it from that, or the claim waits for another gateway.
    if (result.kind === "again") put({ ...queued, dueAt: result.dueAt, isAttempted: false });
    if (running) {
      reportExpired();
      pump();
    } else endWhenDrained();
  }

  /** Milliseconds to wait before this transmission may be attempted. */
  const waitFor = (next: QueuedTransmission, now: number): number => {
    if (!isDue(next, now)) return next.dueAt - now;
    const wait = hasToken ? 0 : rate.take();
    hasToken = wait === 0;
    return wait;
  };

  /** While nothing can be relayed, one transmission at a time is tried, and not before its time is over. */
  const places = (): number => ({ none: options.concurrency, waiting: 0, probing: 1 })[pause.standing()];

  function pump(): void {
    wake?.cancel();
    wake = undefined;
    while (running && untaken < places() && underWay < UNDER_WAY_TIMES * options.concurrency) {
      const next = queue.peek();
      if (next === undefined) return;
      const wait = waitFor(next, clock.now());
      if (wait > 0) {
        wake = clock.after(wait, pump);
        return;
      }
      const giveBack = budget.take(memoryOf(upstream, next.size), pump);
      if (giveBack === undefined) return;
      hasToken = false;
      queue.pop();
      void run(next, giveBack);
    }
  }

  return {
    enqueue(queued) {
      put(queued);
      pump();
    },

    start() {
      running = true;
      lifetimes.wake();
      pump();
    },

    pause: (reason, ms) => pause.failed({ kind: "pause", reason, retryAfterMs: ms, left: false }),

    drain() {
      running = false;
      wake?.cancel();
      pause.cancel();
      lifetimes.stop();
      return new Promise((resolve) => {
        drained = resolve;
        endWhenDrained();
      });
    },
  };
}
