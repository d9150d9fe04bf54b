// What becomes of one attempt at SES, for each way in which SES can answer or fail to.
import type { SesFault } from "../support/ses-faults.ts";
import type { Expectation } from "./upstream.ts";

const nobody = { taken: 0 } as const;
const later: Expectation = { outcome: "later", ...nobody };
const refused: Expectation = { outcome: "refused", ...nobody };
const down: Expectation = { outcome: "down", ...nobody };
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
  "too-many-requests": later,
  "too-many-requests-retry-after": later,
  "rate-exceeded": later,
  "quota-exceeded": down,
  "quota-exceeded-until": down,
  "limit-exceeded": down,
  "sending-paused": down,
  "sending-paused-v1": down,
  "sending-disabled-v1": down,
  "set-paused": down,
  "account-suspended": down,
  "message-rejected": refused,
  "mail-from-not-verified": refused,
  "bad-request": refused,
  "not-found": down,
  "no-identity": down,
  "access-denied": down,
  "access-denied-to-identity": later,
  "access-denied-explicitly": later,
  "access-denied-to-tenant": later,
  "access-denied-to-set": later,
  "expired-token-400": down,
  "request-expired-400": down,
  "incomplete-signature-400": down,
  "unknown-key-400": down,
  "expired-token": down,
  "unknown-key": down,
  "bad-signature": down,
  "unknown-4xx": later,
  "garbage-4xx": later,
  redirect: needlessDoubt,
};
