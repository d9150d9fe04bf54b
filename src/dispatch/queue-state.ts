// In which state a transmission is that has not ended: the same answer for status, metrics and the list of the queue.
import type { Hold } from "../spool/record.ts";
import type { QueuedTransmission } from "./queue.ts";

/**
 * - due: its time has come. It waits for its turn, for the rate, or for the end of a pause.
 * - waiting: its next attempt has a time, which has not come.
 * - underway: it is being attempted, or reported since its lifetime has passed.
 * - held: it waits for evidence or an operator.
 */
export type QueueState = "due" | "waiting" | "underway" | "held";

/** To be called for each one. A function and not a list, as there may be very many. */
export type SeeQueued = (queued: QueuedTransmission, state: QueueState) => void;

/** What a lane has of an id. */
export interface LaneFound {
  readonly queued: QueuedTransmission;
  readonly state: Exclude<QueueState, "held">;
}

/** One that is held, so that no lane has it. */
export interface Held {
  readonly queued: QueuedTransmission;
  readonly by: Hold;
  /** Policy leaves its doubt alone until then, so that evidence may come; milliseconds since the epoch. */
  readonly listensUntil?: number | undefined;
}

/**
 * A due time further away than any wait was written under another clock setting; waiting for it would keep mail back for
 * as long as the clock was wrong.
 *
 * @param longestMs the longest wait there is
 */
export const isDue = (
  { dueAt }: Pick<QueuedTransmission, "dueAt">,
  now: number,
  longestMs: number,
): boolean => dueAt <= now || dueAt - now > longestMs;
