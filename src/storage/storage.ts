// The disk for ledger and spool, and no more: ordered stores whose commits are durable and whole, and files
// that are durable once closed. storage/disk.ts is the real one; a simulation brings its own, with crashes.
// Names are paths relative to the data folder, "/" between the parts.

export type Operation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

/** Keys from `gte` (inclusive) to `lt` (exclusive), in the order of their octets. */
export interface Range {
  readonly gte?: Uint8Array;
  readonly lt?: Uint8Array;
}

/** An ordered store of octet strings. One process at a time. */
export interface Store {
  /** The value, or undefined when the key is absent. Sees every commit and write that has resolved. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** A consistent view of the writes that had resolved when the iteration began. */
  entries(range?: Range): AsyncIterable<[key: Uint8Array, value: Uint8Array]>;
  /** As `entries`, without reading the values. */
  keys(range?: Range): AsyncIterable<Uint8Array>;
  /**
   * Applies all operations or none, and resolves once they would survive a loss of power. Concurrent
   * calls share one sync (group commit) and are applied in the order of the calls. On rejection the
   * outcome is unknown until the store has been opened again.
   */
  commit(operations: readonly Operation[]): Promise<void>;
  /**
   * Applies all operations or none, in order with commits, without waiting for the disk: a crash may
   * undo it, unless a later commit of the same store has resolved. For what can be redone.
   */
  write(operations: readonly Operation[]): Promise<void>;
  /** Gives back the memory that writing has taken: for a store that is read only from now on. */
  rest(): Promise<void>;
  /** Waits for what is under way. The store can't be used afterwards. */
  close(): Promise<void>;
}

/** A file being written. Nothing of it exists under its name before `close` has resolved. */
export interface FileWriter {
  append(octets: Uint8Array): Promise<void>;
  /** Makes content and name durable (fsync of the file and of its folder). */
  close(): Promise<void>;
  /** Gives the file up and removes what was written. Never rejects. */
  discard(): Promise<void>;
}

/**
 * How long values stay. "long": the store is tuned for what all of it costs to keep. "short": most are removed
 * within seconds, so it is tuned for commits that nothing holds up for long. "loosely": nothing rests on them. Such a
 * store is in no seal and in no check of the data folder; one that is damaged is removed, and made anew.
 */
export type Kept = "long" | "short" | "loosely";

export interface Storage {
  /** Opens the store, making it when it is not there. Rejects with a StorageError. */
  openStore(name: string, kept?: Kept): Promise<Store>;
  /** Removes a closed store whole. Removing what is not there is no error. */
  removeStore(name: string): Promise<void>;
  /** An existing file of that name is replaced, at once, when the writer is closed. */
  createFile(name: string): Promise<FileWriter>;
  /** The content from its beginning, in chunks; rejects on the first one when there is no such file. */
  readFile(name: string): AsyncIterable<Uint8Array>;
  /** Octets of a file; undefined when there is no such file. */
  fileSize(name: string): Promise<number | undefined>;
  /** Durable when it resolves. Removing what is not there is no error. */
  removeFile(name: string): Promise<void>;
  /** The names (without the folder) of files and stores in a folder; empty when it is not there. */
  list(folder: string): Promise<string[]>;
}

export type StorageErrorCode =
  /** Another process has the store open. */
  | "locked"
  /** The store's own files contradict themselves. */
  | "damaged"
  /** No space left (ENOSPC, EDQUOT). */
  | "full"
  /** Anything else that the operating system said. */
  | "unavailable";

/** What to do about a store that is not there any more: its operator decides, never the next start. */
export const missingStore = (name: string, consequence: string): StorageError =>
  new StorageError(
    "damaged",
    `${name} is missing from the data folder; restore the whole data folder from a backup, or run mailonce data ` +
      `accept --yes to go on without it: ${consequence}`,
  );

/** What went wrong with the disk, for replies (452 or 451) and for the person who reads the log. */
export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly code: StorageErrorCode;

  constructor(code: StorageErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
