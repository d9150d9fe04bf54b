// One way out, with its own queue: when transmissions are attempted there. Due order, a bound on how many
// at once, the upstream's rate, and a pause while the upstream or the disk takes nothing. One mail never stops the
// others (P13). What holds for all lanes is in dispatcher.ts, and what an attempt does in attempt.ts.
import type { Id } from "../identity/message-id.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { Rate } from "../runtime/rate.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { type BackoffRange, backoff } from "./backoff.ts";
import type { Budget } from "./budget.ts";
import { createExpiry } from "./expiry.ts";
import { createOddMails } from "./odd-mails.ts";
import { createPause, type PauseFacts, type PauseMark, PROBE_MAX_MS } from "./pause.ts";
import type { AttemptResult, QueuedTransmission } from "./queue.ts";
import { isDue as isDueBy, type LaneFound, type SeeQueued } from "./queue-state.ts";
import { createSilence, type SilenceFacts } from "./silence.ts";
import { createWaiting } from "./waiting.ts";

export interface LaneParts {
  readonly upstream: Upstream;
  /** Makes one attempt at the upstream. Never rejects. `taken`: see DispatcherParts. */
  readonly attempt: (queued: QueuedTransmission, taken: () => void) => Promise<AttemptResult>;
  readonly rate: Rate;
  /** An operator has paused what it goes by: no attempt begins. */
  readonly isStopped: () => boolean;
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
  /** Something outside the lane has changed: attempts what may be attempted now. */
  goOn(): void;
  /** The pause that there is. */
  paused(): PauseFacts | undefined;
  /** It takes nothing, without a pause. */
  silent(): SilenceFacts | undefined;
  /** Shows all that the lane has. */
  visit(see: SeeQueued): void;
  find(id: Id): LaneFound | undefined;
  /** Takes out what `find` has found due or waiting. */
  takeFound(queued: QueuedTransmission): void;
  /** An operator wants to know whether the upstream takes mail again: a pause is no reason to wait. */
  tryNow(): void;
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
  const { upstream, attempt, rate, isStopped, budget, clock, random, log } = parts;
  const waiting = createWaiting();
  const odd = createOddMails();
  /** Whose refusals the pause rests on; those of one mail are weak evidence. */
  let failing: Id | "several" | undefined;
  let running = false;
  const underWay = new Set<QueuedTransmission>();
  /** Of those under way, the ones that the upstream has not taken. */
  let untaken = 0;
  let wake: Timer | undefined;
  /** Taken from the rate for an attempt that then found no room in memory. */
  let hasToken = false;
  let drained: (() => void) | undefined;
  const about = { upstream: upstream.name };
  const facts = () => ({
    ...waiting.facts(clock.now()),
    underWay: underWay.size > 0 ? underWay.size : undefined,
  });
  const pause = createPause({ clock, random, log }, options.retry, about, () => pump(), facts);
  const silence = createSilence(clock, (why) => {
    if (pause.standing() === "none" && !isStopped())
      log.warn("dispatch.silent", { ...about, ...why, ...facts() });
  });
  const put = (queued: QueuedTransmission): void => {
    expiry.begin(queued);
    waiting.add(queued);
  };
  const expiry = createExpiry(
    { waiting, attempt, put, isBusy: () => underWay.size > 0, ended: () => goOn(), clock },
    options.lifetimeMs,
    options.concurrency,
  );

  /** It could not be relayed, as if nothing could. */
  const failed = (queued: QueuedTransmission, result: Extract<AttemptResult, { kind: "pause" }>): void => {
    const { id } = queued.claim;
    const attempted = { ...queued, isAttempted: true };
    const times = odd.refused(id);
    if (times === undefined) {
      failing = failing === undefined || failing === id ? id : "several";
      pause.failed(result);
      if (!result.left) waiting.addTried(attempted);
      return;
    }
    const retryMs = Math.max(backoff(times, options.retry, random), result.retryAfterMs ?? 0);
    const { submission } = queued.key;
    log.info("transmission.set_aside", { ...about, submission, reason: result.reason, times, retryMs });
    if (!result.left) put({ ...attempted, dueAt: clock.now() + retryMs });
  };

  /** The upstream has answered an attempt that began under this mark: one from before the pause says nothing of now. */
  const answered = (id: Id, mark: PauseMark): void => {
    if (mark === pause.mark()) odd.answered(id);
    if (!pause.answered(mark)) return;
    failing = undefined;
    waiting.release();
    log.info("dispatch.resumed", { ...about, queued: waiting.length });
  };

  const longestMs = Math.max(options.retry.maxMs, PROBE_MAX_MS);
  const isDue = (queued: QueuedTransmission, now: number): boolean => isDueBy(queued, now, longestMs);

  const run = async (queued: QueuedTransmission, giveBack: () => void): Promise<void> => {
    underWay.add(queued);
    untaken += 1;
    let isTaken = false;
    const taken = (): void => {
      if (isTaken) return;
      isTaken = true;
      untaken -= 1;
    };
    const mark = pause.mark();
    silence.began();
    const result = await attempt(queued, () => {
      if (!isTaken) answered(queued.claim.id, mark);
      taken();
      if (running) pump();
    });
    silence.ended(isTaken);
    if (result.kind !== "pause" && result.kind !== "untried" && !isTaken) answered(queued.claim.id, mark);
    taken();
    underWay.delete(queued);
    if (result.kind === "pause") failed(queued, result);
    if (result.kind === "again") put({ ...queued, dueAt: result.dueAt, isAttempted: true });
    if (result.kind === "untried" && result.again !== undefined) put(result.again);
    // After all that, since the next attempt of another lane begins in here.
    giveBack();
    goOn();
  };

  function goOn(): void {
    if (running) pump();
    else endWhenDrained();
  }

  function endWhenDrained(): void {
    if (underWay.size === 0 && expiry.underWay() === 0) drained?.();
  }

  /** Milliseconds to wait before this transmission may be attempted. */
  const waitFor = (next: QueuedTransmission, now: number): number => {
    if (!isDue(next, now)) return next.dueAt - now;
    const wait = hasToken ? 0 : rate.take();
    hasToken = wait === 0;
    return wait;
  };

  /** While nothing can be relayed, one transmission at a time is tried, and not before its time is over. */
  const places = (): number =>
    isStopped() ? 0 : { none: options.concurrency, waiting: 0, probing: 1 }[pause.standing()];

  function pump(): void {
    wake?.cancel();
    wake = undefined;
    while (running && untaken < places() && underWay.size < UNDER_WAY_TIMES * options.concurrency) {
      const now = clock.now();
      const next = waiting.next((queued) => isDue(queued, now));
      if (next === undefined) return;
      const wait = waitFor(next, now);
      if (wait > 0) {
        wake = clock.after(wait, pump);
        return;
      }
      const giveBack = budget.take(memoryOf(upstream, next.size), pump);
      if (giveBack === undefined) return;
      hasToken = false;
      waiting.take(next);
      void run(next, giveBack);
    }
  }

  return {
    enqueue(queued) {
      put(queued);
      // Where one mail alone was refused so far, the next is tried at once: it may well be taken.
      const isOther = failing !== undefined && failing !== "several" && failing !== queued.claim.id;
      if (isOther) pause.tryNow();
      pump();
    },

    start() {
      running = true;
      expiry.start();
      pump();
    },

    pause(reason, ms) {
      failing = "several";
      pause.failed({ kind: "pause", reason, retryAfterMs: ms, left: false, by: "storage" });
    },

    goOn: pump,

    paused: pause.facts,
    silent: () => (pause.standing() === "none" && !isStopped() ? silence.facts() : undefined),

    visit(see) {
      const now = clock.now();
      waiting.each((queued) => see(queued, isDue(queued, now) ? "due" : "waiting"));
      for (const queued of expiry.all()) see(queued, "underway");
      for (const queued of underWay) see(queued, "underway");
    },

    find(id) {
      const queued = waiting.find(id);
      if (queued !== undefined) return { queued, state: isDue(queued, clock.now()) ? "due" : "waiting" };
      for (const busy of [...underWay, ...expiry.all()]) {
        if (busy.claim.id === id) return { queued: busy, state: "underway" };
      }
      return undefined;
    },

    takeFound: waiting.takeFound,

    tryNow() {
      pause.tryNow("by operator");
      pump();
    },

    drain() {
      running = false;
      wake?.cancel();
      pause.cancel();
      silence.cancel();
      expiry.stop();
      return new Promise((resolve) => {
        drained = resolve;
        endWhenDrained();
      });
    },
  };
}
