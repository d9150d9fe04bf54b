// An upstream that is not paused and takes nothing all the same: it gives no answer, or refuses one mail after the other.
// It is said every few minutes. Cheap for a mail that is taken: one timer for all.
import type { Clock, Timer } from "../runtime/clock.ts";
import type { LogFields } from "../runtime/log.ts";
import { REMIND_MS } from "./pause.ts";

export interface Silence {
  /** An attempt has begun. */
  began(): void;
  /** It has ended; `taken`: the upstream has the mail. */
  ended(taken: boolean): void;
  cancel(): void;
}

/** A mail or two that a recipient's server defers say nothing about the upstream; so many in a row do. */
const FAILED_MIN = 10;

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
        tell({ reason: `none of the last ${failed} attempts was taken`, ...facts });
      } else if (underWay > 0 && !spanHasEnd) tell({ reason: "no attempt has been answered", ...facts });
      if (underWay > 0 || failed > 0 || spanHasTaken) watch();
    });
  };

  return {
    began() {
      underWay += 1;
      if (timer !== undefined) return;
      since = clock.now();
      watch();
    },
    ended(taken) {
      underWay -= 1;
      spanHasEnd = true;
      failed = taken ? 0 : failed + 1;
      if (!taken) return;
      spanHasTaken = true;
      since = clock.now();
    },
    cancel: () => timer?.cancel(),
  };
}
