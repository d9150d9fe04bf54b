// Which transmissions of each submission may be in the store. The content is shared, and leaves with the last of
// them: whether one is the last is decided here, when its removal is about to be committed.
import type { SubmissionId, TransmissionKey } from "./record.ts";

/**
 * Commits the removal.
 *
 * @param present those of the transmissions that have not left yet
 * @param all given when they are the last: every index of the submission. The commit names all of them,
 *   so that one whose own removal is undone by a crash never stays behind without the content.
 */
export type Removal = (present: readonly number[], all: readonly number[] | undefined) => Promise<void>;

export interface Shares {
  /** The submission is in the store, with so many transmissions. */
  accepted(id: SubmissionId, transmissions: number): void;
  /** A start has found the transmission in the store. */
  found(key: TransmissionKey): void;
  /** False once its removal has been asked for, whether or not that succeeded. */
  has(key: TransmissionKey): boolean;
  /** The submission may have records in the store. */
  hasAny(id: SubmissionId): boolean;
  /** No submission is in the store. */
  isEmpty(): boolean;
  /** How many of the submission's transmissions `has` is true of. */
  count(id: SubmissionId): number;
  /**
   * Takes transmissions of one submission out together, each once. A removal that can't be the last runs at once; one
   * that may be the last waits for those under way, whose end decides. A transmission whose removal was rejected
   * counts as still there: the content stays until its removal is repeated.
   *
   * @returns those that left by this call; when there are none, nothing was committed
   */
  leave(id: SubmissionId, indexes: readonly number[], removal: Removal): Promise<readonly number[]>;
}

interface Share {
  /** Indexes from 0 up to this one, exclusively, were accepted. */
  size: number;
  /** Those whose removal has not succeeded. */
  readonly staying: number[];
  /** Undefined until the first removal: most of the time nothing leaves. */
  exits: Exits | undefined;
}

interface Exits {
  /** Those of the staying whose removal was asked for. */
  readonly asked: number[];
  /** Those of the asked whose removal is being committed. */
  readonly leaving: number[];
  /** Called when one of the leaving has left, or has failed to. */
  waiting: (() => void)[];
}

export function createShares(): Shares {
  const shares = new Map<SubmissionId, Share>();

  function open(id: SubmissionId, size: number): Share {
    const share: Share = { size, staying: [], exits: undefined };
    shares.set(id, share);
    return share;
  }

  async function remove(
    id: SubmissionId,
    { size, staying }: Share,
    exits: Exits,
    present: readonly number[],
    removal: Removal,
  ): Promise<void> {
    const isLast = staying.length === present.length;
    exits.leaving.push(...present);
    try {
      await removal(present, isLast ? Array.from({ length: size }, (_, at) => at) : undefined);
      for (const index of present) {
        drop(staying, index);
        drop(exits.asked, index);
      }
      if (isLast) shares.delete(id);
    } finally {
      for (const index of present) drop(exits.leaving, index);
      const { waiting } = exits;
      exits.waiting = [];
      for (const goOn of waiting) goOn();
    }
  }

  return {
    accepted(id, transmissions) {
      const { staying } = open(id, transmissions);
      for (let index = 0; index < transmissions; index++) staying.push(index);
    },

    found({ submission, index }) {
      const share = shares.get(submission) ?? open(submission, 0);
      share.size = Math.max(share.size, index + 1);
      share.staying.push(index);
    },

    has({ submission, index }) {
      const share = shares.get(submission);
      return share?.staying.includes(index) === true && share.exits?.asked.includes(index) !== true;
    },

    hasAny: (id) => shares.has(id),
    isEmpty: () => shares.size === 0,

    count(id) {
      const share = shares.get(id);
      return share === undefined ? 0 : share.staying.length - (share.exits?.asked.length ?? 0);
    },

    async leave(id, indexes, removal) {
      for (;;) {
        const share = shares.get(id);
        const present = indexes.filter((index) => share?.staying.includes(index));
        if (share === undefined || present.length === 0) return [];
        share.exits ??= { asked: [], leaving: [], waiting: [] };
        const { exits, staying } = share;
        for (const index of present) if (!exits.asked.includes(index)) exits.asked.push(index);
        const isFree = !present.some((index) => exits.leaving.includes(index));
        const othersStay = staying.length - exits.leaving.length > present.length;
        if (isFree && (othersStay || exits.leaving.length === 0)) {
          await remove(id, share, exits, present, removal);
          return present;
        }
        await new Promise<void>((resolve) => void exits.waiting.push(resolve));
      }
    },
  };
}

function drop(list: number[], index: number): void {
  const at = list.indexOf(index);
  if (at >= 0) list.splice(at, 1);
}
