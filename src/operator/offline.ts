// Decisions for a gateway that does not run: opens its spool and its ledger; the next start finds the result.
import type { Config } from "../config/config.ts";
import type { History } from "../history/history.ts";
import { openHistory } from "../history/open.ts";
import type { Id } from "../identity/message-id.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { findLedger, type LedgerWorld } from "../ledger/open.ts";
import { freed, holdOf } from "../spool/record.ts";
import { openSpool, type Spool } from "../spool/spool.ts";
import { StorageError } from "../storage/storage.ts";
import { createDoubtfulDesk, type DoubtfulDesk, type SpooledDoubt } from "./doubtful.ts";
import { createForgetDesk, type ForgetDesk } from "./forget.ts";

export interface OfflineDesk {
  readonly desk: DoubtfulDesk;
  readonly forget: ForgetDesk;
  close(): Promise<void>;
}

/** Rejects with a StorageError where no gateway has ever run, or one runs; nothing is made and nothing stays open then. */
export async function openOfflineDesk(config: Config, world: LedgerWorld): Promise<OfflineDesk> {
  await refuseMissing(config, world);
  const found = await findLedger(config, world);
  const spool = await openSpool(world.storage).catch(async (error: unknown) => {
    await found.close();
    throw error;
  });
  try {
    const { ledger } = await found.open();
    const history = await openHistory(world, {
      retentionMs: config.history.retention,
      addresses: config.log.addresses,
      wasRunBefore: async () => false,
    });
    const close = async (): Promise<void> => {
      await history.close();
      await ledger.close();
      await spool.close();
    };
    return { ...(await desksOf(config, world, ledger, spool, history)), close };
  } catch (error) {
    await spool.close();
    throw error;
  }
}

async function desksOf(
  config: Config,
  { clock, log }: LedgerWorld,
  ledger: Ledger,
  spool: Spool,
  history: History,
): Promise<Omit<OfflineDesk, "close">> {
  const transmissions = new Map<Id, SpooledDoubt>();
  const ended = new Set<Id>();
  try {
    for await (const [key, transmission] of spool.load()) {
      // A mail that only waits for its report is not doubtful.
      if (transmission.ended === undefined) transmissions.set(transmission.id, { key, transmission });
      else ended.add(transmission.id);
    }
  } catch (error) {
    await history.close();
    await ledger.close();
    throw error;
  }
  const forget = createForgetDesk({
    ...{ ledger, history, log },
    isSpooled: (id) => transmissions.has(id) || ended.has(id),
  });
  const desk = createDoubtfulDesk({
    ...{ ledger, spool, history, log, addresses: config.log.addresses },
    spooled: (id) => transmissions.get(id),
    decisions: {
      isBusy: () => false,
      async make(_, decide, carryOut) {
        const decided = await decide();
        await carryOut(decided);
        return decided;
      },
      async decidedRelayed(id) {
        const found = transmissions.get(id);
        if (found !== undefined) await spool.remove(found.key);
      },
      async decidedNotRelayed(id) {
        const found = transmissions.get(id);
        if (found === undefined || holdOf(found.transmission) === "operator") return;
        const transmission = freed(found.transmission, clock.now());
        transmissions.set(id, { ...found, transmission });
        await spool.update(found.key, transmission, "durably");
      },
    },
  });
  return { desk, forget };
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
