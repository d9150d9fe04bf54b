// What waits for its time, and the lanes in which it waits: one for each way out, with its own queue, rate
// and pause, so that mail for an upstream that is down keeps no other mail waiting. They share one budget
// of memory. When a lane attempts what is in lane.ts.
import { setMaxListeners } from "node:events";
import type { Claim } from "../ledger/ledger.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { Rate } from "../runtime/rate.ts";
import type { SpooledTransmission, TransmissionKey } from "../spool/record.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { BackoffRange } from "./backoff.ts";
import type { Budget } from "./budget.ts";
import { createLane } from "./lane.ts";

/** A transmission that waits for its time: only what is needed to find it again and to send it its way. */
export interface QueuedTransmission {
  readonly key: TransmissionKey;
  readonly claim: Claim;
  /** Milliseconds since the epoch. */
  readonly dueAt: number;
  /** Octets of its content. */
  readonly size: number;
  /** Which lane it goes by: a position in the dispatcher's list. */
  readonly lane: number;
  /** When it was accepted, or freed by an operator: its lifetime began. Milliseconds since the epoch. */
  readonly acceptedAt: number;
  /** An attempt of it has ended. */
  readonly isAttempted: boolean;
  /** Its lifetime has passed, and it is not to be attempted any more; see lane.ts. */
  readonly isExpired?: boolean;
  /** When its lifetime ends, by the count of its lane, which sets it; see lifetimes.ts. */
  expiresAt?: number | undefined;
}

/** The entry in the queue for a transmission of the spool. */
export type ToQueue = (
  key: TransmissionKey,
  claim: Claim,
  transmission: SpooledTransmission,
) => QueuedTransmission;

/** What an attempt leaves to be done. */
export type AttemptResult =
  /** The transmission has left the queue: relayed, reported, dropped or held. */
  | { readonly kind: "done" }
  /** As done, but the upstream was not asked: it says nothing about a pause. */
  | { readonly kind: "untried" }
  | { readonly kind: "again"; readonly dueAt: number }
  /**
   * Nothing can be relayed in this lane now, this transmission or any other. Unless it has left the queue
   * all the same, it is due as before.
   */
  | {
      readonly kind: "pause";
      readonly reason: string;
      readonly retryAfterMs?: number;
      readonly left: boolean;
    };

export interface DispatcherParts {
  /**
   * Makes one attempt. Never rejects.
   *
   * @param taken called when the upstream has taken the message: what is left is to record it, and another may
   *   be attempted in its place. Of what ends in another way it is not known before its end whether more should.
   */
  readonly attempt: (
    queued: QueuedTransmission,
    upstream: Upstream,
    signal: AbortSignal,
    taken: () => void,
  ) => Promise<AttemptResult>;
  readonly budget: Budget;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** One way out. */
export interface LaneSettings {
  readonly upstream: Upstream;
  readonly rate: Rate;
  /** Attempts at once that the upstream has not taken, at most. */
  readonly concurrency: number;
}

export interface Dispatcher {
  enqueue(queued: QueuedTransmission): void;
  /** Begins to attempt what is due. */
  start(): void;
  /** Nothing can be relayed for so many milliseconds, by any lane. */
  pause(reason: string, ms: number): void;
  /** Begins no further attempt, and resolves when those under way have ended. */
  drain(): Promise<void>;
  /** Aborts the attempts under way; they end as certain or doubtful by how far they came. */
  abort(): void;
}

/**
 * @param settings the lanes; what names one that is not there goes by the first
 * @param lifetimeMs see LaneOptions
 */
export function createDispatcher(
  parts: DispatcherParts,
  settings: readonly [LaneSettings, ...LaneSettings[]],
  retry: BackoffRange,
  lifetimeMs?: number,
): Dispatcher {
  const { attempt, budget, clock, random, log } = parts;
  const aborting = new AbortController();
  // Each attempt under way listens to it, so many listeners are no leak.
  setMaxListeners(0, aborting.signal);

  const makeLane = ({ upstream, rate, concurrency }: LaneSettings) =>
    createLane(
      {
        upstream,
        rate,
        attempt: (queued, taken) => attempt(queued, upstream, aborting.signal, taken),
        ...{ budget, clock, random, log },
      },
      { concurrency, retry, lifetimeMs },
    );
  const [first, ...others] = settings;
  const firstLane = makeLane(first);
  const lanes = [firstLane, ...others.map(makeLane)];

  return {
    enqueue: (queued) => (lanes[queued.lane] ?? firstLane).enqueue(queued),

    start() {
      for (const lane of lanes) lane.start();
    },

    pause(reason, ms) {
      for (const lane of lanes) lane.pause(reason, ms);
    },

    async drain() {
      await Promise.all(lanes.map((lane) => lane.drain()));
    },

    abort: () => aborting.abort(),
  };
}
