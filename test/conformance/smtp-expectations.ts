// What one attempt at an SMTP server comes to, for every way in which the server can go wrong.
import type { SmtpFault } from "../support/smtp-faults.ts";
import type { Expectation } from "./upstream.ts";

const nobody = { taken: 0 } as const;
const later: Expectation = { outcome: "later", ...nobody };
const refused: Expectation = { outcome: "refused", ...nobody };
const down: Expectation = { outcome: "down", ...nobody };
const accepted: Expectation = { outcome: "accepted", taken: 1 };
const doubtful: Expectation = { outcome: "doubtful", taken: 1 };
/** More than the buffers of two sockets hold, so that the content can't have been read to its end. */
const large = { bodyOctets: 24_000_000 };

export const smtpExpectations: Record<SmtpFault, Expectation> = {
  accept: accepted,
  "drop-at-greeting": down,
  "hang-at-greeting": down,
  "421-at-greeting": down,
  "refuse-greeting-5": down,
  "drop-at-ehlo": down,
  "hang-at-ehlo": down,
  "421-at-ehlo": down,
  "drop-at-mail": later,
  "hang-at-mail": later,
  "421-at-mail": later,
  "refuse-mail-4": later,
  "refuse-mail-5": refused,
  "demand-auth": down,
  "drop-at-rcpt": later,
  "hang-at-rcpt": later,
  "421-at-rcpt": later,
  "refuse-rcpt-4": later,
  "refuse-rcpt-5": refused,
  "drop-at-data": later,
  "hang-at-data": later,
  "421-at-data": later,
  "refuse-data-4": later,
  "refuse-data-5": refused,
  "250-at-data": later,
  "drop-in-content": { ...later, ...large },
  "hang-in-content": { ...later, ...large },
  "refuse-in-content-5": { ...refused, ...large },
  "early-refusal": { ...refused, ...large },
  // The server has nothing, but the client can't know: exactly what doubtful is for.
  "drop-untaken": { outcome: "doubtful", ...nobody },
  "drop-before-reply": doubtful,
  "hang-before-reply": doubtful,
  "half-code": doubtful,
  "short-code": doubtful,
  "unended-reply": doubtful,
  "half-multiline": doubtful,
  "unended-refusal": { outcome: "doubtful", ...nobody },
  "refuse-content-4": later,
  "refuse-content-5": refused,
  "421-at-content": later,
  "stray-reply": accepted,
  "stray-refusal": accepted,
  "drop-after-reply": accepted,
  "slow-reply": accepted,
  "held-reply": doubtful,
};
