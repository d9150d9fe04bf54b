// What is held until evidence has had its time: when that is over, policy acts about it.
import type { Id } from "../identity/message-id.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { listensUntil, type SpooledTransmission } from "../spool/record.ts";
import type { QueuedTransmission } from "./queue.ts";
import { STORAGE_RETRY_MS } from "./recorder.ts";

export interface Listening {
  /** The id is held until then, milliseconds since the epoch. */
  until(id: Id, time: number): void;
  /** No wait ends any more. */
  close(): void;
}

const NONE_CAME = "no evidence came of an attempt without an answer";

interface Waits {
  readonly queued: QueuedTransmission;
  readonly transmission: SpooledTransmission;
}

export interface ListeningParts {
  readonly inDoubt: ReadonlyMap<Id, Waits>;
  /** An order or a decision is on its way. */
  readonly isBusy: (id: Id) => boolean;
  /** Has policy act. Rejects when the disk keeps it from that. */
  readonly over: (
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    doubt: { readonly cause: string },
  ) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export function createListening({ inDoubt, isBusy, over, clock, log }: ListeningParts): Listening {
  const timers = new Map<Id, Timer>();
  let isClosed = false;

  function again(id: Id, ms: number): void {
    timers.get(id)?.cancel();
    if (isClosed) return;
    timers.set(
      id,
      clock.after(ms, () => void end(id)),
    );
  }

  /** Unless it was settled, decided or ordered about meanwhile. */
  async function end(id: Id): Promise<void> {
    timers.delete(id);
    const found = inDoubt.get(id);
    // By the timer, not by the clock, which may have been set.
    if (found === undefined || listensUntil(found.transmission) === undefined) return;
    if (isBusy(id)) return again(id, STORAGE_RETRY_MS);
    try {
      await over(found.queued, found.transmission, { cause: NONE_CAME });
    } catch (error) {
      log.error("dispatch.failed", { error: error instanceof Error ? error.stack : String(error) });
      again(id, STORAGE_RETRY_MS);
    }
  }

  return {
    until: (id, time) => again(id, time - clock.now()),
    close() {
      isClosed = true;
      for (const timer of timers.values()) timer.cancel();
      timers.clear();
    },
  };
}
