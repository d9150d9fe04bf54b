// An upstream whose attempts are counted and timed by the name that the configuration gives it, whether it is called
// alone or as one of several.
import type { Counters } from "../metrics/counters.ts";
import type { Upstream } from "../upstream/upstream.ts";

export type AttemptCounters = Pick<Counters, "elapsed" | "attempts" | "attemptSeconds">;

/** Nobody waits for the counting. */
export function countedUpstream(
  name: string,
  upstream: Upstream,
  { elapsed, attempts, attemptSeconds }: AttemptCounters,
): Upstream {
  const outcomes = attempts.of(name);
  const seconds = attemptSeconds.of(name);
  return {
    ...upstream,
    transmit(transmission, signal) {
      const began = elapsed();
      const attempt = upstream.transmit(transmission, signal);
      attempt.then(
        ({ kind }) => {
          outcomes.add(kind);
          seconds.observe(elapsed() - began);
        },
        () => {},
      );
      return attempt;
    },
  };
}
