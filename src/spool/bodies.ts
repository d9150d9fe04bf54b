// Bodies that have a file of their own, and what each file has to be: its size and checksum are in the store.
import { crc32 } from "node:zlib";
import type { FileWriter, Storage, Store } from "../storage/storage.ts";
import {
  ALL_BODIES,
  ALL_SUBMISSIONS,
  type BodyFile,
  decodeBodyFile,
  type Submission,
  type SubmissionId,
  submissionOfKey,
} from "./record.ts";

const FOLDER = "spool/bodies";
const fileOf = (id: SubmissionId): string => `${FOLDER}/${id}`;

/** The content that a transmission needs is not on the disk any more. It does not help to try again. */
export class ContentError extends Error {
  override readonly name = "ContentError";
}

export interface Bodies {
  create(id: SubmissionId): Promise<FileWriter>;
  read(id: SubmissionId): AsyncIterable<Uint8Array>;
  /** The body from its beginning. Rejects with a ContentError where it is not whole. */
  readWhole(submission: Submission): AsyncIterable<Uint8Array>;
  /** What the file has to be. Undefined: there is no file, or version 0.1.0 did not note that. */
  noted(id: SubmissionId): BodyFile | undefined;
  remove(id: SubmissionId): Promise<void>;
  /**
   * To be called after the records are gone, which is what counts: a body without one is swept at the next start.
   * So it is no failure that a file can't be removed now. Never rejects.
   */
  leave(id: SubmissionId): Promise<void>;
  /** Submissions whose file is missing, or has not the size that was noted. */
  lost(): Promise<Set<SubmissionId>>;
}

/** Removes files that belong to no submission. */
export async function openBodies(storage: Storage, store: Store): Promise<Bodies> {
  /** Submissions whose body has a file. */
  const bodies = new Map<SubmissionId, BodyFile | undefined>();

  async function sweep(): Promise<void> {
    for await (const [key, value] of store.entries(ALL_BODIES)) {
      bodies.set(submissionOfKey(key), decodeBodyFile(value));
    }
    const files = await storage.list(FOLDER);
    if (files.length === 0) return;
    const known = new Set<SubmissionId>();
    for await (const key of store.keys(ALL_SUBMISSIONS)) known.add(submissionOfKey(key));
    for (const file of files) {
      if (!known.has(file)) await storage.removeFile(fileOf(file));
      else if (!bodies.has(file)) bodies.set(file, undefined);
    }
  }

  await sweep();
  return {
    async create(id) {
      const writer = await storage.createFile(fileOf(id));
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

    read: (id) => storage.readFile(fileOf(id)),

    async *readWhole({ id, bodySize }) {
      let octets = 0;
      let checksum = 0;
      try {
        for await (const chunk of storage.readFile(fileOf(id))) {
          octets += chunk.length;
          checksum = crc32(chunk, checksum);
          yield chunk;
        }
      } catch (error) {
        const isThere = octets > 0 || (await storage.list(FOLDER)).includes(id);
        throw isThere ? error : new ContentError("its body file is missing");
      }
      if (octets !== bodySize) {
        throw new ContentError(`its body file has ${octets} octets in place of ${bodySize}`);
      }
      // Before the end, so that nobody takes the message for whole.
      if (checksum !== (bodies.get(id)?.crc32 ?? checksum)) {
        throw new ContentError("its body file has changed on the disk");
      }
    },

    noted: (id) => bodies.get(id),

    async remove(id) {
      bodies.delete(id);
      await storage.removeFile(fileOf(id));
    },

    async leave(id) {
      if (bodies.delete(id)) await storage.removeFile(fileOf(id)).catch(() => {});
    },

    async lost() {
      const lost = new Set<SubmissionId>();
      for (const [id, body] of bodies) {
        if (body !== undefined && (await storage.fileSize(fileOf(id))) !== body.octets) lost.add(id);
      }
      return lost;
    },
  };
}
