// The warning that a transmission takes longer (RFC 3464, Action: delayed): once for each, when its sender
// may still do something about it. Off unless configured.
import type { Ledger } from "../ledger/ledger.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { SpooledTransmission } from "../spool/record.ts";
import type { Spool, SpooledMail } from "../spool/spool.ts";
import { factsOf } from "./facts.ts";
import type { Notices } from "./notice.ts";

export interface DelayParts {
  readonly spool: Spool;
  readonly ledger: Ledger;
  readonly notices: Notices;
  readonly clock: Clock;
  readonly log: Log;
}

export interface DelayOptions {
  /** After this time a sender is warned, milliseconds; never when undefined. */
  readonly afterMs: number | undefined;
  /** Log the recipient. */
  readonly addresses: boolean;
}

/**
 * Warns the sender when an attempt has ended without success and it is time. Never rejects: a warning that
 * can't be stored is tried at the next attempt.
 *
 * @param reply why it was not relayed, one line
 * @returns the transmission, marked when its sender has been warned. The mark saves asking; it is the
 * warning's own id that keeps a second one back, also when a crash loses the mark.
 */
export type WarnOfDelay = (mail: SpooledMail, reply: string) => Promise<SpooledTransmission>;

export function createDelayWarnings(parts: DelayParts, { afterMs, addresses }: DelayOptions): WarnOfDelay {
  const { spool, ledger, notices, clock, log } = parts;
  return async (mail, reply) => {
    const { transmission } = mail;
    const isLate = afterMs !== undefined && clock.now() - transmission.acceptedAt >= afterMs;
    if (!isLate || transmission.warned === true) return transmission;
    try {
      const notice = await notices.compose(mail, { reason: "delayed", reply });
      if (notice !== undefined) {
        try {
          await spool.accept(notice.submission);
        } catch (error) {
          await ledger.release([notice.claim]);
          throw error;
        }
        notices.accepted(notice);
        log.info("transmission.delayed", factsOf(transmission, addresses, { notice: notice.messageId }));
      }
      return { ...transmission, warned: true };
    } catch (error) {
      log.error("spool.unavailable", { error: String(error) });
      return transmission;
    }
  };
}
