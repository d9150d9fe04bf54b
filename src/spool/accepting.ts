// Accepts submissions durably. What a failing disk refused may be in the store all the same, and is taken back before
// anything else is accepted.
import type { Operation, Store } from "../storage/storage.ts";
import type { Bodies } from "./bodies.ts";
import { acceptance, type NewSubmission, taken } from "./changes.ts";
import type { Fresh } from "./fresh.ts";
import type { SubmissionId } from "./record.ts";
import type { Shares } from "./shares.ts";

export interface Accepting {
  /** See Spool. */
  accept(added: NewSubmission): Promise<void>;
  /** What the store has to be written for it to be in. */
  operations(added: NewSubmission): Operation[];
  /** It is in the store, durably. */
  accepted(added: NewSubmission): void;
  /** Takes back what failed. Rejects when that fails: then there is nothing else to try. */
  takeBack(): Promise<void>;
}

export interface AcceptingParts {
  readonly store: Store;
  readonly bodies: Bodies;
  readonly shares: Shares;
  readonly fresh: Fresh;
}

export function createAccepting({ store, bodies, shares, fresh }: AcceptingParts): Accepting {
  /**
   * Accepts whose commit failed, but which may be in the store all the same, to be taken back. Until they are,
   * no other accept begins: so there are no more of them than were under way when the disk began to fail.
   */
  const failed: { readonly id: SubmissionId; readonly records: readonly Operation[] }[] = [];
  let takingBack: Promise<void> | undefined;

  const operations = (added: NewSubmission): Operation[] =>
    acceptance(added, bodies.noted(added.submission.id));

  function accepted({ submission, header, body, transmissions }: NewSubmission): void {
    shares.accepted(submission.id, transmissions.length);
    const prepared = { octets: header, ...submission.header };
    fresh.add({ submission, header: prepared, body }, transmissions);
  }

  async function takeBackOnce(): Promise<void> {
    const all = [...failed];
    await store.commit(all.flatMap(({ records }) => records));
    failed.splice(0, all.length);
    for (const { id } of all) await bodies.leave(id);
  }

  /** All that wait share one commit. */
  async function takeBack(): Promise<void> {
    while (failed.length > 0) {
      takingBack ??= takeBackOnce().finally(() => {
        takingBack = undefined;
      });
      await takingBack;
    }
  }

  return {
    async accept(added) {
      const { id } = added.submission;
      try {
        await takeBack();
      } catch (error) {
        await bodies.leave(id);
        throw error;
      }
      const all = operations(added);
      try {
        await store.commit(all);
      } catch (error) {
        failed.push({ id, records: taken(all) });
        throw error;
      }
      accepted(added);
    },
    operations,
    accepted,
    takeBack,
  };
}
