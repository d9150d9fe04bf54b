// What the account may send: its rate, and what is left of its 24 hours. Asked for rarely, since SES allows
// one such call a second to all programs of the account together, and only while mail is sent.
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { oneLine } from "../line.ts";
import type { SendingQuota } from "../upstream.ts";

/** SendQuota of GetAccount; it counts recipients. */
export interface SendQuota {
  readonly MaxSendRate?: number | undefined;
  /** In any 24 hours; -1 is no limit. */
  readonly Max24HourSend?: number | undefined;
  readonly SentLast24Hours?: number | undefined;
}

export interface SesQuota {
  /** What was said last; asks nothing. */
  sending(): SendingQuota | undefined;
  /**
   * Messages a second that the account may send: undefined while that is asked for the first time,
   * Infinity when it can't be read. Asks again when the last time is long ago.
   */
  maxSendRate(): number | undefined;
  /** SES finds us too fast: asks again soon, for the rate may have been changed. */
  doubtRate(): void;
}

export interface SesQuotaParts {
  /** One call of GetAccount. May reject; must end within some seconds. */
  readonly read: () => Promise<SendQuota>;
  /** What the log calls the upstream. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** SES changes rates within hours, not minutes. */
const RENEW_MS = 5 * 60_000;
/** While SES throttles. */
const RENEW_SOON_MS = 60_000;
/** After a failure; it doubles with each one, up to RENEW_MS. */
const RETRY_MS = 5_000;
/** Less than this share of the 24 hours' quota is worth a warning. */
const LITTLE_LEFT = 0.1;

export function createSesQuota({ read, name, clock, log }: SesQuotaParts): SesQuota {
  let rate: number | undefined;
  let sending: SendingQuota | undefined;
  let reading = false;
  let failures = 0;
  let readAt = Number.NEGATIVE_INFINITY;

  const report = ({ MaxSendRate, Max24HourSend = -1, SentLast24Hours: sent = 0 }: SendQuota): void => {
    if (Max24HourSend < 0) {
      log.info("upstream.quota", { upstream: name, rate: MaxSendRate, sent });
      return;
    }
    const remaining = Math.max(0, Max24HourSend - sent);
    const facts = { upstream: name, rate: MaxSendRate, sent, max: Max24HourSend, remaining };
    if (remaining < Max24HourSend * LITTLE_LEFT) log.warn("upstream.quota", facts);
    else log.info("upstream.quota", facts);
  };

  const renew = async (): Promise<void> => {
    reading = true;
    readAt = clock.now();
    try {
      const quota = await read();
      failures = 0;
      const max = quota.MaxSendRate;
      rate = max !== undefined && max > 0 ? max : Number.POSITIVE_INFINITY;
      const { Max24HourSend: most = -1, SentLast24Hours: sent = 0 } = quota;
      sending = { ...(most < 0 ? {} : { max: most }), sent, at: clock.now() };
      report(quota);
    } catch (error) {
      failures += 1;
      // No limit is better than no mail: SES says itself when it is too much.
      rate ??= Number.POSITIVE_INFINITY;
      const facts = { upstream: name, error: oneLine(String(error)) };
      if (failures === 1) log.warn("upstream.quota_unreadable", facts);
      else log.debug("upstream.quota_unreadable", facts);
    } finally {
      reading = false;
    }
  };

  /** A clock that was set back must not stop the asking. */
  const isOlderThan = (ms: number): boolean => {
    const age = clock.now() - readAt;
    return age >= ms || age < 0;
  };

  const maxAgeMs = (): number =>
    failures === 0 ? RENEW_MS : Math.min(RENEW_MS, RETRY_MS * 2 ** (failures - 1));

  return {
    sending: () => sending,
    maxSendRate() {
      if (!reading && isOlderThan(maxAgeMs())) void renew();
      return rate;
    },
    doubtRate() {
      if (!reading && failures === 0 && isOlderThan(RENEW_SOON_MS)) void renew();
    },
  };
}
