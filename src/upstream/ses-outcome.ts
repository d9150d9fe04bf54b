// What an error of the SES client means. Pure: the whole table from error to outcome is here.
import { oneLine } from "./line.ts";
import type { Outcome } from "./upstream.ts";

/** What is read of an error of the SDK; any of it may be missing. */
interface SesError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly errors?: readonly SesError[];
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

type Meaning =
  /** SES finds fault with this message. */
  | "permanent"
  /** SES would find the same fault with every message: our account, our rights, our configuration. */
  | "upstream"
  /** As "upstream", and it will not be better within minutes. */
  | "late"
  /** Too fast. */
  | "soon";

/**
 * By name first: SES answers 400 to throttling and to a bad message alike. AccountSuspended and
 * NotFound (of a configuration set) are permanent by their names, but they are so for every message,
 * and a queue must not be bounced for what an operator repairs.
 */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  MessageRejected: "permanent",
  MailFromDomainNotVerifiedException: "permanent",
  BadRequestException: "permanent",
  ValidationException: "permanent",
  InvalidParameterValue: "permanent",
  NotFoundException: "upstream",
  AccountSuspendedException: "late",
  SendingPausedException: "late",
  LimitExceededException: "late",
  TooManyRequestsException: "soon",
  ThrottlingException: "soon",
  Throttling: "soon",
};

/** Both come under several names. The daily quota is of any 24 hours, so it frees up bit by bit. */
const TEXTS: readonly (readonly [RegExp, Meaning])[] = [
  [/maximum sending rate exceeded/i, "soon"],
  [/daily message quota exceeded/i, "late"],
];

/** The rate is per second. */
const SOON_MS = 1_000;
const LATE_MS = 15 * 60_000;
/** No server gets to silence us for longer by its Retry-After. */
const RETRY_AFTER_MAX_MS = 60 * 60_000;

/** Statuses that speak of the message itself: too large, or not processable. */
const MESSAGE_STATUSES: ReadonlySet<number> = new Set([413, 414, 415, 422, 431]);
/** Statuses that speak of us or of the address that was called. */
const CALLER_STATUSES: ReadonlySet<number> = new Set([401, 403, 404, 405, 407]);

/**
 * @param handedOn false while the HTTP client had not been handed the request: then credentials or
 *   region were missing, and nothing can have been sent
 */
export function outcomeOfError(thrown: unknown, handedOn: boolean): Outcome {
  const error: SesError = typeof thrown === "object" && thrown !== null ? thrown : {};
  const name = String(error.name ?? "Error");
  const text = oneLine(`${name}: ${error.message ?? String(thrown)}`);
  const status = error.$metadata?.httpStatusCode;
  if (!handedOn) return refused(name === "AbortError" ? "transmission" : "upstream", text);
  if (status !== undefined && status >= 400 && status < 500) return refusedWith(error, name, status, text);
  // 5xx, a 200 that does not parse, a redirect: SES was there, and what it did is unknown.
  if (status !== undefined) return { kind: "doubtful", cause: oneLine(`${status} ${text}`) };
  if (neverConnected(error)) return refused("upstream", text);
  return { kind: "doubtful", cause: text };
}

/** Any 4xx is an answer, and it says that SES did not take the message. */
function refusedWith(error: SesError, name: string, status: number, text: string): Outcome {
  const byText = TEXTS.find(([pattern]) => pattern.test(text))?.[1];
  const meaning = byText ?? (Object.hasOwn(MEANINGS, name) ? MEANINGS[name] : meaningOf(status));
  switch (meaning) {
    case "permanent":
      return { kind: "refused", permanence: "permanent", scope: "transmission", reply: text };
    case "upstream":
      return refused("upstream", text, retryAfter(error));
    case "late":
      return refused("upstream", text, retryAfter(error) ?? LATE_MS);
    case "soon":
      return refused("transmission", text, retryAfter(error) ?? SOON_MS);
    default:
      return refused("transmission", text, retryAfter(error));
  }
}

function meaningOf(status: number): Meaning | undefined {
  if (MESSAGE_STATUSES.has(status)) return "permanent";
  if (CALLER_STATUSES.has(status)) return "upstream";
  return status === 429 ? "soon" : undefined;
}

/** Codes that Node gives before a connection, and with it a request, can exist. */
const UNCONNECTED_CODES: ReadonlySet<unknown> = new Set([
  ...["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"],
  // A certificate is judged before the first octet of the request is encrypted.
  ...["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  ...["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID"],
]);

/** The handler's own connect time-out has no code; its other time-outs read differently. */
const CONNECT_TIMEOUT = /did not establish a connection/;

function neverConnected({ code, syscall, name, message, errors }: SesError): boolean {
  // One error an address when a name has several.
  if (errors !== undefined && errors.length > 0) return errors.every(neverConnected);
  if (UNCONNECTED_CODES.has(code)) return true;
  if (code === "ETIMEDOUT" && syscall === "connect") return true;
  return code === undefined && name === "TimeoutError" && CONNECT_TIMEOUT.test(String(message));
}

/** RFC 9110 §10.2.3 in seconds, or x-amz-retry-after in milliseconds. A date is not used by SES. */
function retryAfter({ $response }: SesError): number | undefined {
  const headers = $response?.headers ?? {};
  const ms = Number(headers["x-amz-retry-after"] ?? Number(headers["retry-after"]) * 1_000);
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, RETRY_AFTER_MAX_MS) : undefined;
}

function refused(scope: "transmission" | "upstream", reply: string, retryAfterMs?: number): Outcome {
  const outcome = { kind: "refused", permanence: "transient", scope, reply } as const;
  return retryAfterMs === undefined ? outcome : { ...outcome, retryAfterMs };
}
