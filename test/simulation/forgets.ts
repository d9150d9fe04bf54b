// What an operator has forgotten: who may be relayed by that, and how often.
import { type Facts, type Made, push, type Wished } from "./facts.ts";
import type { Event } from "./history.ts";

/** Those that were granted, or may have been. */
export function gatherWishes(events: readonly Event[], forgets: Facts["forgets"]): void {
  const asked = new Map<number, Wished>();
  for (const event of events) {
    if (event.kind === "forget_asked") {
      const { wish, seq } = event;
      asked.set(wish.number, { ...wish, askedSeq: seq, endSeq: Number.POSITIVE_INFINITY });
    } else if (event.kind === "forget_answered") {
      const { wish, said, seq } = event;
      const before = asked.get(wish.number);
      // One that failed on the way may take effect later.
      if (before === undefined || typeof said === "object") continue;
      if (said === "forgotten") asked.set(wish.number, { ...before, endSeq: seq });
      else asked.delete(wish.number);
    }
  }
  for (const one of asked.values()) push(forgets, one.id, one);
}

/**
 * It was forgotten after the copy before, and this is a new mail: its submission had no answer by then, and is not that of
 * the copy before. What a spool had before that is none.
 *
 * @param left those of the id that have allowed no copy yet; this one is taken out
 */
export function isForgotten(facts: Facts, left: Set<Wished>, before: Made, copy: Made): boolean {
  const { marker = "" } = copy.attempt.content;
  if (marker === before.attempt.content.marker) return false;
  const answeredSeq = facts.answered.get(marker) ?? Number.POSITIVE_INFINITY;
  const [first] = [...left]
    .filter((one) => one.askedSeq < copy.seq && one.endSeq > (before.takenSeq ?? before.seq))
    .filter((one) => one.askedSeq < answeredSeq)
    .sort((a, b) => a.endSeq - b.endSeq);
  return first !== undefined && left.delete(first);
}

/** Where the id was last forgotten, of what was answered so before `seq`: its mail since then is another. */
export const forgottenBefore = ({ forgets }: Facts, id: string, seq: number): number =>
  Math.max(
    -1,
    ...(forgets.get(id) ?? []).filter(({ endSeq }) => endSeq < seq).map(({ askedSeq }) => askedSeq),
  );
