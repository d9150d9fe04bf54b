// The warning that a transmission takes longer (RFC 3464, Action: delayed): once for each, when its sender
// may still do something about it. Off unless configured. How it is reported is in reports.ts.
import type { Clock } from "../runtime/clock.ts";
import type { SpooledTransmission, TransmissionKey } from "../spool/record.ts";
import type { Reports } from "./reports.ts";

/**
 * To be called when an attempt has ended without success.
 *
 * @param reply why it was not relayed, one line
 * @returns the transmission, marked when its sender has been warned. The mark saves asking; it is the ledger's
 *   that keeps a second warning back, also when a crash loses the mark.
 */
export type WarnOfDelay = (
  key: TransmissionKey,
  transmission: SpooledTransmission,
  reply: string,
) => SpooledTransmission;

/** @param afterMs after this time a sender is warned, milliseconds; never when undefined */
export function createDelayWarnings(
  reports: Pick<Reports, "delayed">,
  clock: Clock,
  afterMs: number | undefined,
): WarnOfDelay {
  return (key, transmission, reply) => {
    const isLate = afterMs !== undefined && clock.now() - transmission.acceptedAt >= afterMs;
    if (!isLate || transmission.warned === true) return transmission;
    return reports.delayed(key, transmission, reply) ? { ...transmission, warned: true } : transmission;
  };
}
