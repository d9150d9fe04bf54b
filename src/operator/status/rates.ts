// How much went through in the last minutes and in each minute of the last hour: sums of what the parts count, kept once
// a second.
import type { Counters, Verdict } from "../../metrics/counters.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { Flow } from "./schema.ts";

export interface Rates {
  /** In so many of the last seconds; since the start where that is shorter. */
  inLast(seconds: number): Flow;
  /** In each of the last minutes, oldest first: the last one ends now. */
  minutes(): readonly Flow[];
  sinceStart(): Flow;
  close(): void;
}

const TICK_MS = 1_000;

/** Seconds: an hour. */
const KEPT = 3_600;

const MINUTE = 60;

export function createRates(totals: () => Flow, clock: Clock): Rates {
  const first = totals();
  /** Of the last seconds, in a ring; `next` is where the oldest is. */
  const ring: Flow[] = [first];
  let next = 1;
  let timer: Timer | undefined;

  const tick = (): void => {
    timer = clock.after(TICK_MS, () => {
      ring[next % (KEPT + 1)] = totals();
      next++;
      tick();
    });
  };
  tick();

  /** The totals so many seconds ago. */
  const ago = (seconds: number): Flow => {
    const back = Math.min(seconds, KEPT, next - 1);
    return ring[(next - 1 - back) % (KEPT + 1)] ?? first;
  };

  return {
    inLast: (seconds) => difference(totals(), ago(seconds)),
    minutes() {
      const flows: Flow[] = [];
      let then = totals();
      for (let seconds = MINUTE; seconds <= KEPT && seconds - MINUTE < next; seconds += MINUTE) {
        const before = ago(seconds);
        flows.unshift(difference(then, before));
        then = before;
      }
      return flows;
    },
    sinceStart: () => difference(totals(), first),
    close: () => timer?.cancel(),
  };
}

const difference = (now: Flow, then: Flow): Flow => ({
  accepted: now.accepted - then.accepted,
  relayed: now.relayed - then.relayed,
  repeats: now.repeats - then.repeats,
  refused: now.refused - then.refused,
});

/** What the parts have counted. refused: for good, by an upstream. */
export function flowOf({ recipients, attempts }: Pick<Counters, "recipients" | "attempts">): Flow {
  const verdict = (name: Verdict): number => {
    let sum = 0;
    for (const [, count] of recipients.of(name).entries()) sum += count;
    return sum;
  };
  let relayed = 0;
  let refused = 0;
  for (const [, outcomes] of attempts.entries()) {
    for (const [outcome, count] of outcomes.entries()) {
      if (outcome === "accepted") relayed += count;
      if (outcome === "refused") refused += count;
    }
  }
  return {
    accepted: verdict("queued"),
    relayed,
    repeats: verdict("repeat_relayed") + verdict("repeat_underway"),
    refused,
  };
}
