// The upstream "ses": SendEmail of API v2 with the message as it is (Raw), one recipient a call and one
// HTTP request a call. Here is what holds for the account.
import { type Clock, systemClock } from "../../runtime/clock.ts";
import type { Fleet } from "../../runtime/fleet.ts";
import { type Log, silentLog } from "../../runtime/log.ts";
import type { Upstream } from "../upstream.ts";
import { attemptSes, type SesDefaults } from "./attempt.ts";
import { checkSes, lacking, unverifiedSender } from "./check.ts";
import { createSesClient, type SesClientOptions } from "./client.ts";
import { createSesQuota } from "./quota.ts";
import { createSesRate } from "./rate.ts";

export interface SesUpstreamOptions extends SesClientOptions, SesDefaults {
  /** Calls a second instead of the account's MaxSendRate. */
  readonly ratePerSecond?: number | undefined;
  /** Of the gateways that share the account. */
  readonly fleet?: Fleet | undefined;
  readonly clock?: Clock | undefined;
  readonly log?: Log | undefined;
}

/**
 * 40 MB after base64, of which four characters hold three octets. MB is read as 10^6, so that the
 * smaller of the two meanings holds.
 */
const MESSAGE_OCTETS_MAX = (40_000_000 / 4) * 3;
/**
 * The content and its base64 in the body of the request, 1 and 4/3. Measured over 10 to 40 attempts of 10 and 25 MB
 * at once, in this thread and in others, with TLS and without: 2.4 to 2.6.
 */
const MEMORY_PER_OCTET = 3;

/** GetAccount is asked beside the mail, so nobody waits for it longer. */
const QUOTA_MS = 5_000;

/** 1,000 octets with CRLF. */
const LINE_OCTETS_MAX = 998;

/** Without credentials or a region each attempt ends as `down`. */
export function createSesUpstream(options: SesUpstreamOptions = {}): Upstream {
  const { region, endpoint, ratePerSecond, fleet, clock = systemClock, log = silentLog } = options;
  const name = `ses ${endpoint ?? region ?? "in the region of the environment"}`;
  const client = createSesClient(options);
  const defaults: SesDefaults = { ...options, ledger: fleet?.ledger };

  const closing = new AbortController();
  const quota = createSesQuota({
    async read() {
      const late = new AbortController();
      const timer = clock.after(QUOTA_MS, () => late.abort(new Error("no answer in time")));
      try {
        return await client.readQuota(AbortSignal.any([late.signal, closing.signal]));
      } finally {
        timer.cancel();
      }
    },
    ...{ name, clock, log },
  });
  const rate = createSesRate({ quota, perSecond: ratePerSecond, fleet, name, clock, log });

  /** Said once: a mailer that writes bad tags does so in every message. */
  let hasWarned = false;
  function warnOf(badTags: number, messageId: string): void {
    if (badTags === 0 || hasWarned) return;
    hasWarned = true;
    log.warn("upstream.bad_tags", { upstream: name, messageId, left_out: badTags });
  }

  return {
    name,
    limits: { messageOctets: MESSAGE_OCTETS_MAX, lineOctets: LINE_OCTETS_MAX, smtpUtf8: false },
    rate,
    quota: quota.sending,
    memoryPerOctet: MEMORY_PER_OCTET,
    async transmit(transmission, signal) {
      const { outcome, badTags } = await attemptSes(client, transmission, defaults, signal);
      warnOf(badTags, transmission.messageId);
      if (outcome.kind === "accepted") rate.taken();
      if (outcome.kind === "later" && outcome.throttled === true) rate.throttled();
      return outcome;
    },
    lacks: () => lacking(client),
    senderFault: (address, signal, what) => unverifiedSender(client, address, signal, what),
    check: (signal) => checkSes(client, signal),
    async close() {
      closing.abort();
      client.close();
    },
  };
}
