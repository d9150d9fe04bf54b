// The memory for content of all connections together. A client chooses how much it sends and how slowly, so a
// bound on each alone would be multiplied by their number.

/** What one submission has taken of the budget. */
export interface ReceiveShare {
  /** False, and nothing taken, when that many octets are not left. */
  take(octets: number): boolean;
  /** @param octets no more than were taken */
  give(octets: number): void;
  /** Gives back all that is taken still. Doing so twice changes nothing. */
  close(): void;
}

export interface ReceiveBudget {
  /** To be closed when nothing of the content is held any more. */
  open(): ReceiveShare;
  /** Octets taken now, over all shares. */
  held(): number;
}

/**
 * Octets of content are counted, not what the process needs for them: a header that arrives in pieces is held
 * in a buffer that doubles, and one chunk of each connection (64 KiB at most) is under way uncounted.
 *
 * @param octets of one process
 */
export function createReceiveBudget(octets: number): ReceiveBudget {
  let held = 0;
  return {
    held: () => held,
    open() {
      let taken = 0;
      const give = (more: number): void => {
        taken -= more;
        held -= more;
      };
      return {
        take(more) {
          if (held + more > octets) return false;
          taken += more;
          held += more;
          return true;
        },
        give,
        close: () => give(taken),
      };
    },
  };
}
