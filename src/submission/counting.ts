// What submissions count: replies and their time by submission, verdicts by recipient.
import type { ClaimResult } from "../ledger/ledger.ts";
import type { Counters, Verdict } from "../metrics/counters.ts";
import type { Answer } from "./answer.ts";
import type { Keying } from "./keying.ts";
import type { Observed } from "./observed.ts";

export type SubmissionCounters = Pick<
  Counters,
  "elapsed" | "submissions" | "submissionSeconds" | "recipients" | "observed" | "doubtfulResolved"
>;

export interface SubmissionCounting {
  /** The content has come. @returns to be called with the answer, which it gives back */
  received(): <Given extends Pick<Answer, "code">>(answer: Given) => Given;
  /** A doubt counts as relayed, by policy. */
  dropped(): void;
  /** Another mail has this id, so many times, and so the submission is refused. */
  conflicts(count: number, keying: Keying): void;
  /** The submission is durable, or a repeat as a whole. */
  decided(sorted: Decided, keying: Keying): void;
  /** Mode "observe" has relayed for so many recipients what names no task, or names it badly. */
  wouldBeRefused(count: number): void;
}

interface Decided {
  readonly claimed: readonly unknown[];
  readonly repeats: readonly Known[];
  /** Repeats of mail whose verdict another client waits for. */
  readonly awaited: readonly Known[];
  readonly observed: readonly Pick<Observed, "verdict">[];
}

interface Known {
  readonly result: ClaimResult;
}

const isRelayed = ({ result }: Known): boolean => result.kind === "repeat" && result.standing === "relayed";

export function createSubmissionCounting({
  elapsed,
  submissions,
  submissionSeconds,
  recipients,
  observed: observedOf,
  doubtfulResolved,
}: SubmissionCounters): SubmissionCounting {
  const add = (verdict: Verdict, keying: Keying, by?: number): void =>
    recipients.of(verdict).add(keying.identity, by);

  return {
    received() {
      const began = elapsed();
      return (answer) => {
        submissions.add(answer.code);
        submissionSeconds.observe(elapsed() - began);
        return answer;
      };
    },

    dropped: () => doubtfulResolved.add("policy"),

    conflicts: (count, keying) => add("conflict", keying, count),

    decided({ claimed, repeats, awaited, observed }, keying) {
      if (claimed.length > 0) add("queued", keying, claimed.length);
      for (const one of repeats) add(isRelayed(one) ? "repeat_relayed" : "repeat_underway", keying);
      if (awaited.length > 0) add("repeat_underway", keying, awaited.length);
      for (const { verdict } of observed) observedOf.of(verdict).add(keying.identity);
    },

    wouldBeRefused: (count) => observedOf.of("refused").add("none", count),
  };
}
