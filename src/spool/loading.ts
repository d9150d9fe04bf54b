// All that a start finds in the spool. What a removal that was cut short has left of a content is removed on the way.
import type { Store } from "../storage/storage.ts";
import type { Bodies } from "./bodies.ts";
import { contentRemoval } from "./changes.ts";
import {
  ALL_SUBMISSIONS,
  ALL_TRANSMISSIONS,
  decodeTransmission,
  type SpooledTransmission,
  type SubmissionId,
  submissionOfKey,
  type TransmissionKey,
  transmissionOfKey,
} from "./record.ts";
import type { Shares } from "./shares.ts";

/** What a start finds. Without its content, `read` says what is lost. */
export type Loaded = readonly [key: TransmissionKey, transmission: SpooledTransmission, hasContent: boolean];

/** See Spool. */
export async function* loadAll(store: Store, bodies: Bodies, shares: Shares): AsyncGenerator<Loaded> {
  // Both are in the order of the submissions' ids, so one pass over each is enough.
  const lost = await bodies.lost();
  const contents = store.keys(ALL_SUBMISSIONS)[Symbol.asyncIterator]();
  const nextContent = async (): Promise<SubmissionId | undefined> => {
    const { done, value } = await contents.next();
    return done === true ? undefined : submissionOfKey(value);
  };
  const orphans: SubmissionId[] = [];
  let content = await nextContent();
  let isMet = false;
  const passContent = async (): Promise<void> => {
    if (content !== undefined && !isMet) orphans.push(content);
    content = await nextContent();
    isMet = false;
  };
  try {
    for await (const [octets, value] of store.entries(ALL_TRANSMISSIONS)) {
      const key = transmissionOfKey(octets);
      while (content !== undefined && content < key.submission) await passContent();
      const hasContent = content === key.submission;
      isMet ||= hasContent;
      shares.found(key);
      yield [key, decodeTransmission(value), hasContent && !lost.has(key.submission)];
    }
    while (content !== undefined) await passContent();
  } finally {
    await contents.return?.();
  }
  await removeContents(orphans, store, bodies);
}

/** Of submissions without a transmission: a removal failed, took effect, and was not repeated. */
async function removeContents(orphans: readonly SubmissionId[], store: Store, bodies: Bodies): Promise<void> {
  if (orphans.length === 0) return;
  await store.write(orphans.flatMap((id) => contentRemoval(id, bodies.noted(id))));
  for (const id of orphans) await bodies.leave(id);
}
