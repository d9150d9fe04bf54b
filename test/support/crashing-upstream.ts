// An Upstream that tells of each attempt before it is made and once it was answered, before the gateway
// hears of the answer.
import type { Outcome, Upstream } from "../../src/upstream/upstream.ts";

export type UpstreamMoment =
  | { readonly call: "transmit"; readonly when: "before" }
  | { readonly call: "transmit"; readonly when: "after"; readonly outcome: Outcome };

export function createCrashingUpstream(
  upstream: Upstream,
  reached: (moment: UpstreamMoment) => void,
): Upstream {
  return {
    ...upstream,
    async transmit(transmission, signal) {
      reached({ call: "transmit", when: "before" });
      const outcome = await upstream.transmit(transmission, signal);
      reached({ call: "transmit", when: "after", outcome });
      return outcome;
    },
  };
}
