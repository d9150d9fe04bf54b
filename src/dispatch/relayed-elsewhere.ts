// Whether another gateway has relayed a mail under a claim of its own, where the ledger says that it is relayed, and the claim
// here has ended. What was forgotten since was relayed, too.
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
  if (looked === undefined) return false;
  return looked.state !== "relayed" || looked.fence !== fence;
}
