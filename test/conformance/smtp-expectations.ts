// What one attempt at an SMTP server comes to, for every way in which the server can go wrong.
import type { SmtpFault } from "../support/smtp-faults.ts";
import type { Expectation } from "./upstream.ts";

const nobody = { taken: 0 } as const;
const transient: Expectation = { outcome: "transient", ...nobody };
const permanent: Expectation = { outcome: "permanent", ...nobody };
const upstream: Expectation = { outcome: "upstream", ...nobody };
const accepted: Expectation = { outcome: "accepted", taken: 1 };
const doubtful: Expectation = { outcome: "doubtful", taken: 1 };
/** More than the buffers of two sockets hold, so that the content can't have been read to its end. */
const large = { bodyOctets: 24_000_000 };

export const smtpExpectations: Record<SmtpFault, Expectation> = {
  accept: accepted,
  "drop-at-greeting": upstream,
  "hang-at-greeting": upstream,
  "421-at-greeting": upstream,
  "refuse-greeting-5": upstream,
  "drop-at-ehlo": upstream,
  "hang-at-ehlo": upstream,
  "421-at-ehlo": upstream,
  "drop-at-mail": transient,
  "hang-at-mail": transient,
  "421-at-mail": transient,
  "refuse-mail-4": transient,
  "refuse-mail-5": permanent,
  "demand-auth": upstream,
  "drop-at-rcpt": transient,
  "hang-at-rcpt": transient,
  "421-at-rcpt": transient,
  "refuse-rcpt-4": transient,
  "refuse-rcpt-5": permanent,
  "drop-at-data": transient,
  "hang-at-data": transient,
  "421-at-data": transient,
  "refuse-data-4": transient,
  "refuse-data-5": permanent,
  "250-at-data": transient,
  "drop-in-content": { ...transient, ...large },
  "hang-in-content": { ...transient, ...large },
  "refuse-in-content-5": { ...permanent, ...large },
  "early-refusal": { ...permanent, ...large },
  // The server has nothing, but the client can't know: exactly what doubtful is for.
  "drop-untaken": { outcome: "doubtful", ...nobody },
  "drop-before-reply": doubtful,
  "hang-before-reply": doubtful,
  "half-code": doubtful,
  "short-code": doubtful,
  "unended-reply": doubtful,
  "half-multiline": doubtful,
  "unended-refusal": { outcome: "doubtful", ...nobody },
  "refuse-content-4": transient,
  "refuse-content-5": permanent,
  "421-at-content": transient,
  "stray-reply": accepted,
  "stray-refusal": accepted,
  "drop-after-reply": accepted,
  "slow-reply": accepted,
  "held-reply": doubtful,
};
