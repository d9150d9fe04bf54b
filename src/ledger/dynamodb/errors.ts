// What an error of the DynamoDB client means for the request that met it. Pure.

/**
 * - refused: the condition did not hold.
 * - throttled: nothing was done, and it may be sent again a little later.
 * - lost: whether it took effect is unknown.
 * - failed: nothing was done and sending it again would not help; or it was given up for its time, took most
 *   of the call's with it, and may still be on its way.
 */
export type Meaning = "refused" | "throttled" | "lost" | "failed";

const THROTTLED: ReadonlySet<unknown> = new Set([
  "ProvisionedThroughputExceededException",
  "ThrottlingException",
  "RequestLimitExceeded",
  "Throttling",
  "TooManyRequestsException",
]);

/** Before there is a request at all. */
const UNSENT: ReadonlySet<unknown> = new Set(["CredentialsProviderError", "TokenProviderError"]);

/** By name; the SDK calls by it too a connection that was lost, which has one of LOST_CODES. */
const LATE: ReadonlySet<unknown> = new Set(["TimeoutError", "AbortError"]);
const LOST_CODES: ReadonlySet<unknown> = new Set(["ECONNRESET", "EPIPE"]);

interface SdkError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

export function meaningOf(thrown: unknown): Meaning {
  const error: SdkError = typeof thrown === "object" && thrown !== null ? thrown : {};
  if (error.name === "ConditionalCheckFailedException") return "refused";
  if (THROTTLED.has(error.name)) return "throttled";
  if (LOST_CODES.has(error.code)) return "lost";
  if (LATE.has(error.name) || UNSENT.has(error.name) || error.message === "Region is missing")
    return "failed";
  const status = error.$metadata?.httpStatusCode;
  return status === undefined || status >= 500 || status < 400 ? "lost" : "failed";
}

/** Before the first retry, at most: DynamoDB's own SDKs begin with 50 ms. */
const RETRY_FIRST_MS = 50;
/** A partition that is too busy is split or granted more within seconds, not sooner. */
const RETRY_MAX_MS = 1_000;

/** Milliseconds, any between none and twice as many each time, so that many requests spread. */
export function retryDelay(tries: number): number {
  return Math.random() * Math.min(RETRY_FIRST_MS * 2 ** tries, RETRY_MAX_MS);
}
