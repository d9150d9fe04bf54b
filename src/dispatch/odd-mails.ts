// Which mails are refused as if the upstream took nothing, while it takes others: a server need not say which mails its
// refusal is about. Such a mail waits alone the second time, so that it stops the others once at the most.
import type { Id } from "../identity/message-id.ts";

export interface OddMails {
  /**
   * The mail was refused as every mail would be.
   *
   * @returns undefined when that is to be believed; or how often it was found to concern this mail alone
   */
  refused(id: Id): number | undefined;
  /** The upstream answered this mail in another way. */
  answered(id: Id): void;
}

/** The oldest is forgotten first, which costs one more pause. */
const KEPT_MAX = 10_000;

/** So many odd mails one after the other, with no answer in between, are no longer odd. */
const IN_A_ROW_MAX = 3;

export function createOddMails(): OddMails {
  /** With the number of answers that others had when it was refused. */
  const refusals = new Map<Id, { readonly answers: number; readonly times: number }>();
  let answers = 0;
  let inARow = 0;

  return {
    refused(id) {
      const before = refusals.get(id);
      const isOdd = before !== undefined && answers > before.answers && inARow < IN_A_ROW_MAX;
      const times = (before?.times ?? 0) + (isOdd ? 1 : 0);
      refusals.delete(id);
      refusals.set(id, { answers, times });
      if (refusals.size > KEPT_MAX) refusals.delete(refusals.keys().next().value as Id);
      if (isOdd) inARow += 1;
      return isOdd ? times : undefined;
    },

    answered(id) {
      answers += 1;
      inARow = 0;
      if (refusals.size > 0) refusals.delete(id);
    },
  };
}
