// What the API of SES is asked for, whichever of its two versions asks, and the errors that it answers with. The versions read
// and write their own forms of both (v1.ts, v2.ts).

/** A call that was understood. */
export type Call =
  | { readonly kind: "send"; readonly mail: MailCall }
  /** What may be sent, and how much was. */
  | { readonly kind: "quota" }
  | { readonly kind: "statistics" };

export interface MailCall {
  /** An address, perhaps with a name; absent where the content names it. */
  readonly from?: string | undefined;
  /** Where failures are reported to, in place of `from`. */
  readonly reversePath?: string | undefined;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly replyTo: readonly string[];
  readonly content: RawContent | SimpleContent;
  readonly tags: readonly NameValue[];
  readonly configurationSet?: string | undefined;
  readonly tenant?: string | undefined;
  readonly list?: { readonly name: string; readonly topic?: string | undefined } | undefined;
}

export interface NameValue {
  readonly name: string;
  readonly value: string;
}

export interface RawContent {
  readonly kind: "raw";
  readonly octets: Uint8Array;
}

export interface SimpleContent {
  readonly kind: "simple";
  readonly subject: string;
  readonly text?: string | undefined;
  readonly html?: string | undefined;
  readonly headers: readonly NameValue[];
  readonly attachments: readonly Attachment[];
}

export interface Attachment {
  readonly content: Uint8Array;
  readonly fileName: string;
  readonly contentType?: string | undefined;
  readonly inline: boolean;
  readonly contentId?: string | undefined;
  readonly description?: string | undefined;
}

/** What is answered to a call that was understood and done. */
export type Done =
  /** The Message-ID of the first recipient's mail, without angle brackets. */
  | { readonly kind: "sent"; readonly content: MailCall["content"]["kind"]; readonly messageId: string }
  | { readonly kind: "quota"; readonly quota: Quota }
  | { readonly kind: "statistics" };

export interface Quota {
  /** In 24 hours; -1 where nothing limits it, as SES has it. */
  readonly max: number;
  readonly sent: number;
  readonly perSecond: number;
}

/**
 * Why a call is refused. SDKs try `unavailable` and `throttled` again by themselves, and nothing else.
 *
 * - `rejected`: this mail is not taken, now or later
 * - `invalid`: a parameter is wrong or missing
 * - `unoffered`: an action that only SES has
 */
export type ErrorKind =
  | "rejected"
  | "invalid"
  | "unoffered"
  | "template"
  | "denied"
  | "unsigned"
  | "incomplete"
  | "unknown-key"
  | "mismatch"
  | "expired"
  | "throttled"
  | "unavailable";

export class CallError extends Error {
  override readonly name = "CallError";
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Status and name of an error, in each version of the API. */
export const ERRORS = {
  rejected: { v1: [400, "MessageRejected"], v2: [400, "MessageRejected"] },
  invalid: { v1: [400, "InvalidParameterValue"], v2: [400, "BadRequestException"] },
  unoffered: { v1: [400, "InvalidAction"], v2: [400, "BadRequestException"] },
  template: { v1: [400, "TemplateDoesNotExist"], v2: [400, "BadRequestException"] },
  denied: { v1: [403, "AccessDenied"], v2: [403, "AccessDeniedException"] },
  unsigned: { v1: [403, "MissingAuthenticationToken"], v2: [403, "MissingAuthenticationTokenException"] },
  incomplete: { v1: [400, "IncompleteSignature"], v2: [403, "IncompleteSignatureException"] },
  "unknown-key": { v1: [403, "InvalidClientTokenId"], v2: [403, "UnrecognizedClientException"] },
  mismatch: { v1: [403, "SignatureDoesNotMatch"], v2: [403, "InvalidSignatureException"] },
  expired: { v1: [400, "RequestExpired"], v2: [403, "InvalidSignatureException"] },
  throttled: { v1: [400, "Throttling"], v2: [429, "TooManyRequestsException"] },
  unavailable: { v1: [503, "ServiceUnavailable"], v2: [503, "ServiceUnavailableException"] },
} as const satisfies Record<ErrorKind, Record<"v1" | "v2", readonly [status: number, code: string]>>;

/** What a version of the API answers. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One version of the API. */
export interface Version {
  /** @throws CallError */
  read(method: string, path: string, body: Uint8Array): Call;
  /** @param requestId random; what a user shows to who looks for the request */
  done(done: Done, requestId: string): HttpAnswer;
  failed(error: CallError, requestId: string): HttpAnswer;
}

/** A name of a tag, a configuration set, a tenant or a list, as SES has them. */
const NAME = /^(?:ses:)?[A-Za-z0-9_-]{1,256}$/;

/** @throws CallError */
export function checkedName(what: string, name: string): string {
  if (!NAME.test(name)) {
    throw new CallError("invalid", `${what} has other characters than letters, digits, "_" and "-"`);
  }
  return name;
}

/** Base64 of RFC 4648 §4, with line ends or without. @throws CallError */
export function decodeBase64(what: string, text: string): Uint8Array {
  const octets = Buffer.from(text, "base64");
  // All SDKs write it so. A tenth of what the look at each character costs, which is a fifth of a mail.
  if (octets.toString("base64") === text) return octets;
  const characters = text.replace(/[\r\n]+/g, "");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(characters) || characters.length % 4 === 1) {
    throw new CallError("invalid", `${what} is not base64`);
  }
  return Buffer.from(characters, "base64");
}

/** For a text of the client in a message to it and to the log. */
export const shown = (text: string): string =>
  text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;

const SHOWN_MAX = 100;
