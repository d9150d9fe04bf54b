// Reads one transmission with its content: from memory while it is fresh, from the store otherwise. Content that is
// missing or damaged makes it a lost mail, which can only be reported.
import type { Store } from "../storage/storage.ts";
import type { Bodies } from "./bodies.ts";
import type { Fresh } from "./fresh.ts";
import {
  decodeSubmission,
  decodeTransmission,
  type SpooledTransmission,
  type StoredSubmission,
  type SubmissionId,
  submissionKey,
  type TransmissionKey,
  transmissionKey,
} from "./record.ts";
import type { Shares } from "./shares.ts";

/** One transmission with what it shares with others. */
export interface SpooledMail extends StoredSubmission {
  readonly kind: "whole";
  readonly transmission: SpooledTransmission;
  /** The body from its beginning, wherever it lies. Rejects with a ContentError where it is not whole. */
  bodyOctets(): AsyncIterable<Uint8Array>;
}

/** A transmission whose content is missing or cut short: it can only be reported. */
export interface LostMail {
  readonly kind: "lost";
  readonly submissionId: SubmissionId;
  readonly transmission: SpooledTransmission;
  readonly cause: string;
}

export interface ReadingParts {
  readonly store: Store;
  readonly bodies: Bodies;
  readonly shares: Shares;
  readonly fresh: Fresh;
}

/** See Spool. */
export type Read = (key: TransmissionKey) => Promise<SpooledMail | LostMail | undefined>;

export function createRead({ store, bodies, shares, fresh }: ReadingParts): Read {
  function mailOf(
    { submission, header, body }: StoredSubmission,
    transmission: SpooledTransmission,
  ): SpooledMail {
    return {
      kind: "whole",
      submission,
      header,
      body,
      transmission,
      async *bodyOctets() {
        if (body !== undefined) yield body;
        else yield* bodies.readWhole(submission);
      },
    };
  }

  return async (key) => {
    const known = fresh.get(key);
    if (known !== undefined) return mailOf(known.stored, known.transmission);
    const [transmission, stored] = await Promise.all([
      store.get(transmissionKey(key)),
      store.get(submissionKey(key.submission)),
    ]);
    // The two were read one after the other, and a removal may have come between.
    if (transmission === undefined || (stored === undefined && !shares.has(key))) return undefined;
    const decoded = decodeTransmission(transmission);
    const lost = (cause: string): LostMail => ({
      ...{ kind: "lost", submissionId: key.submission, transmission: decoded, cause },
    });
    if (stored === undefined) return lost("the record of its submission is missing");
    try {
      return mailOf(decodeSubmission(stored), decoded);
    } catch (error) {
      return lost(`the record of its submission is damaged: ${String(error)}`);
    }
  };
}
