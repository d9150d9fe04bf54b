// The durable queue: accepted transmissions and their content, until each is relayed or reported.
// A message to many recipients is stored once. What is due when, and what happens to a claim, is the
// dispatcher's business; an accepted transmission in here *is* its claim.
import { checkFormat } from "../storage/format.ts";
import {
  type FileWriter,
  missingStore,
  type Operation,
  type Storage,
  type Store,
} from "../storage/storage.ts";
import { createAccepting } from "./accepting.ts";
import { ContentError, openBodies } from "./bodies.ts";
import type { NewSubmission } from "./changes.ts";
import { createFresh } from "./fresh.ts";
import { listed, listedOf, readSubmission } from "./listing.ts";
import { type Loaded, loadAll } from "./loading.ts";
import { createRead, type LostMail, type SpooledMail } from "./reading.ts";
import {
  encodeTransmission,
  PAUSES_KEY,
  type SpooledTransmission,
  START_KEY,
  type Submission,
  type SubmissionId,
  type TransmissionKey,
  transmissionKey,
} from "./record.ts";
import { createRemoving, type Found } from "./removing.ts";
import { createShares } from "./shares.ts";

export { ContentError, type Found, type Loaded, type LostMail, type NewSubmission, type SpooledMail };

export interface Spool {
  /** A file for a body that is too large for memory; close it before `accept`, or discard it. */
  createBody(id: SubmissionId): Promise<FileWriter>;
  /** The content of a body that was closed. */
  readBody(id: SubmissionId): AsyncIterable<Uint8Array>;
  /** Removes a body that was closed and will not be accepted after all. */
  removeBody(id: SubmissionId): Promise<void>;
  /** Durable when it resolves. On rejection nothing of it is in the spool, and its body is removed too. */
  accept(added: NewSubmission): Promise<void>;
  /**
   * All that is in the spool, submission by submission. For the start, before anything is accepted. Content without a
   * transmission is removed on the way.
   */
  load(): AsyncIterable<Loaded>;
  /**
   * What is in the spool, submission by submission, for people: as it was when the iteration began, ended or leaving too.
   *
   * @param after begins behind this one, which need not be there any more
   */
  list(
    after?: TransmissionKey,
  ): AsyncIterable<readonly [key: TransmissionKey, transmission: SpooledTransmission]>;
  /** All of one submission, in the same way. */
  listOf(
    submission: SubmissionId,
  ): AsyncIterable<readonly [key: TransmissionKey, transmission: SpooledTransmission]>;
  /** What is known of a submission, for people; undefined when that is gone or damaged. */
  submission(id: SubmissionId): Promise<Submission | undefined>;
  /** What is needed to make an attempt, or undefined when the transmission has left the spool or is leaving it. */
  read(key: TransmissionKey): Promise<SpooledMail | LostMail | undefined>;
  /**
   * Notes attempts, due time or a hold; nothing when the transmission has left or is leaving.
   *
   * @param durability "if it suits" unless given: lost in a crash at worst, and then found out again
   */
  update(key: TransmissionKey, transmission: SpooledTransmission, durability?: Durability): Promise<Found>;
  /**
   * Takes a transmission out, its submission with the last one. A crash may undo it: what comes back
   * is known to the ledger as relayed.
   */
  remove(key: TransmissionKey): Promise<Found>;
  /**
   * Takes a transmission out and accepts its notification, both or neither; durable when it resolves. On rejection
   * either may be so, until the same call has been repeated.
   */
  replace(key: TransmissionKey, notice: NewSubmission | undefined): Promise<Found>;
  /** What noteStart has noted last; see ledger/last-start.ts. */
  lastStart(): Promise<string | undefined>;
  /** Durable when it resolves. */
  noteStart(text: string): Promise<void>;
  /** What notePauses has noted last; see dispatch/operator-pauses.ts. */
  pauses(): Promise<string | undefined>;
  /** Durable when it resolves. */
  notePauses(text: string): Promise<void>;
  /** As `replace`, of several transmissions of one submission together. gone: all of them left before. */
  replaceAll(
    submission: SubmissionId,
    indexes: readonly number[],
    notice: NewSubmission | undefined,
  ): Promise<Found>;
  /** How many transmissions of the submission are in the spool and not leaving it. */
  count(submission: SubmissionId): number;
  /** Nothing that was accepted is left in it. */
  isEmpty(): boolean;
  close(): Promise<void>;
}

export type Durability = "durably" | "if it suits";

/**
 * What has just been accepted and not yet left, in memory: 4,000 mails of 4 KB, more than are under way at full
 * speed. What waits longer, since the upstream is slow or away, is read from the disk.
 */
const FRESH_OCTETS = 16 * 2 ** 20;

const NAME = "spool/queue";
const FORMAT = 2;

/** The same records, in a folder without seals. */
const UNSEALED_FORMAT = 1;

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
    await checkFormat(store, NAME, FORMAT, [UNSEALED_FORMAT]);
    return await createSpool(storage, store);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function createSpool(storage: Storage, store: Store): Promise<Spool> {
  const bodies = await openBodies(storage, store);
  const shares = createShares();
  const fresh = createFresh(FRESH_OCTETS);
  const parts = { store, bodies, shares, fresh };
  const accepting = createAccepting(parts);
  const { remove, replaceAll } = createRemoving({ ...parts, accepting });
  const textAt = async (key: Uint8Array): Promise<string | undefined> => {
    const value = await store.get(key);
    return value === undefined ? undefined : Buffer.from(value).toString();
  };
  const putText = (key: Uint8Array, text: string): Promise<void> =>
    store.commit([{ type: "put", key, value: Buffer.from(text) }]);
  return {
    createBody: bodies.create,
    readBody: bodies.read,
    removeBody: bodies.remove,
    accept: accepting.accept,
    load: () => loadAll(store, bodies, shares),
    list: (after) => listed(store, after),
    listOf: (submission) => listedOf(store, submission),
    submission: (id) => readSubmission(store, id),
    read: createRead(parts),

    async update(key, transmission, durability) {
      if (!shares.has(key)) return "gone";
      const put: Operation = {
        type: "put",
        key: transmissionKey(key),
        value: encodeTransmission(transmission),
      };
      try {
        await (durability === "durably" ? store.commit([put]) : store.write([put]));
      } catch (error) {
        fresh.drop(key);
        throw error;
      }
      fresh.update(key, transmission);
      return "done";
    },

    remove: ({ submission, index }) => remove(submission, index),
    replace: ({ submission, index }, notice) => replaceAll(submission, [index], notice),
    replaceAll,
    count: (submission) => shares.count(submission),
    isEmpty: shares.isEmpty,

    lastStart: () => textAt(START_KEY),
    noteStart: (text) => putText(START_KEY, text),
    pauses: () => textAt(PAUSES_KEY),
    notePauses: (text) => putText(PAUSES_KEY, text),

    async close() {
      // Should it fail, they come back at the next start, as mail whose client did not get the 250.
      await accepting.takeBack().catch(() => {});
      await store.close();
    },
  };
}
