// An upstream that is not paused and takes nothing all the same: it gives no answer, or refuses one mail after the other.
// It is said every few minutes. Cheap for a mail that is taken: one timer for all.
import type { Clock, Timer } from "../runtime/clock.ts";
import type { LogFields } from "../runtime/log.ts";
import { REMIND_MS } from "./pause.ts";

/** What is known of it, for people. */
export interface SilenceFacts {
  /** When a mail was last taken, or when it began to be tried. Milliseconds since the epoch. */
  readonly since: number;
  readonly reason: string;
}

export interface Silence {
  /** An attempt has begun. */
  began(): void;
  /** It has ended; `taken`: the upstream has the mail. */
  ended(taken: boolean): void;
  /** Undefined while the upstream takes mail, or as far as is known. */
  facts(): SilenceFacts | undefined;
  cancel(): void;
}

/** A mail or two that a recipient's server defers say nothing about the upstream; so many in a row do. */
const FAILED_MIN = 10;

/** Most upstreams answer within seconds; some, which look at a mail in many ways, need half a minute. */
const UNANSWERED_MS = 60_000;

const noneTaken = (failed: number): string => `none of the last ${failed} attempts was taken`;
const UNANSWERED = "no attempt has been answered";

/**
 * @param tell called with the reason, and since when (ISO 8601) nothing was taken; the caller knows what waits, and whether
 *   that is said already
 */
export function createSilence(clock: Clock, tell: (facts: LogFields) => void): Silence {
  let underWay = 0;
  /** In a row, up to now. */
  let failed = 0;
  /** When a mail was last taken, or the first attempt since a rest began. */
  let since = 0;
  /** While attempts are under way: when the last one ended, or the first began. */
  let quietSince = 0;
  let spanHasTaken = false;
  let spanHasEnd = false;
  let timer: Timer | undefined;

  const watch = (): void => {
    spanHasTaken = false;
    spanHasEnd = false;
    timer = clock.after(REMIND_MS, () => {
      timer = undefined;
      const facts = { since: new Date(since).toISOString() };
      if (failed >= FAILED_MIN && !spanHasTaken) {
        tell({ reason: noneTaken(failed), ...facts });
      } else if (underWay > 0 && !spanHasEnd) tell({ reason: UNANSWERED, ...facts });
      if (underWay > 0 || failed > 0 || spanHasTaken) watch();
    });
  };

  return {
    began() {
      underWay += 1;
      if (underWay === 1) quietSince = clock.now();
      if (timer !== undefined) return;
      since = clock.now();
      watch();
    },
    ended(taken) {
      underWay -= 1;
      spanHasEnd = true;
      failed = taken ? 0 : failed + 1;
      quietSince = clock.now();
      if (!taken) return;
      spanHasTaken = true;
      since = quietSince;
    },
    facts() {
      if (failed >= FAILED_MIN) return { since, reason: noneTaken(failed) };
      const isQuiet = underWay > 0 && clock.now() - quietSince >= UNANSWERED_MS;
      return isQuiet ? { since: quietSince, reason: UNANSWERED } : undefined;
    },
    cancel: () => timer?.cancel(),
  };
}
