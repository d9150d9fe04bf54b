// What an error of the SES client means. Pure: the whole table from error to outcome is here.
import { speaksOfCredentials } from "../../runtime/aws-credentials.ts";
import { oneLine } from "../line.ts";
import { SENDING_PAUSED } from "../paused.ts";
import { type ConnectError, neverConnected } from "../unconnected.ts";
import type { Outcome } from "../upstream.ts";

/** What is read of an error of the SDK; any of it may be missing. */
interface SesError extends ConnectError {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

type Meaning =
  /** SES finds fault with this message. */
  | "refused"
  /** SES would find the same fault with every message: our account, our rights, our configuration. */
  | "down"
  /** As "down", and it will not be better within seconds. */
  | "late"
  /** What the call names does not exist: named by the message itself, or by our configuration. */
  | "missing"
  /** Sending is paused: of the account, or of something that the message itself names. */
  | "paused"
  /** Too fast. */
  | "soon";

/**
 * By name first, without "Exception" at its end: SES answers 400 to throttling and to a bad message alike.
 * AccountSuspended and NotFound are permanent by their names, but they are so for every message unless it named
 * what is missing itself, and a queue must not be bounced for what an operator repairs. SendingPaused has no time of
 * its own: a paused account may be resumed within seconds.
 */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  MessageRejected: "refused",
  MailFromDomainNotVerified: "refused",
  BadRequest: "refused",
  Validation: "refused",
  InvalidParameterValue: "refused",
  NotFound: "missing",
  ConfigurationSetDoesNotExist: "missing",
  SendingPaused: "paused",
  ConfigurationSetSendingPaused: "paused",
  AccountSendingPaused: "down",
  AccountSuspended: "late",
  LimitExceeded: "late",
  TooManyRequests: "soon",
  Throttling: "soon",
  AccessDenied: "down",
};

/**
 * What comes under several names. The daily quota is of any 24 hours, so it frees up bit by bit. That sending is
 * paused is MessageRejected at the older API and at the SMTP endpoint.
 */
const TEXTS: readonly (readonly [RegExp, Meaning])[] = [
  [/maximum sending rate exceeded/i, "soon"],
  [/daily message quota exceeded/i, "late"],
  [SENDING_PAUSED, "paused"],
];

/** A quarter of the second that SES counts by: our own rate spaces the calls, this only lets others by. */
const SOON_MS = 250;
/** The quota of a day frees up in a minute what was sent in that minute a day ago. */
const LATE_MS = 60_000;
/** No server gets to silence us for longer by its Retry-After. */
const RETRY_AFTER_MAX_MS = 60 * 60_000;

/**
 * Rights may be given for some identities, configuration sets or tenants only, and a policy may deny a sender or a
 * recipient. Then the refusal names what it is about, or the deny, and other messages may pass.
 */
const LACKS_RIGHT_FOR_IT =
  /arn:aws[\w-]*:ses:\S*:(identity|contact-list|tenant|template)\/|\btenant\b|explicit deny/i;
const SET_WITHOUT_RIGHT = /arn:aws[\w-]*:ses:\S*:configuration-set\/([\w-]+)/i;

/** Statuses that speak of the message itself: too large, or not processable. */
const MESSAGE_STATUSES: ReadonlySet<number> = new Set([413, 414, 415, 422, 431]);
/** Statuses that speak of us or of the address that was called. */
const CALLER_STATUSES: ReadonlySet<number> = new Set([401, 403, 404, 405, 407]);

export interface SesCall {
  /** False while the HTTP client had not been handed the request: nothing can have been sent. */
  readonly handedOn: boolean;
  /** The message named its configuration set itself. */
  readonly ownConfigurationSet: boolean;
  /** Of our configuration: the one of every message that names none itself. */
  readonly configurationSet?: string | undefined;
  /** The message named its tenant itself. */
  readonly ownTenant?: boolean;
  /** The message named its contact list itself. */
  readonly ownContactList?: boolean;
  /** Milliseconds since the epoch, for a Retry-After that is a date. */
  readonly now: number;
}

/** Without a request credentials or region were missing. */
export function outcomeOfError(thrown: unknown, call: SesCall): Outcome {
  const error: SesError = typeof thrown === "object" && thrown !== null ? thrown : {};
  const name = String(error.name ?? "Error");
  const text = oneLine(`${name}: ${error.message ?? String(thrown)}`);
  const status = error.$metadata?.httpStatusCode;
  if (!call.handedOn) return untaken(name === "AbortError" ? "later" : "down", text);
  if (status !== undefined && status >= 400 && status < 500) {
    return refusedAs(meaningOf(name, status, text, call), text, retryAfter(error, call.now));
  }
  // 5xx, a 200 that does not parse, a redirect: SES was there, and what it did is unknown.
  if (status !== undefined) return { kind: "doubtful", cause: oneLine(`${status} ${text}`) };
  if (neverConnected(error)) return untaken(name === "AbortError" ? "later" : "down", text);
  return { kind: "doubtful", cause: text };
}

/** Any 4xx is an answer, and it says that SES did not take the message. */
function refusedAs(meaning: Resolved | undefined, text: string, afterMs?: number): Outcome {
  switch (meaning) {
    case "refused":
      return { kind: "refused", reply: text };
    case "down":
      return untaken("down", text, afterMs);
    case "late":
      return untaken("down", text, afterMs ?? LATE_MS);
    case "soon":
      return { kind: "later", reply: text, retryAfterMs: afterMs ?? SOON_MS, throttled: true };
    default:
      return untaken("later", text, afterMs);
  }
}

/** Whose fault it is has been decided. */
type Resolved = Exclude<Meaning, "missing" | "paused">;

function meaningOf(name: string, status: number, text: string, call: SesCall): Resolved | undefined {
  if (speaksOfCredentials(name, text)) return "down";
  const byText = TEXTS.find(([pattern]) => pattern.test(text))?.[1];
  const meaning = byText ?? byName(name) ?? byStatus(status);
  if (meaning === "missing") return isOwn(text, call) ? "refused" : "down";
  // It may be resumed, so the message waits; alone where only it is concerned.
  if (meaning === "paused") return isOwn(text, call) ? undefined : "down";
  const isDenied = status === 403 || withoutException(name) === "AccessDenied";
  return isDenied && lacksRightForIt(text, call) ? undefined : meaning;
}

/** The right to use the configuration set of our configuration is needed by every message that names no other. */
function lacksRightForIt(text: string, { ownConfigurationSet, configurationSet }: SesCall): boolean {
  if (LACKS_RIGHT_FOR_IT.test(text)) return true;
  const set = SET_WITHOUT_RIGHT.exec(text)?.[1];
  return set !== undefined && (ownConfigurationSet || set !== configurationSet);
}

const withoutException = (name: string): string => name.replace(/Exception$/, "");

function byName(name: string): Meaning | undefined {
  const short = withoutException(name);
  return Object.hasOwn(MEANINGS, short) ? MEANINGS[short] : undefined;
}

/** Whether what SES speaks of was named by the message itself; where it does not say, whether anything was. */
function isOwn(text: string, { ownConfigurationSet, ownTenant, ownContactList }: SesCall): boolean {
  const named = [
    /configuration.?set/i.test(text) && ownConfigurationSet,
    /\btenant\b/i.test(text) && (ownTenant ?? false),
    /contact.?list|\btopic\b/i.test(text) && (ownContactList ?? false),
  ];
  if (named.includes(true)) return true;
  if (SPEAKS_OF.test(text)) return false;
  return ownConfigurationSet || ownTenant === true || ownContactList === true;
}

const SPEAKS_OF = /configuration.?set|\btenant\b|contact.?list|\btopic\b|\baccount\b/i;

function byStatus(status: number): Meaning | undefined {
  if (MESSAGE_STATUSES.has(status)) return "refused";
  if (CALLER_STATUSES.has(status)) return "down";
  return status === 429 ? "soon" : undefined;
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

const untaken = (kind: "later" | "down", reply: string, retryAfterMs?: number): Outcome =>
  retryAfterMs === undefined ? { kind, reply } : { kind, reply, retryAfterMs };
