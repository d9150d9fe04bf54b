// The users file: who may authenticate. It is looked at every two seconds, so that a user who is added or
// removed needs no restart, and a session of a removed one ends.
import { constants, type FileHandle, open, stat } from "node:fs/promises";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { tooOpen } from "../runtime/secret-file.ts";
import type { PasswordHash } from "./password.ts";
import { parseUsers, type UserHashes } from "./users-lines.ts";

export interface Users {
  /** The user's hash; undefined for a name that is not in the file. */
  get(name: string): PasswordHash | undefined;
}

export interface UsersFile extends Users {
  /**
   * Reads the file now. One that can't be read or has a fault leaves the users as they are, which is logged.
   *
   * @returns whether it took
   */
  reload(): Promise<boolean>;
  /** Looks at the file no more. */
  close(): void;
}

/** All faults of a users file; `faults` are whole lines, each with the file's path. */
export class UsersFileError extends Error {
  override readonly name = "UsersFileError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

/** Some 60,000 users. A larger file is another file that was named by mistake. */
const OCTETS_MAX = 8 * 1024 * 1024;

/**
 * Looked at by time instead of watched: a watch (inotify) stays with a file that an editor, `mailonce user`
 * or a container's secret has replaced by another, and gets no events from a network file system.
 */
const POLL_MS = 2_000;

/** A line of the log has room for so many faults of a file; a start shows all. */
const LOGGED_FAULTS_MAX = 10;

/**
 * The users in a file, which only its owner and perhaps a group may read.
 *
 * @throws UsersFileError
 */
export async function readUsers(path: string): Promise<UserHashes> {
  const tooOpenFault = tooOpen(path);
  if (tooOpenFault !== undefined) throw new UsersFileError([tooOpenFault]);
  const result = parseUsers(await readText(path));
  if (!result.ok) throw new UsersFileError(result.faults.map((fault) => `${path}: ${fault}`));
  return result.users;
}

/**
 * Reads the file and follows its changes.
 *
 * @throws UsersFileError
 */
export async function openUsersFile(
  path: string,
  clock: Clock,
  log: Pick<Log, "info" | "error">,
): Promise<UsersFile> {
  /** The file's state just before it was read last, so that a change during the reading shows later. */
  let readStamp = await stampOf(path);
  let users = await readUsers(path);
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
      users = await readUsers(path);
    } catch (error) {
      const faults = error instanceof UsersFileError ? error.faults : [String(error)];
      const more = faults.length > LOGGED_FAULTS_MAX ? [`${faults.length - LOGGED_FAULTS_MAX} more`] : [];
      log.error("users.reload_failed", {
        error: [...faults.slice(0, LOGGED_FAULTS_MAX), ...more].join("; "),
      });
      return false;
    }
    log.info("users.reloaded", { users: users.size });
    return true;
  };

  const reload = (): Promise<boolean> => {
    turn = turn.then(load);
    return turn;
  };

  const look = async (): Promise<void> => {
    const stamp = await stampOf(path);
    // Read once it has come to rest: half a file that is being written would be a file with fewer users.
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
    get: (name) => users.get(name),
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
    if (!stats.isFile()) throw new UsersFileError([`${path}: is not a regular file`]);
    if (stats.size > OCTETS_MAX) {
      throw new UsersFileError([`${path}: is larger than ${OCTETS_MAX / 1024 / 1024} MiB`]);
    }
    return await file.readFile("utf8");
  } catch (error) {
    if (error instanceof UsersFileError) throw error;
    throw new UsersFileError([`${path}: can't be read: ${(error as Error).message}`]);
  } finally {
    await file?.close().catch(() => {});
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error);
