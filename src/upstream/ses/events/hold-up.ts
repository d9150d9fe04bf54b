// While the ledger can't be asked, nothing is received: each receipt of a message is counted, and another gateway may be
// able to settle what this one can't. Whether the ledger is there again is asked by what it could not be asked about.
import { type BackoffRange, backoff } from "../../../dispatch/backoff.ts";
import type { Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import type { Random } from "../../../runtime/random.ts";
import type { Judge } from "./judge.ts";

export interface HoldUp {
  /** @param bodies of messages that were given back; not empty */
  begin(bodies: readonly string[]): void;
  /** Resolves when nothing is held up, at once as a rule, or when all ends. */
  over(): Promise<void> | undefined;
  /** Since when, milliseconds since the epoch; undefined while nothing is held up. */
  since(): number | undefined;
}

export interface HoldUpParts {
  readonly judge: Pick<Judge, "judge">;
  readonly pause: (ms: number) => Promise<void>;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const PAUSE: BackoffRange = { minMs: 1_000, maxMs: 30_000 };

/** Some five minutes. Then the queue is read all the same: the fault may be of these few alone. */
const TRIES_MAX = 14;

export function createHoldUp(name: string, parts: HoldUpParts): HoldUp {
  const { judge, pause, signal, clock, random, log } = parts;
  let held: { readonly since: number; readonly over: Promise<void> } | undefined;

  /** Each time by another one, since one alone may have a fault of its own. */
  async function untilAnswered(bodies: readonly string[], since: number): Promise<void> {
    for (let tries = 1; tries <= TRIES_MAX && !signal.aborted; tries++) {
      await pause(backoff(tries, PAUSE, random));
      const body = bodies[tries % bodies.length] ?? "";
      if (signal.aborted || (await judge.judge(body)) === "away") continue;
      log.info("events.read_on", { queue: name, ms: clock.now() - since });
      break;
    }
    held = undefined;
  }

  return {
    begin(bodies) {
      if (held !== undefined) return;
      const since = clock.now();
      log.warn("events.held_up", { queue: name });
      held = { since, over: untilAnswered(bodies, since) };
    },
    over: () => held?.over,
    since: () => held?.since,
  };
}
