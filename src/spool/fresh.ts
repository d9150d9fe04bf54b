// What has just been accepted, still in memory: most mail is attempted within milliseconds, and reading it back
// from the store for that would cost more than the attempt's own work. Never more than the store holds, and
// nothing depends on it being here.
import type { SpooledTransmission, StoredSubmission, SubmissionId, TransmissionKey } from "./record.ts";

export interface Fresh {
  /** To be called once it is durable. Keeps it if there is room. */
  add(stored: StoredSubmission, transmissions: readonly SpooledTransmission[]): void;
  get(key: TransmissionKey): { stored: StoredSubmission; transmission: SpooledTransmission } | undefined;
  /** The transmission has changed in the store. */
  update(key: TransmissionKey, transmission: SpooledTransmission): void;
  /** It is leaving the store, or what it is there is not known. */
  drop(key: TransmissionKey): void;
}

interface Entry {
  readonly stored: StoredSubmission;
  readonly octets: number;
  /** By index; undefined once it has left. */
  readonly transmissions: (SpooledTransmission | undefined)[];
  left: number;
}

/** @param octetsMax of contents, all together; what comes when it is full is read from the store */
export function createFresh(octetsMax: number): Fresh {
  const entries = new Map<SubmissionId, Entry>();
  let held = 0;

  return {
    add(stored, transmissions) {
      const octets = stored.header.octets.length + (stored.body?.length ?? 0);
      if (held + octets > octetsMax) return;
      held += octets;
      entries.set(stored.submission.id, {
        stored,
        octets,
        transmissions: [...transmissions],
        left: transmissions.length,
      });
    },
    get({ submission, index }) {
      const entry = entries.get(submission);
      const transmission = entry?.transmissions[index];
      return entry === undefined || transmission === undefined
        ? undefined
        : { stored: entry.stored, transmission };
    },
    update({ submission, index }, transmission) {
      const transmissions = entries.get(submission)?.transmissions;
      if (transmissions?.[index] !== undefined) transmissions[index] = transmission;
    },
    drop({ submission, index }) {
      const entry = entries.get(submission);
      if (entry?.transmissions[index] === undefined) return;
      entry.transmissions[index] = undefined;
      if (--entry.left > 0) return;
      entries.delete(submission);
      held -= entry.octets;
    },
  };
}
