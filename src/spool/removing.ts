// Takes transmissions out, the content with the last of them; and puts a notification in their place, both or neither.
import type { Operation, Store } from "../storage/storage.ts";
import type { Accepting } from "./accepting.ts";
import type { Bodies } from "./bodies.ts";
import { contentRemoval, type NewSubmission, removal, taken } from "./changes.ts";
import type { Fresh } from "./fresh.ts";
import type { SubmissionId } from "./record.ts";
import type { Shares } from "./shares.ts";

/**
 * The result of a call. gone: the transmission left before, so nothing was done, and a notification is not in the
 * spool. Removals are decided one after the other: of two for one transmission one finds it gone.
 */
export type Found = "done" | "gone";

export interface Removing {
  /** See Spool. */
  remove(submission: SubmissionId, index: number): Promise<Found>;
  /** See Spool. */
  replaceAll(
    submission: SubmissionId,
    indexes: readonly number[],
    notice: NewSubmission | undefined,
  ): Promise<Found>;
}

export interface RemovingParts {
  readonly store: Store;
  readonly bodies: Bodies;
  readonly shares: Shares;
  readonly fresh: Fresh;
  readonly accepting: Accepting;
}

export function createRemoving({ store, bodies, shares, fresh, accepting }: RemovingParts): Removing {
  /** @param apply commits the removal */
  async function takeOut(
    submission: SubmissionId,
    indexes: readonly number[],
    apply: (operations: Operation[]) => Promise<void>,
  ): Promise<Found> {
    for (const index of indexes) fresh.drop({ submission, index });
    let isLast = false;
    const left = await shares.leave(submission, indexes, async (present, all) => {
      isLast = all !== undefined;
      const operations = removal(submission, all ?? present);
      if (isLast) operations.push(...contentRemoval(submission, bodies.noted(submission)));
      await apply(operations);
    });
    if (isLast) await bodies.leave(submission);
    return left.length > 0 ? "done" : "gone";
  }

  return {
    remove: (submission, index) => takeOut(submission, [index], (operations) => store.write(operations)),

    async replaceAll(submission, indexes, notice) {
      const added = notice === undefined ? [] : accepting.operations(notice);
      const found = await takeOut(submission, indexes, (operations) =>
        store.commit([...operations, ...added]),
      );
      if (notice === undefined) return found;
      if (found === "done") accepting.accepted(notice);
      else if (shares.hasAny(notice.submission.id)) return "done";
      // An earlier call with it may have failed and taken effect before another removal came.
      else await store.commit(taken(added));
      return found;
    },
  };
}
