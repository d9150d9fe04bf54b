// A bound on the octets that all attempts under way hold in memory, however many of them the concurrency
// allows. It counts and hands out; when to attempt what is for lane.ts.

export interface Budget {
  /**
   * Takes so many octets and returns how to give them back, once. Undefined when there is no room: then
   * `again` is called when there may be, in the order in which lanes asked, so that none starves. More
   * than the whole budget is given to one alone.
   *
   * @param again names the caller: it waits in one place, whatever it asks for meanwhile
   */
  take(octets: number, again: () => void): (() => void) | undefined;
  /** Octets taken now. */
  held(): number;
}

export function createBudget(maxOctets: number): Budget {
  let taken = 0;
  const waiting = new Map<() => void, number>();
  /** Who was just called, and may take although others wait. */
  let turn: (() => void) | undefined;

  const fits = (octets: number): boolean => taken === 0 || taken + octets <= maxOctets;

  /** Ends, since each one that asks again on its turn takes something or does not fit. */
  function callWaiting(): void {
    for (const [again, octets] of waiting) {
      if (!fits(octets)) return;
      waiting.delete(again);
      turn = again;
      again();
      turn = undefined;
    }
  }

  return {
    take(octets, again) {
      const isTurn = turn === again;
      if (!fits(octets) || (waiting.size > 0 && !isTurn)) {
        waiting.set(again, octets);
        return undefined;
      }
      // One for each turn.
      turn = undefined;
      taken += octets;
      let given = false;
      return () => {
        if (given) return;
        given = true;
        taken -= octets;
        callWaiting();
      };
    },
    held: () => taken,
  };
}
