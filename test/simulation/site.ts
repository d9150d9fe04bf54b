// What all simulated machines have in common: the time that passes, what happened, chance, and the end of
// faults.
import { createManualClock, type ManualClock } from "../support/manual-clock.ts";
import type { Chance } from "./chance.ts";
import { createHistory, type History } from "./history.ts";
import type { Plan } from "./plan.ts";

export interface Site {
  readonly plan: Plan;
  /** Never set: what machines take for the time of day is theirs. */
  readonly time: ManualClock;
  readonly history: History;
  readonly chance: Chance;
  /** Whether faults have ended. */
  isHealed: boolean;
  /** Whether odd mails are taken as others are. */
  isOddOver: boolean;
  /** A fault of this rate happens now. */
  fails(rate: number): boolean;
  /** Milliseconds from the beginning. */
  elapsed(): number;
  /** So much time passes, whatever becomes of any machine. */
  wait(ms: number): Promise<void>;
}

export function createSite(plan: Plan): Site {
  const time = createManualClock();
  const { chance } = plan;
  const start = time.now();
  const elapsed = () => time.now() - start;
  const site: Site = {
    plan,
    time,
    history: createHistory(elapsed),
    chance,
    isHealed: false,
    isOddOver: plan.odd.size === 0,
    fails: (rate) => !site.isHealed && rate > 0 && chance.happens(rate),
    elapsed,
    wait: (ms) => new Promise((resolve) => void time.after(ms, resolve)),
  };
  return site;
}
