// What became of a mail, of a gateway that does not run.
import { createPolicy } from "../../access/policy.ts";
import type { Config } from "../../config/config.ts";
import type { Id } from "../../identity/message-id.ts";
import type { LedgerWorld } from "../../ledger/open.ts";
import { stoppedQueue } from "../queue/stopped.ts";
import type { Stopped } from "../stopped.ts";
import { createExplainDesk } from "./desk.ts";
import type { ExplainDesk } from "./words.ts";

export async function stoppedExplain(
  config: Config,
  world: LedgerWorld,
  stopped: Stopped,
): Promise<ExplainDesk> {
  const { ledger, spool, history } = stopped;
  const spooled = new Set<Id>();
  for await (const [, { id }] of spool.load()) spooled.add(id);
  const queue = await stoppedQueue(config, world, stopped);
  return createExplainDesk({
    ...{ ledger, history, secret: config.identity.secret, namespaceOf: createPolicy(config).namespaceOf },
    mailOf: async (id) => (spooled.has(id) ? (await queue.show(id))[0] : undefined),
  });
}
