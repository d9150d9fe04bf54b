// The upstream "ses": SendEmail of API v2 with the message as it is (Raw), one recipient a call and one
// HTTP request a call.
import { type Clock, systemClock } from "../runtime/clock.ts";
import type { Fleet } from "../runtime/fleet.ts";
import { type Log, silentLog } from "../runtime/log.ts";
import { readContent } from "./content.ts";
import { oneLine } from "./line.ts";
import { createSesClient, type SesEnvelope, type SesTimeouts } from "./ses-client.ts";
import { type SesFields, sesFieldsOf } from "./ses-fields.ts";
import { outcomeOfError } from "./ses-outcome.ts";
import { createSesQuota } from "./ses-quota.ts";
import { createSesRate } from "./ses-rate.ts";
import type { Outcome, Transmission, Upstream } from "./upstream.ts";

export interface SesUpstreamOptions {
  /** From the SDK's own sources (AWS_REGION, the profile) unless given. */
  readonly region?: string | undefined;
  /** Instead of the region's own address. */
  readonly endpoint?: string | undefined;
  /** Of messages that name none in X-SES-CONFIGURATION-SET. */
  readonly configurationSet?: string | undefined;
  /** For sending authorization: the identity that lets us use its address in From. */
  readonly fromEmailAddressIdentityArn?: string | undefined;
  /** Calls a second instead of the account's MaxSendRate. */
  readonly ratePerSecond?: number | undefined;
  /** Of the gateways that share the account. */
  readonly fleet?: Fleet | undefined;
  readonly timeouts?: Partial<SesTimeouts> | undefined;
  readonly clock?: Clock | undefined;
  readonly log?: Log | undefined;
}

const timeoutDefaults: SesTimeouts = {
  connectMs: 5_000,
  // SES answers within a second. Whoever waits longer than its front end does only waits; whoever gives
  // up before makes doubtful ids.
  requestMs: 60_000,
  // A request on a connection that the server is just closing ends in a reset, which is doubtful though
  // nothing was read. So ours are given up long before a front end does so (60 s and more).
  idleMs: 10_000,
};

/**
 * 40 MB after base64, of which four characters hold three octets. MB is read as 10^6, so that the
 * smaller of the two meanings holds.
 */
const MESSAGE_OCTETS_MAX = (40_000_000 / 4) * 3;
/**
 * The SDK takes the content whole, makes base64 of it, JSON of that, and octets of the JSON: 1 and three
 * times 4/3, of which not all live at once. Measured over 20 attempts of 25 MB at once: 3.3.
 */
const MEMORY_PER_OCTET = 4;

/** GetAccount is asked beside the mail, so nobody waits for it longer. */
const QUOTA_MS = 5_000;

/** 1,000 octets with CRLF. */
const LINE_OCTETS_MAX = 998;

/**
 * Credentials come from the SDK's default chain at each call; that they, or the region, are missing is
 * an outcome with scope "upstream".
 */
export function createSesUpstream(options: SesUpstreamOptions = {}): Upstream {
  const { region, endpoint, configurationSet, fromEmailAddressIdentityArn, ratePerSecond, fleet } = options;
  const { clock = systemClock, log = silentLog } = options;
  const name = `ses ${endpoint ?? region ?? "in the region of the environment"}`;
  const timeouts = { ...timeoutDefaults, ...options.timeouts };
  const client = createSesClient({ region, endpoint, timeouts });

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
  function warnOf({ badTags }: SesFields, { messageId }: Transmission): void {
    if (badTags === 0 || hasWarned) return;
    hasWarned = true;
    log.warn("upstream.bad_tags", { upstream: name, messageId, left_out: badTags });
  }

  /**
   * FromEmailAddress is left out: with Raw content SES puts it into the From field, display name lost
   * (laravel/framework#37881, nodemailer/nodemailer#1731), and octets are not ours to change. The
   * reverse-path goes where bounces go. A null reverse-path leaves that to SES, which takes From.
   */
  function envelopeOf({ reversePath, recipient }: Transmission, { tags, ...fields }: SesFields): SesEnvelope {
    const set = fields.configurationSet ?? configurationSet;
    return {
      Destination: { ToAddresses: [recipient] },
      ...(reversePath === "" ? {} : { FeedbackForwardingEmailAddress: reversePath }),
      ...(set === undefined ? {} : { ConfigurationSetName: set }),
      EmailTags: [...tags],
      ...(fromEmailAddressIdentityArn === undefined
        ? {}
        : { FromEmailAddressIdentityArn: fromEmailAddressIdentityArn }),
    };
  }

  async function send(
    envelope: SesEnvelope,
    content: Uint8Array,
    ownConfigurationSet: boolean,
    signal: AbortSignal,
  ): Promise<Outcome> {
    let handedOn = false;
    try {
      const upstreamId = await client.sendEmail(envelope, content, signal, () => {
        handedOn = true;
      });
      rate.taken();
      if (upstreamId) return { kind: "accepted", upstreamId: oneLine(upstreamId) };
      return { kind: "doubtful", cause: "200 without a MessageId" };
    } catch (error) {
      const outcome = outcomeOfError(error, { handedOn, ownConfigurationSet, now: clock.now() });
      if (outcome.kind === "refused" && outcome.throttled === true) rate.throttled();
      return outcome;
    }
  }

  return {
    name,
    limits: { messageOctets: MESSAGE_OCTETS_MAX, lineOctets: LINE_OCTETS_MAX, smtpUtf8: false },
    rate,
    memoryPerOctet: MEMORY_PER_OCTET,
    async transmit(transmission, signal) {
      let content: Uint8Array;
      let fields: SesFields;
      try {
        signal.throwIfAborted();
        content = await readContent(transmission);
        fields = sesFieldsOf(content, transmission.id);
        signal.throwIfAborted();
      } catch (error) {
        const reply = oneLine(`before the call: ${String(error)}`);
        return { kind: "refused", permanence: "transient", scope: "transmission", reply };
      }
      warnOf(fields, transmission);
      const ownConfigurationSet = fields.configurationSet !== undefined;
      return await send(envelopeOf(transmission, fields), content, ownConfigurationSet, signal);
    },
    async close() {
      closing.abort();
      client.close();
    },
  };
}
