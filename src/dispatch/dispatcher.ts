// What waits for its time, and the lanes in which it waits: one for each way out, with its own queue, rate
// and pause, so that mail for an upstream that is down keeps no other mail waiting. They share one budget
// of memory. When a lane attempts what is in lane.ts.
import { setMaxListeners } from "node:events";
import type { Id } from "../identity/message-id.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { Rate } from "../runtime/rate.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { BackoffRange } from "./backoff.ts";
import type { Budget } from "./budget.ts";
import { createLane, type Lane } from "./lane.ts";
import type { OperatorPause } from "./operator-pauses.ts";
import type { PauseFacts } from "./pause.ts";
import type { AttemptResult, QueuedTransmission } from "./queue.ts";
import type { LaneFound, SeeQueued } from "./queue-state.ts";
import type { SilenceFacts } from "./silence.ts";

export interface DispatcherParts {
  /**
   * Makes one attempt. Never rejects.
   *
   * @param taken called when the upstream has taken the message: what is left is to record it, and another may
   *   be attempted in its place. Other outcomes free their place only when they end.
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
  /** Those behind it, for who asks what a lane knows: the preferred first. */
  readonly upstreams: readonly LaneUpstream[];
  /** An operator has paused all of them. */
  readonly isStopped?: () => boolean;
  readonly upstream: Upstream;
  readonly rate: Rate;
  /** Attempts at once that the upstream has not taken, at most. */
  readonly concurrency: number;
}

/** One of the upstreams that mail of a lane may go by. */
export interface LaneUpstream {
  /** As the configuration calls it. */
  readonly name: string;
  readonly upstream: Upstream;
  readonly rate: Rate;
  /** Of its own; absent where it is alone, and its lane pauses. */
  readonly pause?: { facts(): PauseFacts | undefined; tryNow(): void };
  /** An operator's pause. */
  readonly stopped?: () => OperatorPause | undefined;
}

export interface LaneStanding {
  readonly upstreams: readonly LaneUpstream[];
  /** The upstream takes nothing, or the disk. */
  readonly pause: PauseFacts | undefined;
  /** The upstream takes nothing, and does not say so. */
  readonly silence: SilenceFacts | undefined;
}

export interface Dispatcher {
  enqueue(queued: QueuedTransmission): void;
  /** Begins to attempt what is due. */
  start(): void;
  /** Nothing can be relayed for so many milliseconds, by any lane. */
  pause(reason: string, ms: number): void;
  /** Something outside the lanes has changed: they attempt what may be attempted now. */
  goOn(): void;
  /** Ends the waits of the pauses of these upstreams: one transmission is tried at once. @returns those that paused */
  tryUpstreamsNow(names: readonly string[]): readonly string[];
  /** The upstreams of each lane, and whether it is paused. */
  lanes(): readonly LaneStanding[];
  /** Shows all that the lanes have. */
  visit(see: SeeQueued): void;
  find(id: Id): LaneFound | undefined;
  /** Takes out what `find` has found due or waiting. */
  takeFound(queued: QueuedTransmission): void;
  /** As tryUpstreamsNow, for all that mail of the lane may go by. */
  tryNow(lane: number): void;
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

  const makeLane = ({ upstream, rate, concurrency, isStopped = () => false }: LaneSettings) =>
    createLane(
      {
        upstream,
        ...{ rate, isStopped },
        attempt: (queued, taken) => attempt(queued, upstream, aborting.signal, taken),
        ...{ budget, clock, random, log },
      },
      { concurrency, retry, lifetimeMs },
    );
  const [first, ...others] = settings;
  const firstLane = makeLane(first);
  const lanes = [firstLane, ...others.map(makeLane)];

  const laneOf = (lane: number): Lane => lanes[lane] ?? firstLane;

  return {
    enqueue: (queued) => laneOf(queued.lane).enqueue(queued),

    start() {
      for (const lane of lanes) lane.start();
    },

    pause(reason, ms) {
      for (const lane of lanes) lane.pause(reason, ms);
    },

    goOn() {
      for (const lane of lanes) lane.goOn();
    },

    tryUpstreamsNow(names) {
      const paused = new Set<string>();
      for (const [index, { upstreams }] of settings.entries()) {
        const lane = laneOf(index);
        const asked = upstreams.filter(({ name }) => names.includes(name));
        for (const { name, upstream, pause } of asked) {
          if ((pause === undefined ? lane.paused() : pause.facts()) !== undefined) paused.add(name);
          upstream.forgetRefusals?.();
          pause?.tryNow();
        }
        if (asked.length > 0) lane.tryNow();
      }
      return [...paused];
    },

    lanes: () =>
      settings.map(({ upstreams }, index) => {
        const lane = laneOf(index);
        return { upstreams, pause: lane.paused(), silence: lane.silent() };
      }),

    visit(see) {
      for (const lane of lanes) lane.visit(see);
    },

    find(id) {
      for (const lane of lanes) {
        const found = lane.find(id);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    takeFound: (queued) => laneOf(queued.lane).takeFound(queued),

    tryNow(lane) {
      for (const { upstream, pause } of settings[lane]?.upstreams ?? []) {
        upstream.forgetRefusals?.();
        pause?.tryNow();
      }
      laneOf(lane).tryNow();
    },

    async drain() {
      await Promise.all(lanes.map((lane) => lane.drain()));
    },

    abort: () => aborting.abort(),
  };
}
