// What becomes of one attempt at SES, for each way in which SES can answer or fail to.
import type { SesFault } from "../support/ses-faults.ts";
import type { Expectation } from "./upstream.ts";

const nobody = { taken: 0 } as const;
const transient: Expectation = { outcome: "transient", ...nobody };
const permanent: Expectation = { outcome: "permanent", ...nobody };
const upstream: Expectation = { outcome: "upstream", ...nobody };
const doubtful: Expectation = { outcome: "doubtful", taken: 1 };
/** SES has nothing, but nobody on our side can know. */
const needlessDoubt: Expectation = { outcome: "doubtful", ...nobody };

export const sesExpectations: Readonly<Record<SesFault, Expectation>> = {
  accept: { outcome: "accepted", taken: 1 },
  "drop-in-request": needlessDoubt,
  "hang-in-request": needlessDoubt,
  "drop-untaken": needlessDoubt,
  "drop-before-reply": doubtful,
  "hang-before-reply": doubtful,
  "half-body": doubtful,
  "hang-in-body": doubtful,
  "garbage-body": doubtful,
  "no-message-id": doubtful,
  "held-reply": doubtful,
  "internal-error": needlessDoubt,
  "internal-error-taken": doubtful,
  "bad-gateway": needlessDoubt,
  unavailable: needlessDoubt,
  "too-many-requests": transient,
  "too-many-requests-retry-after": transient,
  "rate-exceeded": transient,
  "quota-exceeded": upstream,
  "quota-exceeded-until": upstream,
  "limit-exceeded": upstream,
  "sending-paused": upstream,
  "sending-paused-v1": upstream,
  "sending-disabled-v1": upstream,
  "set-paused": upstream,
  "account-suspended": upstream,
  "message-rejected": permanent,
  "mail-from-not-verified": permanent,
  "bad-request": permanent,
  "not-found": upstream,
  "no-identity": upstream,
  "access-denied": upstream,
  "access-denied-to-identity": transient,
  "access-denied-explicitly": transient,
  "access-denied-to-tenant": transient,
  "expired-token-400": upstream,
  "request-expired-400": upstream,
  "incomplete-signature-400": upstream,
  "unknown-key-400": upstream,
  "expired-token": upstream,
  "unknown-key": upstream,
  "bad-signature": upstream,
  "unknown-4xx": transient,
  "garbage-4xx": transient,
  redirect: needlessDoubt,
};
