// The durable queue: accepted transmissions and their content, until each is relayed or reported.
// A message to many recipients is stored once. What is due when, and what happens to a claim, is the
// dispatcher's business; an accepted transmission in here *is* its claim.
import { checkFormat } from "../runtime/format.ts";
import {
  type FileWriter,
  missingStore,
  type Operation,
  type Storage,
  type Store,
} from "../runtime/storage.ts";
import { createFresh } from "./fresh.ts";
import {
  ALL_SUBMISSIONS,
  ALL_TRANSMISSIONS,
  decodeSubmission,
  decodeTransmission,
  encodeSubmission,
  encodeTransmission,
  type SpooledTransmission,
  type StoredSubmission,
  type Submission,
  type SubmissionId,
  submissionKey,
  submissionOfKey,
  type TransmissionKey,
  transmissionKey,
  transmissionOfKey,
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

export interface Spool {
  /** A file for a body that is too large for memory; close it before `accept`, or discard it. */
  createBody(id: SubmissionId): Promise<FileWriter>;
  /** The content of a body that was closed. */
  readBody(id: SubmissionId): AsyncIterable<Uint8Array>;
  /** Removes a body that was closed and will not be accepted after all. */
  removeBody(id: SubmissionId): Promise<void>;
  /** Durable when it resolves. On rejection nothing of it is in the spool, and its body is removed too. */
  accept(submission: NewSubmission): Promise<void>;
  /** All that is in the spool, in order of acceptance. For the start, before anything is accepted. */
  load(): AsyncIterable<readonly [TransmissionKey, SpooledTransmission]>;
  /** What is needed to make an attempt, or undefined when the transmission is not in the spool. */
  read(key: TransmissionKey): Promise<SpooledMail | undefined>;
  /** Notes attempts, due time or a hold. Lost in a crash at worst, and then found out again. */
  update(key: TransmissionKey, transmission: SpooledTransmission): Promise<void>;
  /**
   * Takes a transmission out, its submission with the last one. A crash may undo it: what comes back
   * is known to the ledger as relayed.
   */
  remove(key: TransmissionKey): Promise<void>;
  /** Takes a transmission out and accepts its notification, both or neither; durable when it resolves. */
  replace(key: TransmissionKey, notice: NewSubmission | undefined): Promise<void>;
  close(): Promise<void>;
}

/** One transmission with what it shares with others. */
export interface SpooledMail extends StoredSubmission {
  readonly transmission: SpooledTransmission;
  /** The body from its beginning, wherever it lies. */
  bodyOctets(): AsyncIterable<Uint8Array>;
}

const BODIES = "spool/bodies";
const bodyFile = (id: SubmissionId): string => `${BODIES}/${id}`;

/**
 * What has just been accepted and not yet left, in memory: 4,000 mails of 4 KB, more than are under way at full
 * speed. What waits longer, since the upstream is slow or away, is read from the disk.
 */
const FRESH_OCTETS = 16 * 2 ** 20;

const NAME = "spool/queue";
const FORMAT = 1;

/**
 * To be opened before the ledger: where there is a ledger, there was a spool, and its being gone is no
 * empty queue.
 *
 * @throws StorageError when the store can't be opened, is gone, or was written by a mailonce that knows
 *   more than this one
 */
export async function openSpool(storage: Storage): Promise<Spool> {
  const wasThere = (await storage.list("ledger")).length > 0;
  if (wasThere && !(await storage.list("spool")).includes("queue")) {
    throw missingStore(NAME, "the mail that it held is then lost");
  }
  const store = await storage.openStore(NAME, "short");
  try {
    await checkFormat(store, NAME, FORMAT);
    return await createSpool(storage, store);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function createSpool(storage: Storage, store: Store): Promise<Spool> {
  /** Transmissions left of each submission; the content goes with the last. */
  const remaining = new Map<SubmissionId, number>();
  /** Submissions whose body has a file. */
  const bodies = new Set<SubmissionId>();
  /**
   * Accepts whose commit failed, but which may be in the store all the same, to be taken back. Until they are,
   * no other accept begins: so there are no more of them than were under way when the disk began to fail.
   */
  const failed: { readonly id: SubmissionId; readonly records: readonly Operation[] }[] = [];
  let takingBack: Promise<void> | undefined;

  const fresh = createFresh(FRESH_OCTETS);

  /** It is in the store, durably. */
  const accepted = ({ submission, header, body, transmissions: added }: NewSubmission): void => {
    count(submission.id, added.length);
    const prepared = { octets: header, ...submission.header };
    fresh.add({ submission, header: prepared, body }, added);
  };

  const accepting = ({ submission, header, body, transmissions: added }: NewSubmission): Operation[] => [
    {
      type: "put",
      key: submissionKey(submission.id),
      value: encodeSubmission(submission, header, body),
    },
    ...added.map(
      (transmission, index): Operation => ({
        type: "put",
        key: transmissionKey({ submission: submission.id, index }),
        value: encodeTransmission(transmission),
      }),
    ),
  ];

  const count = (id: SubmissionId, change: number): number => {
    const left = (remaining.get(id) ?? 0) + change;
    if (left > 0) remaining.set(id, left);
    else remaining.delete(id);
    return left;
  };

  /**
   * After the records are gone, which is what counts: a body without one is swept at the next start, so
   * that it can't be removed now is no failure of what was recorded.
   */
  const removeBodyOf = async (id: SubmissionId): Promise<void> => {
    if (bodies.delete(id)) await storage.removeFile(bodyFile(id)).catch(() => {});
  };

  /**
   * Counts a transmission out before anything is awaited, so that of two that leave at the same time
   * one knows that it is the last.
   */
  const takeOut = async (
    { submission, index }: TransmissionKey,
    apply: (operations: Operation[]) => Promise<void>,
  ): Promise<void> => {
    const last = count(submission, -1) === 0;
    fresh.drop({ submission, index });
    const operations: Operation[] = [{ type: "del", key: transmissionKey({ submission, index }) }];
    if (last) operations.push({ type: "del", key: submissionKey(submission) });
    try {
      await apply(operations);
    } catch (error) {
      count(submission, 1);
      throw error;
    }
    if (last) await removeBodyOf(submission);
  };

  const takeBack = async (): Promise<void> => {
    const taken = [...failed];
    await store.commit(taken.flatMap(({ records }) => records));
    failed.splice(0, taken.length);
    for (const { id } of taken) await removeBodyOf(id);
  };

  /** All that wait share one commit. Rejects when it fails: then there is nothing else to try. */
  const allTakenBack = async (): Promise<void> => {
    while (failed.length > 0) {
      takingBack ??= takeBack().finally(() => {
        takingBack = undefined;
      });
      await takingBack;
    }
  };

  const sweepBodies = async (): Promise<void> => {
    const files = await storage.list(BODIES);
    if (files.length === 0) return;
    const known = new Set<SubmissionId>();
    for await (const key of store.keys(ALL_SUBMISSIONS)) known.add(submissionOfKey(key));
    for (const file of files) {
      if (known.has(file)) bodies.add(file);
      else await storage.removeFile(bodyFile(file));
    }
  };

  const mailOf = (
    { submission, header, body }: StoredSubmission,
    transmission: SpooledTransmission,
  ): SpooledMail => ({
    submission,
    header,
    body,
    transmission,
    async *bodyOctets() {
      if (body !== undefined) yield body;
      else yield* storage.readFile(bodyFile(submission.id));
    },
  });

  await sweepBodies();

  return {
    async createBody(id) {
      const writer = await storage.createFile(bodyFile(id));
      bodies.add(id);
      return {
        ...writer,
        async discard() {
          bodies.delete(id);
          await writer.discard();
        },
      };
    },

    readBody: (id) => storage.readFile(bodyFile(id)),

    async removeBody(id) {
      bodies.delete(id);
      await storage.removeFile(bodyFile(id));
    },

    async accept(added) {
      try {
        await allTakenBack();
      } catch (error) {
        await removeBodyOf(added.submission.id);
        throw error;
      }
      const operations = accepting(added);
      try {
        await store.commit(operations);
      } catch (error) {
        const records = operations.map(({ key }): Operation => ({ type: "del", key }));
        failed.push({ id: added.submission.id, records });
        throw error;
      }
      accepted(added);
    },

    async *load() {
      for await (const [key, value] of store.entries(ALL_TRANSMISSIONS)) {
        const parsed = transmissionOfKey(key);
        count(parsed.submission, 1);
        yield [parsed, decodeTransmission(value)];
      }
    },

    async read(key) {
      const known = fresh.get(key);
      if (known !== undefined) return mailOf(known.stored, known.transmission);
      const [transmission, stored] = await Promise.all([
        store.get(transmissionKey(key)),
        store.get(submissionKey(key.submission)),
      ]);
      if (transmission === undefined || stored === undefined) return undefined;
      return mailOf(decodeSubmission(stored), decodeTransmission(transmission));
    },

    async update(key, transmission) {
      try {
        await store.write([
          { type: "put", key: transmissionKey(key), value: encodeTransmission(transmission) },
        ]);
      } catch (error) {
        fresh.drop(key);
        throw error;
      }
      fresh.update(key, transmission);
    },

    remove: (key) => takeOut(key, (operations) => store.write(operations)),

    async replace(key, notice) {
      const added = notice === undefined ? [] : accepting(notice);
      await takeOut(key, (operations) => store.commit([...operations, ...added]));
      if (notice !== undefined) accepted(notice);
    },

    async close() {
      // Should it fail, they come back at the next start, as mail whose client did not hear the 250.
      await allTakenBack().catch(() => {});
      await store.close();
    },
  };
}
