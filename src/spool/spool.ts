// The durable queue: accepted transmissions and their content, until each is relayed or reported.
// A message to many recipients is stored once. What is due when, and what happens to a claim, is the
// dispatcher's business; an accepted transmission in here *is* its claim.

import { crc32 } from "node:zlib";
import { checkFormat } from "../storage/format.ts";
import {
  type FileWriter,
  missingStore,
  type Operation,
  type Storage,
  type Store,
} from "../storage/storage.ts";
import { createFresh } from "./fresh.ts";
import {
  ALL_BODIES,
  ALL_SUBMISSIONS,
  ALL_TRANSMISSIONS,
  type BodyFile,
  bodyKey,
  decodeBodyFile,
  decodeSubmission,
  decodeTransmission,
  encodeBodyFile,
  encodeSubmission,
  encodeTransmission,
  type SpooledTransmission,
  START_KEY,
  type StoredSubmission,
  type Submission,
  type SubmissionId,
  submissionKey,
  submissionOfKey,
  type TransmissionKey,
  transmissionKey,
  transmissionOfKey,
} from "./record.ts";
import { createShares } from "./shares.ts";

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
  /**
   * All that is in the spool, in order of acceptance. For the start, before anything is accepted. Content that no
   * transmission is left of is removed on the way.
   */
  load(): AsyncIterable<Loaded>;
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
  /** As `replace`, of several transmissions of one submission together. gone: all of them had left. */
  replaceAll(
    submission: SubmissionId,
    indexes: readonly number[],
    notice: NewSubmission | undefined,
  ): Promise<Found>;
  /** How many transmissions of the submission are in the spool and not leaving it. */
  count(submission: SubmissionId): number;
  close(): Promise<void>;
}

export type Durability = "durably" | "if it suits";

/**
 * What a call has come to. gone: the transmission had left before, so that nothing was done, and a notification is
 * not in the spool. Removals are decided one after the other: of two for one transmission one finds it gone.
 */
export type Found = "done" | "gone";

/** What a start finds. Without its content, `read` says what is lost. */
export type Loaded = readonly [key: TransmissionKey, transmission: SpooledTransmission, hasContent: boolean];

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

/** The content that a transmission needs is not on the disk any more. No failure of a call: trying again helps nothing. */
export class ContentError extends Error {
  override readonly name = "ContentError";
}

const BODIES = "spool/bodies";
const bodyFile = (id: SubmissionId): string => `${BODIES}/${id}`;

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
  const shares = createShares();
  /** Submissions whose body has a file, and what it has to be; version 0.1.0 did not note that. */
  const bodies = new Map<SubmissionId, BodyFile | undefined>();
  /**
   * Accepts whose commit failed, but which may be in the store all the same, to be taken back. Until they are,
   * no other accept begins: so there are no more of them than were under way when the disk began to fail.
   */
  const failed: { readonly id: SubmissionId; readonly records: readonly Operation[] }[] = [];
  let takingBack: Promise<void> | undefined;

  const fresh = createFresh(FRESH_OCTETS);

  /** It is in the store, durably. */
  const accepted = ({ submission, header, body, transmissions: added }: NewSubmission): void => {
    shares.accepted(submission.id, added.length);
    const prepared = { octets: header, ...submission.header };
    fresh.add({ submission, header: prepared, body }, added);
  };

  const bodyRecord = (id: SubmissionId): Operation[] => {
    const body = bodies.get(id);
    return body === undefined ? [] : [{ type: "put", key: bodyKey(id), value: encodeBodyFile(body) }];
  };

  /** What goes with the last transmission. */
  const contentLeaving = (id: SubmissionId): Operation[] => [
    { type: "del", key: submissionKey(id) },
    ...(bodies.get(id) === undefined ? [] : [{ type: "del", key: bodyKey(id) } as const]),
  ];

  const accepting = ({ submission, header, body, transmissions: added }: NewSubmission): Operation[] => [
    {
      type: "put",
      key: submissionKey(submission.id),
      value: encodeSubmission(submission, header, body),
    },
    ...bodyRecord(submission.id),
    ...added.map(
      (transmission, index): Operation => ({
        type: "put",
        key: transmissionKey({ submission: submission.id, index }),
        value: encodeTransmission(transmission),
      }),
    ),
  ];

  /**
   * After the records are gone, which is what counts: a body without one is swept at the next start, so
   * that it can't be removed now is no failure of what was recorded.
   */
  const removeBodyOf = async (id: SubmissionId): Promise<void> => {
    if (bodies.delete(id)) await storage.removeFile(bodyFile(id)).catch(() => {});
  };

  /** @param apply commits the removal */
  const takeOut = async (
    submission: SubmissionId,
    indexes: readonly number[],
    apply: (operations: Operation[]) => Promise<void>,
  ): Promise<Found> => {
    for (const index of indexes) fresh.drop({ submission, index });
    let isLast = false;
    const left = await shares.leave(submission, indexes, async (present, all) => {
      isLast = all !== undefined;
      const operations = (all ?? present).map(
        (one): Operation => ({ type: "del", key: transmissionKey({ submission, index: one }) }),
      );
      if (isLast) operations.push(...contentLeaving(submission));
      await apply(operations);
    });
    if (isLast) await removeBodyOf(submission);
    return left.length > 0 ? "done" : "gone";
  };

  const replaceAll: Spool["replaceAll"] = async (submission, indexes, notice) => {
    const added = notice === undefined ? [] : accepting(notice);
    const found = await takeOut(submission, indexes, (operations) => store.commit([...operations, ...added]));
    if (notice === undefined) return found;
    if (found === "done") accepted(notice);
    else if (shares.hasAny(notice.submission.id)) return "done";
    // An earlier call with it may have failed and taken effect before another removal came.
    else await store.commit(added.map(({ key: own }) => ({ type: "del", key: own })));
    return found;
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

  /** Removes files that belong to no submission. */
  const sweepBodies = async (): Promise<void> => {
    for await (const [key, value] of store.entries(ALL_BODIES)) {
      bodies.set(submissionOfKey(key), decodeBodyFile(value));
    }
    const files = await storage.list(BODIES);
    if (files.length === 0) return;
    const known = new Set<SubmissionId>();
    for await (const key of store.keys(ALL_SUBMISSIONS)) known.add(submissionOfKey(key));
    for (const file of files) {
      if (!known.has(file)) await storage.removeFile(bodyFile(file));
      else if (!bodies.has(file)) bodies.set(file, undefined);
    }
  };

  /** Submissions whose file is missing, or has another size than it had. */
  const lostBodies = async (): Promise<Set<SubmissionId>> => {
    const lost = new Set<SubmissionId>();
    for (const [id, body] of bodies) {
      if (body !== undefined && (await storage.fileSize(bodyFile(id))) !== body.octets) lost.add(id);
    }
    return lost;
  };

  const mailOf = (
    { submission, header, body }: StoredSubmission,
    transmission: SpooledTransmission,
  ): SpooledMail => ({
    kind: "whole",
    submission,
    header,
    body,
    transmission,
    async *bodyOctets() {
      if (body !== undefined) yield body;
      else yield* wholeBody(submission);
    },
  });

  async function* wholeBody({ id, bodySize }: Submission): AsyncGenerator<Uint8Array> {
    let octets = 0;
    let checksum = 0;
    try {
      for await (const chunk of storage.readFile(bodyFile(id))) {
        octets += chunk.length;
        checksum = crc32(chunk, checksum);
        yield chunk;
      }
    } catch (error) {
      const isThere = octets > 0 || (await storage.list(BODIES)).includes(id);
      throw isThere ? error : new ContentError("its body file is missing");
    }
    if (octets !== bodySize) {
      throw new ContentError(`its body file has ${octets} octets in place of ${bodySize}`);
    }
    // Before its end: nobody takes the message for whole that is not.
    if (checksum !== (bodies.get(id)?.crc32 ?? checksum)) {
      throw new ContentError("its body file has changed on the disk");
    }
  }

  /** Removes the content of submissions without a transmission: a removal failed, took effect, and was not repeated. */
  const sweepContents = async (orphans: readonly SubmissionId[]): Promise<void> => {
    if (orphans.length === 0) return;
    await store.write(orphans.flatMap(contentLeaving));
    for (const id of orphans) await removeBodyOf(id);
  };

  await sweepBodies();

  return {
    async createBody(id) {
      const writer = await storage.createFile(bodyFile(id));
      bodies.set(id, undefined);
      let body: BodyFile = { octets: 0, crc32: 0 };
      return {
        async append(octets) {
          body = { octets: body.octets + octets.length, crc32: crc32(octets, body.crc32) };
          await writer.append(octets);
        },
        async close() {
          await writer.close();
          bodies.set(id, body);
        },
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
      // Both are in the order of the submissions' ids, so one pass over each is enough.
      const lost = await lostBodies();
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
      await sweepContents(orphans);
    },

    async read(key) {
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
    },

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

    remove: ({ submission, index }) => takeOut(submission, [index], (operations) => store.write(operations)),

    replace: ({ submission, index }, notice) => replaceAll(submission, [index], notice),
    replaceAll,
    count: (submission) => shares.count(submission),

    async lastStart() {
      const value = await store.get(START_KEY);
      return value === undefined ? undefined : Buffer.from(value).toString();
    },

    noteStart: (text) => store.commit([{ type: "put", key: START_KEY, value: Buffer.from(text) }]),

    async close() {
      // Should it fail, they come back at the next start, as mail whose client did not hear the 250.
      await allTakenBack().catch(() => {});
      await store.close();
    },
  };
}
