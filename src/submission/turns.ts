// Turns of the event loop for work that would hold it up: one piece a turn, whatever number of mails has one
// waiting, each mail after the others. So a mail with much work takes longer, and no other mail waits for
// more than one piece.

export interface Turns {
  /** Resolves when the next piece of work may be done. */
  take(): Promise<void>;
}

export function createTurns(): Turns {
  const waiting: (() => void)[] = [];
  const next = (): void => {
    waiting.shift()?.();
    if (waiting.length > 0) setImmediate(next);
  };
  return {
    take: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        if (waiting.length === 1) setImmediate(next);
      }),
  };
}
