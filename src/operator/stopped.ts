// What a command opens of a gateway that does not run: its spool, its ledger and its history.
import type { Config } from "../config/config.ts";
import type { History } from "../history/history.ts";
import { openHistory } from "../history/open.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { findLedger, type LedgerWorld } from "../ledger/open.ts";
import { openSpool, type Spool } from "../spool/spool.ts";
import { StorageError } from "../storage/storage.ts";

export interface Stopped {
  readonly ledger: Ledger;
  readonly spool: Spool;
  readonly history: History;
}

export interface Opened<Desk> {
  readonly desk: Desk;
  close(): Promise<void>;
}

/**
 * Opens the folder and makes a desk of what is in it.
 *
 * @throws StorageError where no gateway has ever run, or one runs; nothing is made and nothing stays open then
 */
export async function openStopped<Desk>(
  config: Config,
  world: LedgerWorld,
  deskOf: (stopped: Stopped) => Promise<Desk>,
): Promise<Opened<Desk>> {
  await refuseMissing(config, world);
  const found = await findLedger(config, world);
  const spool = await openSpool(world.storage).catch(async (error: unknown) => {
    await found.close();
    throw error;
  });
  let close = (): Promise<void> => spool.close();
  try {
    const { ledger } = await found.open();
    const history = await openHistory(world, {
      retentionMs: config.history.retention,
      addresses: config.log.addresses,
      wasRunBefore: async () => false,
    });
    close = async () => {
      await history.close();
      await ledger.close();
      await spool.close();
    };
    return { desk: await deskOf({ ledger, spool, history }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function refuseMissing(
  { data_dir, ledger }: Config,
  { storage, openEngine }: LedgerWorld,
): Promise<void> {
  const isThere = async (folder: string, name: string) => (await storage.list(folder)).includes(name);
  const isEmbedded = ledger.kind === "embedded" && openEngine === undefined;
  const hasLedger = isEmbedded ? await isThere("ledger", "state") : await isThere("ledger", "gateway");
  if (hasLedger && (await isThere("spool", "queue"))) return;
  const what = hasLedger ? "spool" : isEmbedded ? "ledger" : "gateway of a shared ledger";
  throw new StorageError("unavailable", `there is no ${what} in ${data_dir}`);
}
