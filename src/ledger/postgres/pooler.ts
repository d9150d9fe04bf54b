// Whether there is a pooler that gives each transaction another session and does not keep prepared statements: found
// out at the start, not by the first mail.
import type { Database, Statement } from "./database.ts";

/** Prepared like every statement of the ledger. */
const PROBE: Statement = { name: "mailonce_probe", text: "SELECT pg_backend_pid() AS pid" };

/**
 * Rejects with a StorageError that says what to set. Two connections make one session change hands: `other` takes
 * the session that has the statement of `one`, where it exists already, and `one` has to go on in another session,
 * where it does not.
 */
export async function checkPooler(database: Database): Promise<void> {
  await database.apart(async (one, other) => {
    await one(PROBE);
    await other({ text: "BEGIN" });
    await other(PROBE);
    // A pooler with one session answers this only after COMMIT.
    const again = one(PROBE);
    again.catch(() => {});
    await other({ text: "SELECT 1" });
    await other({ text: "COMMIT" });
    await again;
  });
}
