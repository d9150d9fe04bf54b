// Pauses upstreams of a gateway that does not run: only its spool is opened, which has what is paused.
import type { Config } from "../config/config.ts";
import { viewsOf } from "../config/routes.ts";
import { openOperatorPauses } from "../dispatch/operator-pauses.ts";
import type { LedgerWorld } from "../ledger/open.ts";
import { openSpool } from "../spool/spool.ts";
import { StorageError } from "../storage/storage.ts";
import { createPausingDesk, type PausingDesk } from "./pausing.ts";

/** Rejects with a StorageError where no gateway has ever run, or one runs; nothing is made and nothing stays open then. */
export async function openOfflinePausing(
  config: Config,
  { storage, clock, log }: LedgerWorld,
): Promise<{ readonly desk: PausingDesk; close(): Promise<void> }> {
  if (!(await storage.list("spool")).includes("queue")) {
    throw new StorageError("unavailable", `there is no spool in ${config.data_dir}`);
  }
  const spool = await openSpool(storage);
  try {
    const pauses = await openOperatorPauses({ note: spool, clock, log, over: () => {} });
    const names = viewsOf(config).map(({ name }) => name);
    const close = async (): Promise<void> => {
      pauses.close();
      await spool.close();
    };
    return { desk: createPausingDesk({ names, pauses, tryNow: () => [], log }), close };
  } catch (error) {
    await spool.close();
    throw error;
  }
}
