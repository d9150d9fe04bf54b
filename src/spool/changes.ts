// What the spool writes for an acceptance and for a removal. Pure.
import type { Operation } from "../storage/storage.ts";
import {
  type BodyFile,
  bodyKey,
  encodeBodyFile,
  encodeSubmission,
  encodeTransmission,
  type SpooledTransmission,
  type Submission,
  type SubmissionId,
  submissionKey,
  transmissionKey,
} from "./record.ts";

export interface NewSubmission {
  readonly submission: Submission;
  /** The header's octets, as many as `submission.headerSize` says. */
  readonly header: Uint8Array;
  /** The body in memory, or undefined when it lies in the file made by createBody. */
  readonly body: Uint8Array | undefined;
  /** Position is the index of the key. At least one. */
  readonly transmissions: readonly SpooledTransmission[];
}

/** @param file what its body's file has to be, where it has one */
export const acceptance = (
  { submission, header, body, transmissions }: NewSubmission,
  file: BodyFile | undefined,
): Operation[] => [
  { type: "put", key: submissionKey(submission.id), value: encodeSubmission(submission, header, body) },
  ...(file === undefined
    ? []
    : [{ type: "put", key: bodyKey(submission.id), value: encodeBodyFile(file) } as const]),
  ...transmissions.map(
    (transmission, index): Operation => ({
      type: "put",
      key: transmissionKey({ submission: submission.id, index }),
      value: encodeTransmission(transmission),
    }),
  ),
];

/** Takes an acceptance back. */
export const taken = (accepted: readonly Operation[]): Operation[] =>
  accepted.map(({ key }) => ({ type: "del", key }));

export const removal = (submission: SubmissionId, indexes: readonly number[]): Operation[] =>
  indexes.map((index) => ({ type: "del", key: transmissionKey({ submission, index }) }));

/** What goes with the last transmission. */
export const contentRemoval = (id: SubmissionId, file: BodyFile | undefined): Operation[] => [
  { type: "del", key: submissionKey(id) },
  ...(file === undefined ? [] : [{ type: "del", key: bodyKey(id) } as const]),
];
