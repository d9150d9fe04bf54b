// What is noted of a mail that the shared ledger has as relayed while this gateway held it in doubt: another gateway relayed
// it, or evidence or an operator settled it there. The record has no room for which of these it was.
import { ANOTHER_GATEWAY, type HistoryNotes, type THIS_GATEWAY } from "../history/history.ts";
import type { Log } from "../runtime/log.ts";
import type { SpooledTransmission } from "../spool/record.ts";

export interface ElsewhereParts {
  readonly history: Pick<HistoryNotes, "settled">;
  readonly log: Log;
  /** Log the recipient. */
  readonly addresses: boolean;
}

export function noteSettledElsewhere(
  { history, log, addresses }: ElsewhereParts,
  { id, messageId, recipient }: SpooledTransmission,
  source: typeof ANOTHER_GATEWAY | typeof THIS_GATEWAY = ANOTHER_GATEWAY,
): void {
  log.info("evidence.settled", { id, messageId, recipient: addresses ? recipient : undefined, source });
  history.settled(id, { source });
}
