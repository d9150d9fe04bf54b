// The way into the queue for what comes from outside it: with a submission, a report or a start. What is in doubt already
// is queued only if policy says so.
import { setMaxListeners } from "node:events";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { SpooledTransmission } from "../spool/record.ts";
import type { Doubt, Doubts } from "./doubt.ts";
import type { Entering, QueuedTransmission, ToQueue } from "./queue.ts";
import { STORAGE_RETRY_MS } from "./recorder.ts";
import type { Resolutions } from "./resolutions.ts";

export interface Entrance {
  /** It is queued, or policy decides in the background: what fails is tried again. */
  accepted(entering: Entering): void;
  /** Resolves when policy has decided, and that is done; rejects when the disk keeps it from that. */
  doubtful(
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    doubt: Pick<Doubt, "cause" | "firstDate" | "since">,
  ): Promise<void>;
  /** Policy decides about nothing any more, which is left to the next start. Resolves when what it has begun is done. */
  drain(): Promise<void>;
}

export interface EntranceParts {
  readonly doubts: Doubts;
  readonly resolutions: Pick<Resolutions, "during">;
  readonly toQueue: ToQueue;
  readonly enqueue: (queued: QueuedTransmission) => void;
  /** Aborted at a stop, when what has begun is to be given up. */
  readonly late: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
}

/** Each try that fails is a line of the log. */
const RETRY_MAX_MS = 30_000;

export function createEntrance(parts: EntranceParts): Entrance {
  const { doubts, resolutions, toQueue, enqueue, late, clock, log } = parts;
  // Each decision under way may listen to it, so many listeners are no leak.
  setMaxListeners(0, late);
  const running = new Set<Promise<void>>();
  let isDraining = false;

  const decide: Entrance["doubtful"] = async (queued, transmission, doubt) => {
    const { result: next, isOut } = await resolutions.during(queued, late, async (isCleared) => {
      // The decision has freed what was held, and did not know of anything else.
      if (isCleared) return transmission.held === true ? undefined : queued;
      return await doubts.decide(queued, transmission, { ...doubt, ended: "earlier" }, late);
    });
    if (next !== undefined && !isOut) enqueue(next);
  };

  const doubtful: Entrance["doubtful"] = async (queued, transmission, doubt) => {
    if (isDraining) return;
    const work = decide(queued, transmission, doubt);
    running.add(work);
    try {
      await work;
    } finally {
      running.delete(work);
    }
  };

  const doubtfulSoon = (
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    since: number | undefined,
    failures = 0,
  ): void => {
    const doubt = { cause: "attempted before without an answer", since };
    doubtful(queued, transmission, doubt).catch((error: unknown) => {
      log.error("dispatch.failed", { error: error instanceof Error ? error.stack : String(error) });
      const ms = Math.min(RETRY_MAX_MS, STORAGE_RETRY_MS * 2 ** failures);
      if (!isDraining) clock.after(ms, () => doubtfulSoon(queued, transmission, since, failures + 1));
    });
  };

  return {
    accepted({ key, claim, transmission, doubtful, doubtSince }) {
      const queued = toQueue(key, claim, transmission);
      if (doubtful) doubtfulSoon(queued, transmission, doubtSince);
      else enqueue(queued);
    },
    doubtful,
    async drain() {
      isDraining = true;
      await Promise.allSettled(running);
    },
  };
}
