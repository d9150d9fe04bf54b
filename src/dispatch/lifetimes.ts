// How long transmissions may stay in a lane. Time is counted in ticks of a timer, so that a clock that is set back or
// forward while they wait changes nothing. What has passed before, in an earlier process too, is known by the clock.
import type { Clock, Timer } from "../runtime/clock.ts";
import type { QueuedTransmission } from "./queue.ts";

export interface Lifetimes {
  /** It waits in the lane from now on. Once more: its time goes on. */
  begin(queued: QueuedTransmission): void;
  /** Ticks from now on, as long as something waits. */
  wake(): void;
  isOver(queued: QueuedTransmission): boolean;
  stop(): void;
}

/** A lifetime is overrun by a twentieth of it at most, and by no more than a minute. */
const TICKS = 20;
const TICK_MAX_MS = 60_000;

/**
 * What is past its lifetime when it comes has waited while no gateway ran. It has some ticks to be attempted once
 * more before it is reported.
 */
const GRACE_TICKS = 5;

/**
 * @param lifetimeMs undefined: without end
 * @param ticked called at each tick; false ends the ticking, as nothing waits
 */
export function createLifetimes(
  clock: Clock,
  lifetimeMs: number | undefined,
  ticked: () => boolean,
): Lifetimes {
  const tickMs = Math.min(TICK_MAX_MS, Math.ceil((lifetimeMs ?? 0) / TICKS));
  let passedMs = 0;
  let timer: Timer | undefined;

  function tick(): void {
    timer = undefined;
    passedMs += tickMs;
    if (ticked()) wake();
  }

  function wake(): void {
    if (lifetimeMs !== undefined) timer ??= clock.after(tickMs, tick);
  }

  return {
    begin(queued) {
      if (lifetimeMs === undefined || queued.expiresAt !== undefined) return;
      const left = lifetimeMs - Math.max(0, clock.now() - queued.acceptedAt);
      queued.expiresAt = passedMs + Math.max(left, GRACE_TICKS * tickMs);
    },
    wake,
    isOver: ({ expiresAt = Number.POSITIVE_INFINITY }) => expiresAt <= passedMs,
    stop() {
      timer?.cancel();
      timer = undefined;
    },
  };
}
