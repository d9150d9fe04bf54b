// Decisions for a gateway that does not run, about what its spool and its ledger have; the next start finds the result.
import type { Config } from "../config/config.ts";
import type { Id } from "../identity/message-id.ts";
import type { LedgerWorld } from "../ledger/open.ts";
import { freed, holdOf } from "../spool/record.ts";
import { createDoubtfulDesk, type DecisionParts, type DoubtfulDesk, type SpooledDoubt } from "./doubtful.ts";
import { createForgetDesk, type ForgetDesk } from "./forget.ts";
import type { Stopped } from "./stopped.ts";

export async function stoppedForget(
  _: Config,
  { log }: LedgerWorld,
  { ledger, spool, history }: Stopped,
): Promise<ForgetDesk> {
  const spooled = new Set<Id>();
  for await (const [, { id }] of spool.load()) spooled.add(id);
  return createForgetDesk({ ledger, history, log, isSpooled: (id) => spooled.has(id) });
}

/** Nothing else is under way. */
const make: DecisionParts["make"] = async (_, decide, carryOut) => {
  const decided = await decide();
  await carryOut(decided);
  return decided;
};

export async function stoppedDoubtful(
  config: Config,
  { clock, log }: LedgerWorld,
  { ledger, spool, history }: Stopped,
): Promise<DoubtfulDesk> {
  const transmissions = new Map<Id, SpooledDoubt>();
  for await (const [key, transmission] of spool.load()) {
    // A mail that only waits for its report is not doubtful.
    if (transmission.ended === undefined) transmissions.set(transmission.id, { key, transmission });
  }
  return createDoubtfulDesk({
    ...{ ledger, spool, history, log, policy: config.ledger.doubtful, addresses: config.log.addresses },
    spooled: (id) => transmissions.get(id),
    decisions: {
      isBusy: () => false,
      ...{ make, makeApart: make },
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
      // The next start asks what has become of it.
      decidedElsewhere() {},
    },
  });
}
