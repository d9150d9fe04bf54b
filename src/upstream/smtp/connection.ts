// nodemailer's smtp-connection, imported here and nowhere else: how it is configured, and how what it
// says is to be read.
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { ConnectionOptions } from "node:tls";
import SMTPConnection, { type SMTPEnvelope } from "nodemailer/lib/smtp-connection";
import type { Clock } from "../../runtime/clock.ts";
import type { SmtpTimeouts } from "./timeouts.ts";

/**
 * - required: STARTTLS, and nothing is sent without it.
 * - opportunistic: STARTTLS when it is offered, any certificate (RFC 7435); with a password, as
 *   `required`, since a password must not go to a server that anyone may run. A handshake that fails is a failure:
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

/** What the library's types keep to itself of replies; its version is pinned, and the tests notice. */
interface ReplyHandling {
  readonly _responseActions: ((reply: string) => void)[];
  readonly _responseQueue: readonly string[];
  _processResponse(): void;
  _actionSMTPStream(reply: string, callback: (error: Error | null, reply?: string) => void): void;
}

const processResponse = (SMTPConnection.prototype as unknown as ReplyHandling)._processResponse;

/**
 * The library pipes what it sends through two streams, which look at each octet and write the final dot by
 * itself; here the sender writes to the socket.
 */
export class SmtpConnection extends SMTPConnection {
  /**
   * One mail transaction. `write` is called when the server has asked for the content (its reply is
   * `lastServerResponse`) and writes it with its final dot; what it rejects with ends the transaction.
   */
  transact(
    envelope: SMTPEnvelope,
    write: (socket: Socket) => Promise<void>,
    done: (fault: Fault | null, info?: { readonly response: string }) => void,
  ): void {
    const message = { pipe: (socket: Socket) => write(socket).catch(done) };
    this.send(envelope, message as unknown as Readable, done);
  }

  /**
   * Overrides the library's, which looks at one reply in each turn of the event loop. Those to MAIL, RCPT and
   * DATA come together, and a turn is long where a thousand clients are served.
   */
  _processResponse(): void {
    const { _responseQueue: queue } = this as unknown as ReplyHandling;
    let before: number;
    do {
      before = queue.length;
      processResponse.call(this);
    } while (queue.length > 0 && queue.length < before && !this.destroyed);
  }

  /** Overrides the library's. */
  _createSendStream(callback: (error: Error | null, reply?: string) => void): unknown {
    const handling = this as unknown as ReplyHandling;
    handling._responseActions.push((reply) => handling._actionSMTPStream(reply, callback));
    return this._socket;
  }
}

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
  return new SmtpConnection({
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
