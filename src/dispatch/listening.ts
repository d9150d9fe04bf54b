// What is held until evidence has had its time: when that is over, policy acts about it.
import type { EvidenceWait } from "../evidence/wait.ts";
import type { Id } from "../identity/message-id.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { listensUntil, type SpooledTransmission } from "../spool/record.ts";
import { backoff } from "./backoff.ts";
import type { QueuedTransmission } from "./queue.ts";
import { STORAGE_RETRY_MS } from "./recorder.ts";

export interface Listening {
  /**
   * The id is held until then, milliseconds since the epoch.
   *
   * @param upstream see EvidenceWait
   */
  until(id: Id, time: number, upstream: string | undefined): void;
  /** No wait ends any more. */
  close(): void;
}

/** How often is looked whether evidence can be read. */
const AWAY_MS = 10_000;

/** After a disk has taken nothing. Each try that fails is a line of the log. */
const RETRY = { minMs: STORAGE_RETRY_MS, maxMs: 30_000 };

const NONE_CAME = "no evidence came of an attempt without an answer";

interface Waiting {
  readonly timer: Timer;
  readonly upstream: string | undefined;
  /** Its wait was over, and it waits for what the queue may have. */
  readonly wasPutOff: boolean;
  /** How often the disk has kept policy from acting. */
  readonly failures: number;
}

interface Held {
  readonly queued: QueuedTransmission;
  readonly transmission: SpooledTransmission;
}

export interface ListeningParts {
  readonly inDoubt: ReadonlyMap<Id, Held>;
  readonly wait: Pick<EvidenceWait, "isReading" | "unreadMs">;
  /** An order or a decision is on its way. */
  readonly isBusy: (id: Id) => boolean;
  /** Has policy act. Rejects when the disk keeps it from that. */
  readonly over: (
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    doubt: { readonly cause: string },
  ) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export function createListening(parts: ListeningParts): Listening {
  const { inDoubt, wait, isBusy, over, clock, random, log } = parts;
  const waiting = new Map<Id, Waiting>();
  let isClosed = false;

  function again(id: Id, ms: number, wait: Omit<Waiting, "timer">): void {
    waiting.get(id)?.timer.cancel();
    if (isClosed) return;
    waiting.set(id, { ...wait, timer: clock.after(ms, () => void end(id, wait)) });
  }

  /** Unless it was settled, decided or ordered about meanwhile. */
  async function end(id: Id, ending: Omit<Waiting, "timer">): Promise<void> {
    waiting.delete(id);
    const found = inDoubt.get(id);
    // By the timer, not by the clock, which may have been set.
    if (found === undefined || listensUntil(found.transmission) === undefined) return;
    if (isBusy(id)) return again(id, STORAGE_RETRY_MS, ending);
    const unreadMs = wait.unreadMs(ending.upstream);
    // Once: a queue that comes and goes holds no mail back for ever. While nothing can be settled nothing is attempted either.
    if (unreadMs > 0 && (!ending.wasPutOff || !wait.isReading())) {
      const wasPutOff = wait.isReading();
      return again(id, wasPutOff ? unreadMs : Math.min(unreadMs, AWAY_MS), { ...ending, wasPutOff });
    }
    try {
      await over(found.queued, found.transmission, { cause: NONE_CAME });
    } catch (error) {
      log.error("dispatch.failed", { error: error instanceof Error ? error.stack : String(error) });
      const failures = ending.failures + 1;
      again(id, backoff(failures, RETRY, random), { ...ending, failures });
    }
  }

  return {
    until: (id, time, upstream) => again(id, time - clock.now(), { upstream, wasPutOff: false, failures: 0 }),
    close() {
      isClosed = true;
      for (const { timer } of waiting.values()) timer.cancel();
      waiting.clear();
    },
  };
}
