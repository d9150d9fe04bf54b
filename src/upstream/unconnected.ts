// Whether an error came before a connection, and with it a request, could exist: then nothing was sent, whatever
// else is unknown. Pure.

/** What is read of an error of Node.js or of the SDK; any of it may be missing. */
export interface ConnectError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly syscall?: unknown;
  /** One error an address when a name has several. */
  readonly errors?: readonly ConnectError[];
  /** The connection was watched, and it never was ready. */
  readonly neverConnected?: boolean;
}

/** System calls that come before the first octet of a request, whatever they fail with. */
const CALLS_BEFORE: ReadonlySet<unknown> = new Set(["connect", "getaddrinfo", "socket", "bind"]);

/** Codes of the same steps that come without a call. */
const CODES_BEFORE: ReadonlySet<unknown> = new Set([
  ...["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EADDRNOTAVAIL"],
  ...["ERR_SOCKET_CONNECTION_TIMEOUT", "ERR_SOCKET_BAD_PORT"],
]);

/** The name service's own: EAI_AGAIN, EAI_FAIL, EAI_NODATA and the rest. */
const NAME_SERVICE = /^EAI_/;

/**
 * A certificate is judged before the first octet of the request is encrypted. The codes are X509_V_ERR_* of OpenSSL
 * without that prefix, and those of Node.js, which says UNSPECIFIED for what it has no name of: a key that is too
 * small, a policy.
 */
const CERTIFICATE =
  /^(CERT_|CRL_|UNABLE_TO_|ERROR_IN_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT_|INVALID_(CA|PURPOSE|NON_CA|EXTENSION)$|PATH_LENGTH_|HOSTNAME_MISMATCH$|(EE|CA|DH)_KEY_TOO_SMALL$|CA_MD_TOO_WEAK$|SUBJECT_ISSUER_|AKID_|KEYUSAGE_|OCSP_|UNSPECIFIED$|OUT_OF_MEM$)/;

/** OpenSSL's reasons that only a handshake can end with; it writes them with spaces or underscores. */
const HANDSHAKE =
  /wrong.version.number|unsupported.protocol|protocol.version|handshake.failure|no.shared.cipher|no.protocols.available|insufficient.security|unrecognized.name|inappropriate.fallback|certificate.verify.failed|unsafe.legacy.renegotiation|(dh|ee|ca).key.too.small/i;

/** The handler's own connect time-out has no code; its other time-outs read differently. */
const CONNECT_TIMEOUT = /did not establish a connection/;
/** Node.js gives a connection that ends within the handshake the code of any reset. */
const BEFORE_TLS = /before secure TLS connection was established/;

export function neverConnected(error: ConnectError): boolean {
  const { name, message, code, syscall, errors } = error;
  if (error.neverConnected === true) return true;
  if (errors !== undefined && errors.length > 0) return errors.every(neverConnected);
  if (CALLS_BEFORE.has(syscall) || CODES_BEFORE.has(code)) return true;
  const text = String(message ?? "");
  if (typeof code === "string") {
    if (NAME_SERVICE.test(code) || CERTIFICATE.test(code)) return true;
    if ((code === "EPROTO" || code.startsWith("ERR_SSL_")) && HANDSHAKE.test(`${code} ${text}`)) return true;
  }
  if (BEFORE_TLS.test(text)) return true;
  return code === undefined && name === "TimeoutError" && CONNECT_TIMEOUT.test(text);
}
