// nodemailer's smtp-connection, imported here and nowhere else: how it is configured, and how what it
// says is to be read.
import type { ConnectionOptions } from "node:tls";
import SMTPConnection from "nodemailer/lib/smtp-connection";
import type { Clock } from "../runtime/clock.ts";
import type { SmtpTimeouts } from "./smtp-timeouts.ts";

/**
 * - required: STARTTLS, and nothing is sent without it.
 * - opportunistic: STARTTLS when it is offered, any certificate (RFC 7435); with a password, as
 *   `required`, since a password is not for whoever answers. A handshake that fails is a failure:
 *   there is no second try in plain text.
 * - implicit: TLS from the first octet (RFC 8314).
 * - none: plain text even when STARTTLS is offered.
 */
export type SmtpTls = "required" | "opportunistic" | "implicit" | "none";

export interface SmtpSessionOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: SmtpTls;
  /** For tls.connect: `ca`, `servername`, client certificates. */
  readonly tlsOptions?: ConnectionOptions;
  /** What EHLO says: a domain name or an address literal. */
  readonly hostname: string;
  /** AUTH is used when both are there. */
  readonly username?: string;
  readonly password?: string;
  readonly timeouts: SmtpTimeouts;
  readonly clock: Clock;
}

export type SmtpConnection = SMTPConnection;

/** An error of the library; `response` is the server's, when there was one. */
export type Fault = Error & { code?: string | undefined; response?: string | undefined };

/**
 * The reply in an error of send(). EENVELOPE and EMESSAGE carry one that answered a command and was
 * ended by its line end. Others may carry what stood in the buffer when the connection was lost, such
 * as "550 par", and that is no reply.
 */
export function replyOf(fault: Fault | undefined): string | undefined {
  return fault?.code === "EENVELOPE" || fault?.code === "EMESSAGE" ? fault.response : undefined;
}

/** What the server announced, once the connection is set up. */
export interface SmtpOffers {
  readonly extensions: readonly string[];
  /** Octets of a message; Infinity when the server named no limit. */
  readonly sizeMax: number;
}

/** The library's types keep these two to themselves; its version is pinned, and the tests notice. */
interface AnnouncedState {
  readonly _supportedExtensions: readonly string[];
  readonly _maxAllowedSize: number;
}

export function offersOf(connection: SmtpConnection): SmtpOffers {
  const state = connection as unknown as AnnouncedState;
  return {
    extensions: state._supportedExtensions,
    sizeMax: state._maxAllowedSize || Number.POSITIVE_INFINITY,
  };
}

export function createConnection(options: SmtpSessionOptions): SmtpConnection {
  const { timeouts, tls } = options;
  const setupMs = timeouts.connectMs + timeouts.commandMs;
  const anyCertificate = tls === "opportunistic" && options.password === undefined;
  return new SMTPConnection({
    host: options.host,
    port: options.port,
    name: options.hostname,
    secure: tls === "implicit",
    requireTLS: tls === "required",
    opportunisticTLS: tls === "opportunistic",
    ignoreTLS: tls === "none",
    tls: { rejectUnauthorized: !anyCertificate, ...options.tlsOptions },
    // The library has one inactivity time-out for all phases. Ours are per phase and end first.
    connectionTimeout: setupMs,
    greetingTimeout: setupMs,
    socketTimeout: 2 * Math.max(setupMs, timeouts.blockMs, timeouts.replyMs, timeouts.idleMs),
    // A connection that is given up must not go on writing what is still buffered.
    socketCloseTimeout: 0,
  });
}
