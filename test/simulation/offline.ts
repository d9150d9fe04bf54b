// The data folder of a gateway that is not up, opened as `mailonce doubtful` opens it.
import type { Config } from "../../src/config/config.ts";
import type { Id } from "../../src/identity/message-id.ts";
import { type LedgerWorld, openLedger } from "../../src/ledger/open.ts";
import { createDoubtfulDesk, type DoubtfulDesk, type SpooledDoubt } from "../../src/operator/doubtful.ts";
import { openSpool } from "../../src/spool/spool.ts";

export interface OfflineDesk {
  readonly desk: DoubtfulDesk;
  close(): Promise<void>;
}

export async function openOfflineDesk(config: Config, world: LedgerWorld): Promise<OfflineDesk> {
  const { storage, clock } = world;
  const spool = await openSpool(storage);
  const { ledger } = await openLedger(config, world);
  const transmissions = new Map<Id, SpooledDoubt>();
  for await (const [key, transmission] of spool.load())
    transmissions.set(transmission.id, { key, transmission });
  const desk = createDoubtfulDesk({
    ledger,
    spool,
    spooled: async () => transmissions,
    async ended(_, next, { key, transmission: { held: _held, ...transmission } }) {
      const now = clock.now();
      if (next === "queued") await spool.update(key, { ...transmission, acceptedAt: now, dueAt: now });
    },
  });
  return {
    desk,
    async close() {
      await ledger.close();
      await spool.close();
    },
  };
}
