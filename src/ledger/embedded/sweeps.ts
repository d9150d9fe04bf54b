// What the embedded ledger does now and then: drops what has expired, and reserves fences.
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Claims, Entry } from "../claims.ts";
import type { Fences } from "./fences.ts";
import type { Forgets } from "./forgets.ts";
import type { Generations } from "./generations.ts";
import type { Marks } from "./marks.ts";

/** Sweeps in a retention: what has expired is kept at most a sixty-fourth longer than that. */
const SWEEPS_IN_RETENTION = 64;

/** But at least so often, since a sweep reserves fences too, and is cheap. */
const SWEEP_MAX_MS = 3_600_000;

export interface SweepsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly retentionMs: number;
  readonly fences: Fences;
  readonly generations: Generations;
  readonly marks: Marks;
  readonly forgets: Forgets;
}

export interface Sweeps {
  /** The first sweep, which sets the timer of the next. Never rejects: a failed sweep is logged. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export function createSweeps(options: SweepsOptions, claims: Claims<Entry>): Sweeps {
  const { clock, log, retentionMs, fences, generations, marks, forgets } = options;
  let timer: Timer | undefined;
  let sweeping: Promise<void> = Promise.resolve();
  let isStopped = false;

  /** Doubt is left alone at the start, until the spool has claimed again what it holds. */
  async function sweep(isStart: boolean): Promise<void> {
    try {
      await fences.reserve();
      await generations.sweep();
      await forgets.expire(clock.now() - retentionMs, generations.find);
      if (!isStart) await sweepMarks();
    } catch (cause) {
      log.error("ledger.sweep_failed", { cause });
    }
    if (isStopped) return;
    timer = clock.after(Math.min(retentionMs / SWEEPS_IN_RETENTION, SWEEP_MAX_MS), () => {
      sweeping = sweep(false);
    });
  }

  function sweepMarks(): Promise<void> {
    return marks.expire(
      clock.now() - retentionMs,
      (id) => claims.get(id) !== undefined,
      (id, { firstDate }) => log.warn("ledger.doubtful_expired", { id, firstDate }),
    );
  }

  return {
    start() {
      sweeping = sweep(true);
      return sweeping;
    },
    async stop() {
      isStopped = true;
      timer?.cancel();
      await sweeping;
    },
  };
}
