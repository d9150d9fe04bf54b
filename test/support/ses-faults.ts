// How SES can answer SendEmail, or fail to, as data.

export interface SesPlan {
  /** drop and hang at "request" come before the body is read; at "reply" the message has arrived. */
  readonly at: "request" | "reply";
  readonly does: "drop" | "hang" | "answer" | "answer-half" | "answer-and-hang" | "release";
  readonly status?: number;
  /** The name of the error, as SES sends it in x-amzn-errortype. */
  readonly error?: string;
  /** The message of the error, or the whole body when there is no error. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** True when SES has the message nevertheless; it is then counted. */
  readonly takes?: boolean;
}

const error = (status: number, name: string, text: string, more: Partial<SesPlan> = {}): SesPlan => {
  return { at: "reply", does: "answer", status, error: name, text, ...more };
};

export const sesFaults = {
  "drop-in-request": { at: "request", does: "drop" },
  "hang-in-request": { at: "request", does: "hang" },
  "drop-untaken": { at: "reply", does: "drop" },
  "drop-before-reply": { at: "reply", does: "drop", takes: true },
  "hang-before-reply": { at: "reply", does: "hang", takes: true },
  "half-body": { at: "reply", does: "answer-half", status: 200, takes: true },
  "hang-in-body": { at: "reply", does: "answer-and-hang", status: 200, takes: true },
  "garbage-body": { at: "reply", does: "answer", status: 200, text: "<html>hello</html>", takes: true },
  "no-message-id": { at: "reply", does: "answer", status: 200, text: "{}", takes: true },
  "held-reply": { at: "reply", does: "release", takes: true },
  "internal-error": error(500, "InternalServiceErrorException", "Internal error"),
  "internal-error-taken": error(500, "InternalFailure", "Internal error", { takes: true }),
  "bad-gateway": { at: "reply", does: "answer", status: 502, text: "<html>502</html>" },
  unavailable: error(503, "ServiceUnavailable", "Slow down"),
  "too-many-requests": error(429, "TooManyRequestsException", "Too many requests"),
  "too-many-requests-retry-after": error(429, "TooManyRequestsException", "Too many requests", {
    headers: { "retry-after": "7" },
  }),
  "rate-exceeded": error(400, "ThrottlingException", "Maximum sending rate exceeded."),
  "quota-exceeded": error(429, "TooManyRequestsException", "Daily message quota exceeded."),
  "quota-exceeded-until": error(429, "TooManyRequestsException", "Daily message quota exceeded.", {
    headers: { "retry-after": "120" },
  }),
  "limit-exceeded": error(400, "LimitExceededException", "Too many instances"),
  "sending-paused": error(400, "SendingPausedException", "Sending is paused for this account"),
  "sending-paused-v1": error(400, "MessageRejected", "Sending paused for this account. See the guide."),
  "sending-disabled-v1": error(
    400,
    "AccountSendingPausedException",
    "Email sending is disabled for your entire Amazon SES account.",
  ),
  "set-paused": error(400, "SendingPausedException", "Sending is paused for configuration set <news>."),
  "account-suspended": error(400, "AccountSuspendedException", "The account is suspended"),
  "message-rejected": error(400, "MessageRejected", "Email address is not verified."),
  "mail-from-not-verified": error(400, "MailFromDomainNotVerifiedException", "MAIL FROM is not verified"),
  "bad-request": error(400, "BadRequestException", "Missing required header 'From'."),
  "not-found": error(404, "NotFoundException", "Configuration set <x> does not exist."),
  "no-identity": error(404, "NotFoundException", "Email identity x does not exist."),
  "access-denied": error(403, "AccessDeniedException", "Not authorized to perform ses:SendEmail"),
  "access-denied-to-identity": error(
    403,
    "AccessDeniedException",
    "User: arn:aws:iam::1:user/x is not authorized to perform: ses:SendEmail on resource: arn:aws:ses:eu-west-1:1:identity/a.example",
  ),
  "access-denied-explicitly": error(
    403,
    "AccessDeniedException",
    "User: arn:aws:sts::1:assumed-role/app/i-0 is not authorized to perform: ses:SendRawEmail with an explicit deny in an identity-based policy",
  ),
  "access-denied-to-tenant": error(
    403,
    "AccessDeniedException",
    "Tenant acme is not associated with resource arn:aws:ses:eu-west-1:1:identity/other.example",
  ),
  "access-denied-to-set": error(
    403,
    "AccessDeniedException",
    "User: arn:aws:iam::1:user/x is not authorized to perform: ses:SendEmail on resource: arn:aws:ses:eu-west-1:1:configuration-set/events",
  ),
  "expired-token-400": error(400, "ExpiredToken", "The security token included in the request is expired"),
  "request-expired-400": error(400, "RequestExpired", "Request has expired"),
  "incomplete-signature-400": error(400, "IncompleteSignatureException", "The signature is incomplete"),
  "unknown-key-400": error(400, "InvalidClientTokenId", "The security token is invalid"),
  "expired-token": error(403, "ExpiredTokenException", "The security token is expired"),
  "unknown-key": error(403, "UnrecognizedClientException", "The security token is invalid"),
  "bad-signature": error(403, "InvalidSignatureException", "The signature does not match"),
  "unknown-4xx": error(418, "TeapotException", "Short and stout"),
  "garbage-4xx": { at: "reply", does: "answer", status: 400, text: "<html>no</html>" },
  redirect: { at: "reply", does: "answer", status: 302, text: "", headers: { location: "/elsewhere" } },
} as const satisfies Record<string, SesPlan>;

export type SesFault = "accept" | keyof typeof sesFaults;

export function sesPlanOf(fault: SesFault): SesPlan | undefined {
  return fault === "accept" ? undefined : sesFaults[fault];
}
