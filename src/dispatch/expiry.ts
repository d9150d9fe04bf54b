// What is past its lifetime in a lane, and was attempted: it leaves the queue and is reported. The upstream is not asked,
// so neither a pause nor the rate keeps it waiting.
import type { Clock } from "../runtime/clock.ts";
import { createLifetimes } from "./lifetimes.ts";
import type { AttemptResult, QueuedTransmission } from "./queue.ts";
import type { Waiting } from "./waiting.ts";

export interface Expiry {
  /** It waits in the lane from now on. Once more: its time goes on. */
  begin(queued: QueuedTransmission): void;
  /** Begins to report. */
  start(): void;
  /** Begins no further report. */
  stop(): void;
  /** How many are being reported. */
  underWay(): number;
  /** What has left the queue to be reported. */
  all(): Iterable<QueuedTransmission>;
}

export interface ExpiryParts {
  readonly waiting: Waiting;
  /** Reports one; see QueuedTransmission.isExpired. */
  readonly attempt: (queued: QueuedTransmission, taken: () => void) => Promise<AttemptResult>;
  /** Queues what was not reported. */
  readonly put: (queued: QueuedTransmission) => void;
  /** Something is attempted, and may wait in the queue again. */
  readonly isBusy: () => boolean;
  /** Called when a report has ended. */
  readonly ended: () => void;
  readonly clock: Clock;
}

/**
 * @param lifetimeMs see LaneOptions
 * @param most reports at once
 */
export function createExpiry(parts: ExpiryParts, lifetimeMs: number | undefined, most: number): Expiry {
  const { waiting, attempt, put, isBusy, ended, clock } = parts;
  const expired: QueuedTransmission[] = [];
  let running = false;
  const underWay = new Set<QueuedTransmission>();

  const lifetimes = createLifetimes(clock, lifetimeMs, () => {
    if (!running) return false;
    expired.push(...waiting.takeAll((queued) => queued.isAttempted && lifetimes.isOver(queued)));
    reportAll();
    return waiting.length + underWay.size > 0 || isBusy();
  });

  function reportAll(): void {
    while (running && underWay.size < most) {
      const queued = expired.shift();
      if (queued === undefined) return;
      void report(queued);
    }
  }

  async function report(queued: QueuedTransmission): Promise<void> {
    underWay.add(queued);
    const result = await attempt({ ...queued, isExpired: true }, () => {});
    underWay.delete(queued);
    // The disk failed: at the next tick once more.
    if (result.kind === "pause" && !result.left) put(queued);
    if (result.kind === "untried" && result.again !== undefined) put(result.again);
    reportAll();
    ended();
  }

  return {
    begin(queued) {
      lifetimes.begin(queued);
      if (running) lifetimes.wake();
    },
    start() {
      running = true;
      lifetimes.wake();
    },
    stop() {
      running = false;
      lifetimes.stop();
    },
    underWay: () => underWay.size,
    all: () => [...expired, ...underWay],
  };
}
