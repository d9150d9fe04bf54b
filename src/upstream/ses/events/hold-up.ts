// While the ledger can't be asked, nothing is received: each receipt of a message is counted, and another gateway may be
// able to settle what this one can't. Whether the ledger is there again is asked by what it could not be asked about.
import { type BackoffRange, backoff } from "../../../dispatch/backoff.ts";
import type { Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import { pass } from "../../../runtime/pass.ts";
import type { Random } from "../../../runtime/random.ts";
import type { Judge } from "./judge.ts";

export interface HoldUp {
  /**
   * @param bodies of messages that were given back; not empty
   * @param isReadable the ledger answers about others, and may be unable to write, or unable to judge just these
   */
  begin(bodies: readonly string[], isReadable: boolean): void;
  /** @param isAnswered the ledger has answered; otherwise nothing is there that it would have to be asked about */
  end(isAnswered: boolean): void;
  /** Resolves when the queue is to be read; undefined: at once. */
  over(): Promise<void> | undefined;
  /** Since when the ledger has answered nothing, milliseconds since the epoch; undefined as a rule. */
  since(): number | undefined;
}

export interface HoldUpParts {
  readonly judge: Pick<Judge, "judge">;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const PAUSE: BackoffRange = { minMs: 1_000, maxMs: 30_000 };

/**
 * Some five minutes. Then the queue is read once all the same, as the fault may be of these few alone. Each such receipt
 * counts, and a ledger may be away for hours: the next time it takes twice as long, and so on.
 */
const TRIES_MAX = 14;
const DOUBLINGS_MAX = 3;

export function createHoldUp(name: string, parts: HoldUpParts): HoldUp {
  const { judge, signal, clock, random, log } = parts;
  let since: number | undefined;
  let rounds = 0;
  let over: Promise<void> | undefined;

  function end(isAnswered: boolean): void {
    if (isAnswered) rounds = 0;
    if (since === undefined) return;
    log.info("events.read_on", { queue: name, ms: clock.now() - since });
    since = undefined;
  }

  /** Each time by another one, since one alone may have a fault of its own. */
  async function untilAnswered(bodies: readonly string[]): Promise<void> {
    const most = TRIES_MAX * 2 ** Math.min(rounds, DOUBLINGS_MAX);
    rounds += 1;
    for (let tries = 1; tries <= most && !signal.aborted; tries++) {
      await pass(backoff(tries, PAUSE, random), signal, clock);
      const body = bodies[tries % bodies.length] ?? "";
      const judged = signal.aborted ? "away" : await judge.judge(body);
      // What is busy may be so because the ledger is away.
      if (judged === "away" || judged === "busy") continue;
      end(true);
      break;
    }
    over = undefined;
  }

  return {
    begin(bodies, isReadable) {
      if (over !== undefined) return;
      if (isReadable) rounds = 0;
      if (since === undefined) log.warn("events.held_up", { queue: name });
      since ??= clock.now();
      over = untilAnswered(bodies);
    },
    end(isAnswered) {
      if (over === undefined) end(isAnswered);
    },
    over: () => over,
    since: () => since,
  };
}
