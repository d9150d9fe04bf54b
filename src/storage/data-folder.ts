// The owner of the data folder. It has mails, addresses and the record of who got what, so it belongs to the
// user of the gateway and is closed to all others. Folders below need no check, since they can be reached
// only through this one.
import { stat } from "node:fs/promises";
import { StorageError } from "./storage.ts";

/** Of the data folder and of each one below it. */
export const FOLDER_MODE = 0o700;

/** The rights of everybody but the owner. */
const OF_OTHERS = 0o077;

/**
 * Refuses a folder that others can open, as PostgreSQL does. It does not close the folder itself: the person
 * who opened it must learn that others could read the mails in it, and would open it again.
 *
 * A folder of another user is refused too. That user can open it again; and files that one user adds (root,
 * who ran a command) the other can't use, which would be found out in the middle of a mail.
 *
 * @throws StorageError that says what to do
 */
export async function refuseShared(folder: string): Promise<void> {
  const user = process.geteuid?.();
  // Windows knows neither owner nor mode.
  if (user === undefined) return;
  const { uid, mode } = await stat(folder);
  if (uid !== user) {
    throw new StorageError(
      "unavailable",
      `${folder} belongs to user ${uid}, and this is user ${user}; run mailonce as the user who owns it, or ` +
        "give this one the folder with all that is in it",
    );
  }
  if ((mode & OF_OTHERS) !== 0) {
    const rights = (mode & 0o777).toString(8).padStart(4, "0");
    throw new StorageError(
      "unavailable",
      `${folder} is open to other users (mode ${rights}); chmod 700 ${folder}`,
    );
  }
}
