// While the upstream or the disk takes nothing: a wait, then one transmission at a time, until one is
// answered. One line in the log when it begins, one every few minutes while it lasts, and one when it ends, however
// many attempts fail meanwhile.
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log, LogFields } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { type BackoffRange, backoff } from "./backoff.ts";
import type { AttemptResult } from "./queue.ts";

/** None; nothing may be attempted; or one transmission may, to see whether it is over. */
export type Standing = "none" | "waiting" | "probing";

/** What is known of a pause, for people. Times are in milliseconds since the epoch. */
export interface PauseFacts {
  /** What takes nothing, by the failure that came last; or an operator has paused it. */
  readonly by: "upstream" | "storage" | "operator";
  readonly since: number;
  /** What was said by the failure that came last. Empty: an operator gave no reason. */
  readonly reason: string;
  /** What the pause began with. */
  readonly firstReason: string;
  /** Absent while one transmission is being tried, or may be; and where an operator has paused it. */
  readonly nextTryAt?: number;
  /** When an operator's pause ends by itself, if it does. */
  readonly until?: number;
}

/** What an attempt began under. */
export type PauseMark = object | undefined;

export interface Pause {
  standing(): Standing;
  /** To be taken when an attempt begins, and given to `answered` when it ends. */
  mark(): PauseMark;
  /** An attempt found that nothing can be relayed. */
  failed(result: Extract<AttemptResult, { kind: "pause" }>): void;
  /**
   * An attempt was answered. It ends the pause only if it began as a try under it: one that was already
   * under way when the upstream began to refuse says nothing about now. True when the pause has ended.
   */
  answered(mark: PauseMark): boolean;
  /**
   * Ends the wait, so that one may be tried at once.
   *
   * @param asked by an operator, who may know better than the upstream: also where it named the time
   */
  tryNow(asked?: "by operator"): void;
  /** Undefined while there is none. */
  facts(): PauseFacts | undefined;
  cancel(): void;
}

/**
 * While nothing can be relayed one transmission is tried at this interval at the most: an upstream that
 * is back is noticed within a minute.
 */
export const PROBE_MAX_MS = 60_000;
/** One call a second burdens nobody. */
const PROBE_MIN_MS = 1_000;
/** The next try comes after this share of the pause so far, so that a pause is overrun by no more. */
const PROBE_SHARE = 0.1;

/** A person who reads the log of one hour must see a pause that began the day before. */
export const REMIND_MS = 5 * 60_000;

export interface PauseParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What an attempt leaves whose upstream is down. @param left the transmission has left the queue all the same */
export const pauseFor = (
  { reply, retryAfterMs }: { readonly reply: string; readonly retryAfterMs?: number },
  left: boolean,
): Extract<AttemptResult, { kind: "pause" }> => ({
  kind: "pause",
  reason: reply,
  left,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

interface Wait {
  readonly waitedMs: number;
  readonly overAt: number;
  readonly timer: Timer;
  /** The upstream named its length. */
  readonly isNamed: boolean;
  isOver: boolean;
}

/**
 * @param about what the lines of the log say beside the reason
 * @param over called when the wait has passed and one transmission may be tried
 * @param waiting what a reminder says beside that: how much waits, for how long
 */
export function createPause(
  { clock, random, log }: PauseParts,
  retry: BackoffRange,
  about: LogFields,
  over: () => void,
  waiting: () => LogFields = () => ({}),
): Pause {
  /** `waitedMs`: of all waits so far, as the time of day may be set back. */
  let pause: Wait | undefined;
  /** Of the whole pause, however many waits it has. */
  let reminder: Timer | undefined;
  let first = { since: 0, reason: "" };
  let last: { readonly by: PauseFacts["by"]; readonly reason: string } = { by: "upstream", reason: "" };
  let isCancelled = false;

  const probeAfter = (waitedMs: number): number => {
    const shortest = Math.min(retry.minMs, PROBE_MIN_MS);
    const full = Math.min(retry.maxMs, PROBE_MAX_MS, Math.max(shortest, waitedMs * PROBE_SHARE));
    return backoff(1, { minMs: full, maxMs: full }, random);
  };

  const remind = (): void => {
    if (isCancelled) return;
    reminder = clock.after(REMIND_MS, () => {
      const since = new Date(first.since).toISOString();
      log.warn("dispatch.still_paused", { ...about, reason: last.reason, since, ...waiting() });
      remind();
    });
  };

  const standing = (): Standing => {
    if (pause === undefined) return "none";
    return pause.isOver ? "probing" : "waiting";
  };

  return {
    standing,
    mark: () => pause,

    failed({ reason, retryAfterMs, by }) {
      // Attempts that were under way together fail together; that is one failure.
      if (standing() === "waiting") return;
      const before = pause?.waitedMs ?? 0;
      const wait = retryAfterMs ?? probeAfter(before);
      const facts = { ...about, reason, retryMs: wait };
      last = { by: by ?? "upstream", reason };
      if (pause === undefined) {
        log.warn("dispatch.paused", facts);
        first = { since: clock.now(), reason };
        remind();
      } else log.debug("dispatch.try_failed", facts);
      const timer = clock.after(wait, () => {
        begun.isOver = true;
        over();
      });
      const isNamed = retryAfterMs !== undefined;
      const overAt = clock.now() + wait;
      const begun = { waitedMs: before + wait, overAt, timer, isNamed, isOver: false };
      pause = begun;
    },

    answered(mark) {
      if (pause === undefined || mark !== pause) return false;
      pause.timer.cancel();
      reminder?.cancel();
      pause = undefined;
      return true;
    },

    tryNow(asked) {
      if (pause === undefined || (pause.isNamed && asked === undefined)) return;
      pause.timer.cancel();
      pause.isOver = true;
    },

    facts() {
      if (pause === undefined) return undefined;
      const { since, reason: firstReason } = first;
      return { ...last, since, firstReason, ...(pause.isOver ? {} : { nextTryAt: pause.overAt }) };
    },

    cancel() {
      isCancelled = true;
      pause?.timer.cancel();
      reminder?.cancel();
    },
  };
}
