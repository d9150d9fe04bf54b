// A file that says who has access: users with their passwords, or tokens. It is looked at every two seconds, so that one
// who is added or removed needs no restart, and a session of a removed one ends.
import { constants, type FileHandle, open, stat } from "node:fs/promises";
import type { Clock, Timer } from "../runtime/clock.ts";
import { tooOpen } from "../runtime/secret-file.ts";
import type { LinesResult } from "./named-lines.ts";

/** Reads the text of a file. */
export type Parse<T> = (text: string) => LinesResult<T>;

export interface AccessFile<T> {
  /** By name, as the file had them when it was read last. */
  values(): ReadonlyMap<string, T>;
  /**
   * Reads the file now. One that can't be read or has a fault leaves all as it is, which is logged.
   *
   * @returns whether it took
   */
  reload(): Promise<boolean>;
  /** Looks at the file no more. */
  close(): void;
}

/** How a change of the file is logged. */
export interface ChangeLog {
  reloaded(count: number): void;
  /** @param error all faults, in a line */
  failed(error: string): void;
}

/** All faults of such a file; `faults` are whole lines, each with the file's path. */
export class AccessFileError extends Error {
  override readonly name = "AccessFileError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

/** Some 60,000 lines. A larger file is another file that was named by mistake. */
const OCTETS_MAX = 8 * 1024 * 1024;

/**
 * Looked at by time instead of watched: a watch (inotify) stays with a file that an editor, `mailonce user`
 * or a container's secret has replaced by another, and gets no events from a network file system.
 */
const POLL_MS = 2_000;

/** A line of the log has room for so many faults of a file; a start shows all. */
const LOGGED_FAULTS_MAX = 10;

/**
 * The values in a file, which only its owner and perhaps a group may read.
 *
 * @throws AccessFileError
 */
export async function readAccessFile<T>(path: string, parse: Parse<T>): Promise<ReadonlyMap<string, T>> {
  const tooOpenFault = tooOpen(path);
  if (tooOpenFault !== undefined) throw new AccessFileError([tooOpenFault]);
  const result = parse(await readText(path));
  if (!result.ok) throw new AccessFileError(result.faults.map((fault) => `${path}: ${fault}`));
  return result.values;
}

/**
 * Reads the file and follows its changes.
 *
 * @throws AccessFileError
 */
export async function openAccessFile<T>(
  path: string,
  parse: Parse<T>,
  clock: Clock,
  log: ChangeLog,
): Promise<AccessFile<T>> {
  /** The file's state just before it was read last, so that a change during the reading shows later. */
  let readStamp = await stampOf(path);
  let values = await readAccessFile(path, parse);
  /** Another look of the file, at the last look. */
  let newStamp: string | undefined;
  let closed = false;
  let timer: Timer | undefined;
  /** One reading at a time, in the order of the calls. */
  let turn = Promise.resolve(true);

  const load = async (): Promise<boolean> => {
    readStamp = await stampOf(path);
    newStamp = undefined;
    try {
      values = await readAccessFile(path, parse);
    } catch (error) {
      const faults = error instanceof AccessFileError ? error.faults : [String(error)];
      const more = faults.length > LOGGED_FAULTS_MAX ? [`${faults.length - LOGGED_FAULTS_MAX} more`] : [];
      log.failed([...faults.slice(0, LOGGED_FAULTS_MAX), ...more].join("; "));
      return false;
    }
    log.reloaded(values.size);
    return true;
  };

  const reload = (): Promise<boolean> => {
    turn = turn.then(load);
    return turn;
  };

  const look = async (): Promise<void> => {
    const stamp = await stampOf(path);
    // Read once it has come to rest: half a file that is being written would be a file with fewer lines.
    if (stamp === readStamp) newStamp = undefined;
    else if (stamp !== newStamp) newStamp = stamp;
    else if (!closed) await reload();
    if (!closed) lookLater();
  };
  const lookLater = (): void => {
    timer = clock.after(POLL_MS, () => void look());
  };
  lookLater();

  return {
    values: () => values,
    reload,
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

/** What changes whenever the file does: which one it is, its size, its times, and (by ctime) its rights. */
async function stampOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(":");
  } catch (error) {
    return codeOf(error);
  }
}

async function readText(path: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    // Opening a pipe would wait for somebody to write into it.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stats = await file.stat();
    if (!stats.isFile()) throw new AccessFileError([`${path}: is not a regular file`]);
    if (stats.size > OCTETS_MAX) {
      throw new AccessFileError([`${path}: is larger than ${OCTETS_MAX / 1024 / 1024} MiB`]);
    }
    return await file.readFile("utf8");
  } catch (error) {
    if (error instanceof AccessFileError) throw error;
    throw new AccessFileError([`${path}: can't be read: ${(error as Error).message}`]);
  } finally {
    await file?.close().catch(() => {});
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error);
