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
  /** As "upstream", and it will not be better within seconds. */
  | "late"
  /** The configuration set of this call: the message's own, or the one of all. */
  | "set"
  /** Too fast. */
  | "soon";

/**
 * By name first: SES answers 400 to throttling and to a bad message alike. AccountSuspended and
 * NotFound (of a configuration set) are permanent by their names, but they are so for every message
 * unless it named the set itself, and a queue must not be bounced for what an operator repairs.
 * SendingPaused has no time of its own: whoever pauses an account may resume it in seconds.
 */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  MessageRejected: "permanent",
  MailFromDomainNotVerifiedException: "permanent",
  BadRequestException: "permanent",
  ValidationException: "permanent",
  InvalidParameterValue: "permanent",
  NotFoundException: "set",
  ConfigurationSetDoesNotExist: "set",
  ConfigurationSetDoesNotExistException: "set",
  SendingPausedException: "upstream",
  AccountSendingPausedException: "upstream",
  AccountSuspendedException: "late",
  LimitExceededException: "late",
  TooManyRequestsException: "soon",
  ThrottlingException: "soon",
  Throttling: "soon",
};

/** What comes under several names. The daily quota is of any 24 hours, so it frees up bit by bit. */
const TEXTS: readonly (readonly [RegExp, Meaning])[] = [
  [/maximum sending rate exceeded/i, "soon"],
  [/daily message quota exceeded/i, "late"],
];

/** A quarter of the second that SES counts by: our own rate spaces the calls, this only lets others by. */
const SOON_MS = 250;
/** The quota of a day frees up in a minute what was sent in that minute a day ago. */
const LATE_MS = 60_000;
/** No server gets to silence us for longer by its Retry-After. */
const RETRY_AFTER_MAX_MS = 60 * 60_000;

/**
 * Rights may be given for some identities and configuration sets only. Then the refusal names which, and
 * other messages may pass.
 */
const LACKS_RIGHT_ON = /on resource\b.*:(identity|configuration-set)\//i;

/** Statuses that speak of the message itself: too large, or not processable. */
const MESSAGE_STATUSES: ReadonlySet<number> = new Set([413, 414, 415, 422, 431]);
/** Statuses that speak of us or of the address that was called. */
const CALLER_STATUSES: ReadonlySet<number> = new Set([401, 403, 404, 405, 407]);

export interface SesCall {
  /** False while the HTTP client had not been handed the request: nothing can have been sent. */
  readonly handedOn: boolean;
  /** The message named its configuration set itself. */
  readonly ownConfigurationSet: boolean;
  /** Milliseconds since the epoch, for a Retry-After that is a date. */
  readonly now: number;
}

/** Without a request credentials or region were missing. */
export function outcomeOfError(thrown: unknown, call: SesCall): Outcome {
  const error: SesError = typeof thrown === "object" && thrown !== null ? thrown : {};
  const name = String(error.name ?? "Error");
  const text = oneLine(`${name}: ${error.message ?? String(thrown)}`);
  const status = error.$metadata?.httpStatusCode;
  if (!call.handedOn) return refused(name === "AbortError" ? "transmission" : "upstream", text);
  if (status !== undefined && status >= 400 && status < 500) {
    return refusedAs(meaningOf(name, status, text, call), text, retryAfter(error, call.now));
  }
  // 5xx, a 200 that does not parse, a redirect: SES was there, and what it did is unknown.
  if (status !== undefined) return { kind: "doubtful", cause: oneLine(`${status} ${text}`) };
  if (neverConnected(error)) return refused("upstream", text);
  return { kind: "doubtful", cause: text };
}

/** Any 4xx is an answer, and it says that SES did not take the message. */
function refusedAs(meaning: Exclude<Meaning, "set"> | undefined, text: string, afterMs?: number): Outcome {
  switch (meaning) {
    case "permanent":
      return { kind: "refused", permanence: "permanent", scope: "transmission", reply: text };
    case "upstream":
      return refused("upstream", text, afterMs);
    case "late":
      return refused("upstream", text, afterMs ?? LATE_MS);
    case "soon":
      return { ...refused("transmission", text, afterMs ?? SOON_MS), throttled: true };
    default:
      return refused("transmission", text, afterMs);
  }
}

function meaningOf(
  name: string,
  status: number,
  text: string,
  { ownConfigurationSet }: SesCall,
): Exclude<Meaning, "set"> | undefined {
  const byText = TEXTS.find(([pattern]) => pattern.test(text))?.[1];
  const byName = Object.hasOwn(MEANINGS, name) ? MEANINGS[name] : undefined;
  const meaning = byText ?? byName ?? byStatus(status);
  if (meaning === "set") return ownConfigurationSet ? "permanent" : "upstream";
  return status === 403 && LACKS_RIGHT_ON.test(text) ? undefined : meaning;
}

function byStatus(status: number): Meaning | undefined {
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

/** RFC 9110 §10.2.3, in seconds or as a date, or x-amz-retry-after in milliseconds; never longer than the most. */
function retryAfter({ $response }: SesError, now: number): number | undefined {
  const { "x-amz-retry-after": milliseconds, "retry-after": hint } = $response?.headers ?? {};
  const ms = numberOf(milliseconds) ?? secondsOf(hint) ?? untilDate(hint, now);
  return ms === undefined ? undefined : Math.min(Math.max(ms, 0), RETRY_AFTER_MAX_MS);
}

const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;

const secondsOf = (text: string | undefined): number | undefined => {
  const seconds = numberOf(text);
  return seconds === undefined ? undefined : seconds * 1_000;
};

/** An HTTP date names its day and GMT; Date.parse alone takes nearly anything. */
const untilDate = (text: string | undefined, now: number): number | undefined => {
  const at = text !== undefined && /^[A-Z][a-z]+, .* GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : at - now;
};

function refused(scope: "transmission" | "upstream", reply: string, retryAfterMs?: number) {
  const outcome = { kind: "refused", permanence: "transient", scope, reply } as const;
  return retryAfterMs === undefined ? outcome : { ...outcome, retryAfterMs };
}
