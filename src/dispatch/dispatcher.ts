// When transmissions are attempted: due order, a bound on how many at once, the upstream's rate, and a
// pause while the upstream or the disk takes nothing. What an attempt does is in attempt.ts.
import { setMaxListeners } from "node:events";
import TinyQueue from "tinyqueue";
import type { Claim } from "../ledger/ledger.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { Rate } from "../runtime/rate.ts";
import type { TransmissionKey } from "../spool/record.ts";
import type { BackoffRange } from "./backoff.ts";
import { createPause, PROBE_MAX_MS } from "./pause.ts";

/** A transmission that waits for its time: only what is needed to find it again. */
export interface QueuedTransmission {
  readonly key: TransmissionKey;
  readonly claim: Claim;
  /** Milliseconds since the epoch. */
  readonly dueAt: number;
}

/** What an attempt leaves to be done. */
export type AttemptResult =
  /** The transmission has left the queue: relayed, reported, dropped or held. */
  | { readonly kind: "done" }
  /** As done, but the upstream was not asked: it says nothing about a pause. */
  | { readonly kind: "untried" }
  | { readonly kind: "again"; readonly dueAt: number }
  /**
   * Nothing can be relayed now, this transmission or any other. Unless it has left the queue all the
   * same, it is due as before.
   */
  | {
      readonly kind: "pause";
      readonly reason: string;
      readonly retryAfterMs?: number;
      readonly left: boolean;
    };

export interface DispatcherParts {
  /** Makes one attempt. Never rejects. */
  readonly attempt: (queued: QueuedTransmission, signal: AbortSignal) => Promise<AttemptResult>;
  readonly rate: Rate;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface DispatcherOptions {
  /** Attempts under way at once, at most. */
  readonly concurrency: number;
  readonly retry: BackoffRange;
}

export interface Dispatcher {
  enqueue(queued: QueuedTransmission): void;
  /** Begins to attempt what is due. */
  start(): void;
  /** Begins no further attempt, and resolves when those under way have ended. */
  drain(): Promise<void>;
  /** Aborts the attempts under way; they end as certain or doubtful by how far they came. */
  abort(): void;
}

export function createDispatcher(parts: DispatcherParts, options: DispatcherOptions): Dispatcher {
  const { attempt, rate, clock, random, log } = parts;
  const queue = new TinyQueue<QueuedTransmission>([], (a, b) => a.dueAt - b.dueAt);
  const aborting = new AbortController();
  // Each attempt under way listens to it, so many listeners are no leak.
  setMaxListeners(0, aborting.signal);
  let running = false;
  let underWay = 0;
  let wake: Timer | undefined;
  let drained: (() => void) | undefined;
  const pause = createPause({ clock, random, log }, options.retry, {}, () => pump());

  /**
   * A due time further away than any back-off was written under another clock setting; waiting for it
   * would keep mail back for as long as the clock was wrong.
   */
  const isDue = ({ dueAt }: QueuedTransmission, now: number): boolean =>
    dueAt <= now || dueAt - now > Math.max(options.retry.maxMs, PROBE_MAX_MS);

  const run = async (queued: QueuedTransmission): Promise<void> => {
    underWay += 1;
    const mark = pause.mark();
    const result = await attempt(queued, aborting.signal);
    underWay -= 1;
    if (result.kind === "pause") {
      pause.failed(result);
      if (!result.left) queue.push(queued);
    } else {
      if (result.kind !== "untried" && pause.answered(mark)) {
        log.info("dispatch.resumed", { queued: queue.length });
      }
      if (result.kind === "again") queue.push({ ...queued, dueAt: result.dueAt });
    }
    if (running) pump();
    else if (underWay === 0) drained?.();
  };

  /** Milliseconds to wait before this transmission may be attempted. */
  const waitFor = (next: QueuedTransmission, now: number): number =>
    isDue(next, now) ? rate.take() : next.dueAt - now;

  /** While nothing can be relayed, one transmission at a time is tried, and not before its time is over. */
  const places = (): number => ({ none: options.concurrency, waiting: 0, probing: 1 })[pause.standing()];

  function pump(): void {
    wake?.cancel();
    wake = undefined;
    while (running && underWay < places()) {
      const next = queue.peek();
      if (next === undefined) return;
      const wait = waitFor(next, clock.now());
      if (wait > 0) {
        wake = clock.after(wait, pump);
        return;
      }
      queue.pop();
      void run(next);
    }
  }

  return {
    enqueue(queued) {
      queue.push(queued);
      pump();
    },

    start() {
      running = true;
      pump();
    },

    drain() {
      running = false;
      wake?.cancel();
      pause.cancel();
      return new Promise((resolve) => {
        if (underWay === 0) resolve();
        else drained = resolve;
      });
    },

    abort: () => aborting.abort(),
  };
}
