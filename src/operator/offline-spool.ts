// How much is in the spool of a gateway that does not run.
import type { LedgerWorld } from "../ledger/open.ts";
import { openSpool } from "../spool/spool.ts";

/** Transmissions in it; 0 where no gateway has ever run. Rejects with a StorageError, "locked" while one runs. */
export async function countSpooled({ storage }: Pick<LedgerWorld, "storage">): Promise<number> {
  if (!(await storage.list("spool")).includes("queue")) return 0;
  const spool = await openSpool(storage);
  try {
    let count = 0;
    for await (const _transmission of spool.load()) count++;
    return count;
  } finally {
    await spool.close();
  }
}
