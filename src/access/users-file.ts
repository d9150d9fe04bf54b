// The users file: who may authenticate. How it is read and followed is in access-file.ts.
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { type AccessFile, openAccessFile, readAccessFile } from "./access-file.ts";
import type { PasswordHash } from "./password.ts";
import { parseUsers } from "./users-lines.ts";

export interface Users {
  /** The user's hash; undefined for a name that is not in the file. */
  get(name: string): PasswordHash | undefined;
}

export type UsersFile = Users & Pick<AccessFile<PasswordHash>, "reload" | "close">;

/** @throws AccessFileError */
export const readUsers = (path: string): Promise<ReadonlyMap<string, PasswordHash>> =>
  readAccessFile(path, parseUsers);

/**
 * Reads the file and follows its changes.
 *
 * @throws AccessFileError
 */
export async function openUsersFile(
  path: string,
  clock: Clock,
  log: Pick<Log, "info" | "error">,
): Promise<UsersFile> {
  const { values, reload, close } = await openAccessFile(path, parseUsers, clock, {
    reloaded: (users) => log.info("users.reloaded", { users }),
    failed: (error) => log.error("users.reload_failed", { error }),
  });
  return { get: (name) => values().get(name), reload, close };
}
