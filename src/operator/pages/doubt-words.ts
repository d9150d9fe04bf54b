// What doubt is, and what the two decisions about it mean: the words of the pages.
import type { Decision, DoubtfulEntry } from "../doubtful.ts";
import { mails } from "./queue-orders.ts";

export const WHAT_DOUBT_IS =
  "A mail is in doubt when its upstream gave no answer: it may have the mail, or not, and nobody here can know.";

export const DECISIONS = ["relayed", "not-relayed"] as const satisfies readonly Decision[];

interface Words {
  readonly button: string;
  /** What it does, about one mail. */
  readonly does: string;
  /** As a choice about many. */
  readonly many: string;
  done(count: number): string;
}

/** Above those that wait for evidence. */
export const WHAT_LISTENS =
  "What waits for SES's events needs nobody: when one comes, the mail counts as relayed. A decision that it was not relayed, before the events came, may make the second copy.";

const FORGOTTEN = "It is forgotten, and sent when its task submits it again.";
const SECOND_COPY = "Its reader gets a second copy if the upstream has it after all.";
const TOO_EARLY = "Before SES's events have come, this may make the second copy.";

/**
 * @param silent who gave no answer, where that is known
 * @param isListening evidence may come, and nobody has to decide
 */
export function sayDecision(
  decision: Decision,
  standing: DoubtfulEntry["standing"] = "held",
  silent = "The upstream",
  isListening = false,
): Words {
  if (decision === "relayed") {
    return {
      button: `${silent} has it`,
      does: "It counts as relayed, and is never sent again.",
      many: "the upstream has them: they count as relayed, and are never sent again",
      done: (count) => `${mails(count)} ${count === 1 ? "counts" : "count"} as relayed.`,
    };
  }
  const isQueued = standing !== "remembered";
  return {
    button: `${silent} does not have it: ${isQueued ? "send" : "its task may send it"}`,
    does: `${isQueued ? "It is sent now." : FORGOTTEN} ${isListening ? TOO_EARLY : SECOND_COPY}`,
    many: "the upstream does not have them: they are sent, and readers get a second copy if it has them after all",
    done: (count) =>
      `${mails(count)} ${count === 1 ? "counts" : "count"} as not relayed: what is in the queue is due now; of the rest, tasks may submit it again.`,
  };
}
