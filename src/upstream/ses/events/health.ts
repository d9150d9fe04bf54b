// Whether the queue can be used, by each of the calls that the intake needs: one that is refused while the others are
// answered is a fault all the same.
import type { Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import { oneLine } from "../../line.ts";

export type QueueCall = "receive" | "remove" | "showAgain";

export interface Silence {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly reason: string;
  /** That has failed last. */
  readonly call: QueueCall;
}

export interface Health {
  /** Rejects as the call does. */
  use<T>(call: QueueCall, run: () => Promise<T>): Promise<T>;
  /** @param error what `use` rejected with @returns failures of all calls since they succeeded */
  failed(error: unknown): number;
  /** Since the first failure of a call that goes on failing. */
  silence(): Silence | undefined;
}

interface Failing {
  readonly since: number;
  readonly at: number;
  readonly reason: string;
  readonly failures: number;
}

/** A reset of one connection is none of an operator's business, two in a row are. */
const SILENT_FAILURES = 2;

/**
 * A call that is not made any more, since nothing needs it, fails no more as far as anybody knows. What could not be removed
 * is received again within minutes, unless another gateway has it.
 */
const LAST_MS = 15 * 60_000;

class CallFailure extends Error {
  readonly call: QueueCall;

  constructor(call: QueueCall, cause: unknown) {
    super(String(cause), { cause });
    this.call = call;
  }
}

export function createHealth(
  name: string,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Health {
  const failing = new Map<QueueCall, Failing>();
  const failures = (): number => [...failing.values()].reduce((sum, one) => sum + one.failures, 0);

  function silence(): Silence | undefined {
    if (failures() < SILENT_FAILURES) return undefined;
    const all = [...failing].sort(([, a], [, b]) => b.at - a.at);
    const since = Math.min(...all.map(([, one]) => one.since));
    return all.map(([call, { reason }]) => ({ since, reason, call }))[0];
  }

  /** Only its own success ends its failures: a receive that finds nothing says nothing of the right to remove. */
  function succeeded(call: QueueCall): void {
    if (failing.size === 0) return;
    const before = silence();
    failing.delete(call);
    for (const [other, { at }] of failing) if (clock.now() - at > LAST_MS) failing.delete(other);
    if (before !== undefined && silence() === undefined) {
      log.info("events.read_again", { queue: name, ms: clock.now() - before.since });
    }
  }

  return {
    async use(call, run) {
      const result = await run().catch((error: unknown) => {
        throw new CallFailure(call, error);
      });
      succeeded(call);
      return result;
    },
    failed(error) {
      const call = error instanceof CallFailure ? error.call : "receive";
      const cause = error instanceof CallFailure ? error.cause : error;
      const reason = oneLine(cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause));
      const wasSilent = silence() !== undefined;
      const at = clock.now();
      const { since = at, failures: before = 0 } = failing.get(call) ?? {};
      failing.set(call, { since, at, reason, failures: before + 1 });
      const isNews = !wasSilent && silence() !== undefined;
      if (isNews) log.error("events.silent", { queue: name, error: reason });
      else log.debug("events.silent", { queue: name, error: reason });
      return failures();
    },
    silence,
  };
}
