// Whether another gateway has relayed a mail under a claim of its own, once the claim here has ended.
import type { Claim, Ledger } from "../ledger/ledger.ts";

/**
 * Otherwise another gateway has settled it under the claim of this one, by evidence or its operator's word; or the ledger does
 * not say.
 */
export async function isRelayedElsewhere(
  ledger: Pick<Ledger, "look">,
  { id, fence }: Claim,
): Promise<boolean> {
  const looked = await ledger.look(id).catch(() => undefined);
  return looked?.state === "relayed" && looked.fence !== fence;
}
