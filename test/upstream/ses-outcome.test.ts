import { describe, expect, test } from "vitest";
import { outcomeOfError } from "../../src/upstream/ses/outcome.ts";
import { kindOf } from "../conformance/upstream.ts";

const error = (fields: object) => Object.assign(new Error("what happened"), fields);
const handedOn = { handedOn: true, ownConfigurationSet: false, now: Date.parse("2026-10-21T07:28:00Z") };
const connect = (code: string) => error({ code, syscall: "connect" });

const CUT_HANDSHAKE = "Client network socket disconnected before secure TLS connection was established";

/** Every verdict of Node.js on a certificate, by OpenSSL's names. */
const CERTIFICATES = [
  ...["UNABLE_TO_GET_ISSUER_CERT", "UNABLE_TO_GET_CRL", "UNABLE_TO_DECRYPT_CERT_SIGNATURE"],
  ...["UNABLE_TO_DECRYPT_CRL_SIGNATURE", "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY", "CERT_SIGNATURE_FAILURE"],
  ...[
    "CRL_SIGNATURE_FAILURE",
    "CERT_NOT_YET_VALID",
    "CRL_NOT_YET_VALID",
    "CERT_HAS_EXPIRED",
    "CRL_HAS_EXPIRED",
  ],
  ...["ERROR_IN_CERT_NOT_BEFORE_FIELD", "ERROR_IN_CERT_NOT_AFTER_FIELD", "ERROR_IN_CRL_LAST_UPDATE_FIELD"],
  ...["ERROR_IN_CRL_NEXT_UPDATE_FIELD", "DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN"],
  ...["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "CERT_CHAIN_TOO_LONG"],
  ...[
    "CERT_REVOKED",
    "INVALID_CA",
    "PATH_LENGTH_EXCEEDED",
    "INVALID_PURPOSE",
    "CERT_UNTRUSTED",
    "CERT_REJECTED",
  ],
  // What Node.js has no name of: EE_KEY_TOO_SMALL, CA_MD_TOO_WEAK and the rest.
  ...["UNSPECIFIED", "OUT_OF_MEM"],
  ...["HOSTNAME_MISMATCH", "ERR_TLS_CERT_ALTNAME_INVALID", "ERR_TLS_CERT_ALTNAME_FORMAT"],
];

test.each(CERTIFICATES)("a certificate that is %s was judged before anything was sent", (code) => {
  expect(kindOf(outcomeOfError(error({ code }), handedOn))).toBe("down");
});

describe("without an answer", () => {
  test.each([
    ["refused", connect("ECONNREFUSED"), "down"],
    ["no such name", error({ code: "ENOTFOUND", syscall: "getaddrinfo" }), "down"],
    ["no name service", error({ code: "EAI_AGAIN", syscall: "getaddrinfo" }), "down"],
    ["no route", connect("EHOSTUNREACH"), "down"],
    ["no network", connect("ENETUNREACH"), "down"],
    ["the system's connect time-out", connect("ETIMEDOUT"), "down"],
    [
      "all addresses refused",
      error({ code: "ECONNREFUSED", errors: [connect("ECONNREFUSED"), connect("ENETUNREACH")] }),
      "down",
    ],
    [
      "one of several addresses reset",
      error({ code: "ECONNREFUSED", errors: [connect("ECONNREFUSED"), error({ code: "ECONNRESET" })] }),
      "doubtful",
    ],
    ["none of our sockets left", connect("EMFILE"), "down"],
    ["none left for the name service", error({ code: "EMFILE", syscall: "getaddrinfo" }), "down"],
    ["a firewall of our own", connect("EPERM"), "down"],
    ["a sandbox", connect("EACCES"), "down"],
    ["no port of our own left", connect("EADDRNOTAVAIL"), "down"],
    ["the network is down", connect("ENETDOWN"), "down"],
    ["a reset while connecting", connect("ECONNRESET"), "down"],
    ["whatever a connect may say next", connect("EWHATEVER"), "down"],
    ["the name service failed", error({ code: "EAI_FAIL", syscall: "getaddrinfo" }), "down"],
    ["it has no data", error({ code: "EAI_NODATA" }), "down"],
    [
      "no address connected in time",
      error({ errors: [error({ code: "ERR_SOCKET_CONNECTION_TIMEOUT" })] }),
      "down",
    ],
    ["a handshake cut off", error({ code: "ECONNRESET", message: CUT_HANDSHAKE }), "down"],
    [
      "another protocol",
      error({ code: "EPROTO", message: "write EPROTO 40:error:wrong version number" }),
      "down",
    ],
    ["no version in common", error({ code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" }), "down"],
    ["a bad record later", error({ code: "ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC" }), "doubtful"],
    ["a connection that was watched and never ready", error({ neverConnected: true }), "down"],
    ["reset", error({ code: "ECONNRESET", name: "TimeoutError" }), "doubtful"],
    ["broken pipe", error({ code: "EPIPE", name: "TimeoutError" }), "doubtful"],
    ["time-out while reading", error({ code: "ETIMEDOUT", syscall: "read" }), "doubtful"],
    ["the handler's request time-out", error({ code: "ETIMEDOUT", name: "TimeoutError" }), "doubtful"],
    ["abort", error({ name: "AbortError" }), "doubtful"],
    ["a TLS alert", error({ code: "EPROTO", syscall: "write" }), "doubtful"],
    ["no error at all", undefined, "doubtful"],
    ["a text", "lost", "doubtful"],
  ])("%s", (_, thrown, verdict) => {
    expect(kindOf(outcomeOfError(thrown, handedOn))).toBe(verdict);
  });

  test("what fails before the request was handed on was not sent", () => {
    const call = { ...handedOn, handedOn: false };
    expect(kindOf(outcomeOfError(error({ code: "ECONNRESET" }), call))).toBe("down");
    expect(kindOf(outcomeOfError(error({ name: "AbortError" }), call))).toBe("later");
  });
});

describe("an answer", () => {
  const answered = (httpStatusCode: number, name: string, headers = {}) =>
    outcomeOfError(error({ name, $metadata: { httpStatusCode }, $response: { headers } }), handedOn);

  test.each([
    [413, "Unknown", "refused"],
    [401, "Unknown", "down"],
    [429, "Unknown", "later"],
    [408, "Unknown", "later"],
    [400, "constructor", "later"],
    [500, "MessageRejected", "doubtful"],
    [200, "SyntaxError", "doubtful"],
    [302, "Unknown", "doubtful"],
  ])("%d %s is %s", (status, name, verdict) => {
    expect(kindOf(answered(status, name))).toBe(verdict);
  });

  test.each([
    [{ "retry-after": "30" }, 30_000],
    [{ "x-amz-retry-after": "1500" }, 1_500],
    [{ "retry-after": "999999" }, 3_600_000],
    [{ "retry-after": "Wed, 21 Oct 2026 07:28:45 GMT" }, 45_000],
    [{ "retry-after": "Wed, 21 Oct 2026 07:00:00 GMT" }, 0],
    [{ "retry-after": "Wed, 21 Oct 2076 07:28:00 GMT" }, 3_600_000],
    [{ "retry-after": "tomorrow" }, 250],
    [{ "retry-after": "-5" }, 250],
    [{ "retry-after": "" }, 250],
    [{}, 250],
  ])("with %j is retried after %d ms", (headers, retryAfterMs) => {
    expect(answered(429, "TooManyRequestsException", headers)).toMatchObject({ retryAfterMs });
  });

  test("only too fast is throttling", () => {
    expect(answered(429, "TooManyRequestsException")).toMatchObject({ throttled: true });
    expect(answered(400, "SendingPausedException")).not.toHaveProperty("throttled");
  });

  const refusal = (httpStatusCode: number, name: string, message: string, call = {}) =>
    kindOf(outcomeOfError(error({ name, message, $metadata: { httpStatusCode } }), { ...handedOn, ...call }));
  const ownSet = { ownConfigurationSet: true };

  test("a configuration set that is not there is the fault of whoever named it", () => {
    expect(refusal(404, "NotFoundException", "what happened")).toBe("down");
    expect(refusal(404, "NotFoundException", "what happened", ownSet)).toBe("refused");
    const ownTenant = { ownTenant: true };
    expect(refusal(404, "NotFoundException", "Tenant <acme> does not exist", ownTenant)).toBe("refused");
    expect(refusal(404, "NotFoundException", "Configuration set <x> does not exist", ownTenant)).toBe("down");
    const list = "List with name: news doesn't exist. No such contact list";
    expect(refusal(404, "NotFoundException", list, { ownContactList: true })).toBe("refused");
  });

  test.each([
    ["SendingPausedException", "Sending is paused for configuration set <marketing>.", ownSet],
    ["SendingPausedException", "Sending paused", ownSet],
    ["MessageRejected", "Sending paused for configuration set marketing", ownSet],
    [
      "ConfigurationSetSendingPausedException",
      "Email sending is disabled for the configuration set.",
      ownSet,
    ],
    ["SendingPausedException", "Sending is paused for tenant acme", { ownTenant: true }],
  ])("%s: %s, which the message named: only it waits", (name, text, call) => {
    expect(refusal(400, name, text, call)).toBe("later");
  });

  test.each([
    ["SendingPausedException", "Sending is paused for this account", ownSet],
    ["SendingPausedException", "Sending is paused for configuration set <of all>", {}],
    ["MessageRejected", "Sending paused for this account. For more information, see the guide.", {}],
    ["BadRequestException", "Sending is currently disabled for this account", ownSet],
    ["MessageRejected", "Sending suspended for this account. For more information, see the guide.", {}],
    ["BadRequestException", "The account's ability to send email is currently paused.", {}],
    ["LimitExceededException", "Email sending has been temporarily suspended for your account", {}],
  ])("%s: %s: all wait", (name, text, call) => {
    expect(refusal(400, name, text, call)).toBe("down");
  });

  test.each([
    ["BadRequestException", "The security token included in the request is expired"],
    ["UnknownError", "The security token included in the request is invalid."],
    ["Error", "Signature expired: 20261127T071500Z is now earlier than 20261127T072000Z"],
    ["Error", "Signature not yet current: 20261127T073000Z is still later than 20261127T072000Z"],
    ["RequestExpired", "Request has expired."],
    ["ExpiredToken", "expired"],
  ])("credentials, under whatever name: %s: %s", (name, text) => {
    for (const status of [400, 403]) expect(refusal(status, name, text), `${status}`).toBe("down");
  });

  test("a mail may speak of sending and pauses without stopping others", () => {
    const text = "Invalid header: X-Note: send me a paused film";
    expect(refusal(400, "MessageRejected", text)).toBe("refused");
  });

  test.each([
    "not authorized to perform: ses:SendEmail on resource `arn:aws:ses:eu-west-1:1:identity/a.example`",
    "not authorized to perform: ses:SendEmail on resource: arn:aws-us-gov:ses:us-gov-west-1:1:configuration-set/x",
    "Tenant acme is not associated with resource arn:aws:ses:eu-west-1:1:identity/other.example",
    "not authorized to perform: ses:SendRawEmail with an explicit deny in an identity-based policy",
  ])("no right, and another message may have it: %s", (text) => {
    expect(refusal(403, "AccessDeniedException", text)).toBe("later");
    expect(refusal(400, "AccessDenied", text)).toBe("later");
  });

  test.each([
    ["of our configuration: all wait", "mailonce", {}, "down"],
    ["of our configuration, and the message named it too", "mailonce", ownSet, "later"],
    ["which the message named", "own", ownSet, "later"],
    ["which is the default of an identity", "default", {}, "later"],
  ])("no right to a configuration set %s", (_, set, call, kind) => {
    const text = `User \`arn:aws:sts::1:assumed-role/app/i-0' is not authorized to perform \`ses:SendEmail' on resource \`arn:aws:ses:eu-west-1:1:configuration-set/${set}'`;
    const whose = { configurationSet: "mailonce", ...call };
    expect(refusal(403, "AccessDeniedException", text, whose)).toBe(kind);
    // A condition of it may be met by one sender only.
    const explicit = `${text} with an explicit deny in an identity-based policy`;
    expect(refusal(403, "AccessDeniedException", explicit, whose)).toBe("later");
  });

  test("no right at all stops all", () => {
    expect(refusal(403, "AccessDeniedException", "not authorized to perform: ses:SendEmail")).toBe("down");
  });
});
