// What is in the spool, for people: read from the store in the order of its keys, a piece at a time, so that the event loop
// goes on meanwhile.
import type { Range, Store } from "../storage/storage.ts";
import {
  ALL_TRANSMISSIONS,
  decodeSubmission,
  decodeTransmission,
  type SpooledTransmission,
  type Submission,
  type SubmissionId,
  submissionKey,
  type TransmissionKey,
  transmissionKey,
  transmissionOfKey,
} from "./record.ts";

type Listed = readonly [key: TransmissionKey, transmission: SpooledTransmission];

async function* inRange(store: Store, range: Range): AsyncGenerator<Listed> {
  for await (const [key, value] of store.entries(range)) {
    yield [transmissionOfKey(key), decodeTransmission(value)];
  }
}

/** See Spool. */
export const listed = (store: Store, after: TransmissionKey | undefined): AsyncIterable<Listed> =>
  inRange(
    store,
    after === undefined
      ? ALL_TRANSMISSIONS
      : { ...ALL_TRANSMISSIONS, gte: transmissionKey({ ...after, index: after.index + 1 }) },
  );

/** See Spool. */
export const listedOf = (store: Store, submission: SubmissionId): AsyncIterable<Listed> =>
  inRange(store, {
    gte: transmissionKey({ submission, index: 0 }),
    lt: transmissionKey({ submission, index: INDEX_END }),
  });

/** Above any. */
const INDEX_END = 999_999;

/** See Spool. */
export async function readSubmission(store: Store, id: SubmissionId): Promise<Submission | undefined> {
  const value = await store.get(submissionKey(id));
  if (value === undefined) return undefined;
  try {
    return decodeSubmission(value).submission;
  } catch {
    return undefined;
  }
}
