// One listener: what is said at each step of the dialogue, and the content handed over. Who may submit and
// what is asked of access/; connections and their limits are server.ts's.
import type { TLSSocket } from "node:tls";
import type { Authenticator } from "../../access/authenticator.ts";
import type { Policy, Refusal } from "../../access/policy.ts";
import type { Networks } from "../../address/networks.ts";
import type { NotifyKeyword, RecipientRequest } from "../../message/notify.ts";
import type { Log } from "../../runtime/log.ts";
import type { Answer } from "../../submission/answer.ts";
import { type Reply, replies } from "../../submission/reply.ts";
import type { Admission } from "../admission.ts";
import type { TlsOptions } from "../tls/certificates.ts";
import { clientUser } from "../tls/client-user.ts";
import {
  type ConnectionLimits,
  Server,
  type SMTPServerAddress,
  type SMTPServerOptions,
  type SMTPServerSession,
  textOf,
} from "./server.ts";
import { beginTransaction, type Envelope, type Transaction } from "./session.ts";

/** Who submits, and how. */
export interface Client {
  readonly address: string;
  readonly helo: string;
  /** RFC 3848: SMTP, ESMTP or LMTP, with S under TLS and A when authenticated. */
  readonly protocol: string;
  /** The name under which it has authenticated. */
  readonly user?: string | undefined;
}

/** Takes one mail whole. Rejects only when the client went away before the final dot. */
export type SubmissionHandler = (
  envelope: Envelope,
  client: Client,
  content: AsyncIterable<Uint8Array>,
) => Promise<Answer>;

export interface ListenerOptions {
  /** LMTP (RFC 2033): each recipient has a reply of its own. */
  readonly protocol: "smtp" | "lmtp";
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly tls: "none" | "opportunistic" | "required" | "implicit";
  /** Who has to authenticate: whoever is not trusted, or the trusted as well. */
  readonly auth: "untrusted" | "everyone";
  readonly hostname: string;
  readonly messageOctets: number;
  readonly recipientsMax: number;
  readonly commandOctets: number;
  readonly connectionsMax: number;
  readonly limits: ConnectionLimits;
  /** Offer SMTPUTF8 (RFC 6531): the upstream can hand such addresses on. */
  readonly smtpUtf8: boolean;
}

/** Who and what is let in, the same for all listeners. */
export interface Gate {
  readonly admission: Admission;
  readonly policy: Policy;
  /** Absent where there is no users file. */
  readonly authenticator: Authenticator | undefined;
  readonly trusted: Networks;
  readonly proxies: Networks;
  readonly xclient: Networks;
  /** Absent where no listener has TLS. */
  readonly tls: TlsOptions | undefined;
  /** The reply when the disk has too little room for so many octets more. */
  room(octets: number): Promise<Reply | undefined>;
  now(): number;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** For connections from now on. */
  updateTls(options: TlsOptions): void;
  /** Accepts no further mail and closes each connection as soon as no content is under way on it. */
  stop(): Promise<void>;
}

/** Somebody who has authenticated, for as long as the name stands. */
interface Grant {
  readonly user: string;
  valid(): boolean;
}

const stands = (): boolean => true;

/** The library turns an error of a handler into a reply by these two properties. */
const asError = (reply: Reply): Error =>
  Object.assign(new Error(textOf(reply)), { responseCode: reply.code });

/** A recipient's result as the library takes it. */
const resultOf = (reply: Reply): string | Error => (reply.code === 250 ? textOf(reply) : asError(reply));

const replyTo = ({ kind, reason }: Refusal): Reply =>
  kind === "never" ? replies.notAllowed(reason) : replies.tooMuchForNow(reason);

/** The library has checked the keywords and decoded the address (RFC 3461 §4). */
function requestOf({ dsn }: SMTPServerAddress): RecipientRequest | undefined {
  if (dsn === undefined) return undefined;
  return {
    ...(dsn.notify === undefined ? {} : { notify: dsn.notify as NotifyKeyword[] }),
    ...(dsn.orcpt === undefined ? {} : { orcpt: dsn.orcpt }),
  };
}

/** SIZE of MAIL (RFC 1870), which the library has checked. */
const announcedOctets = ({ args }: SMTPServerAddress): number =>
  args !== false && typeof args === "object" && "SIZE" in args ? Number(args.SIZE) : 0;

/** Listens, and resolves once clients can connect; rejects when the address can't be had. */
export async function listen(
  options: ListenerOptions,
  gate: Gate,
  submit: SubmissionHandler,
  log: Log,
): Promise<Listener> {
  const { policy, authenticator } = gate;
  const transactions = new WeakMap<SMTPServerSession, Transaction>();
  const grants = new WeakMap<SMTPServerSession, Grant>();
  /** Asked for each command, and the same for all of a session unless XCLIENT names another client. */
  const standings = new WeakMap<SMTPServerSession, { readonly address: string; readonly trusted: boolean }>();
  /** Sessions whose content is being received or decided. */
  const busy = new Set<string>();
  let stopping = false;

  const closeConnection = (id: string): void => {
    for (const connection of server.connections) {
      if (connection.id === id) connection.dismiss(replies.shuttingDown);
    }
  };

  /** RFC 3207 §4.2: what was known before TLS counts no more; the library then takes the user away. */
  const grantOf = (session: SMTPServerSession): Grant | undefined =>
    session.user === undefined || session.user === false ? undefined : grants.get(session);

  const submitterOf = (session: SMTPServerSession) => ({
    address: session.remoteAddress,
    user: grantOf(session)?.user,
  });

  const isTrusted = (session: SMTPServerSession): boolean => {
    const address = session.remoteAddress;
    const known = standings.get(session);
    if (known?.address === address) return known.trusted;
    const trusted = options.auth === "untrusted" && gate.trusted.has(address) && !server.isProxys(session);
    standings.set(session, { address, trusted });
    return trusted;
  };

  /** What keeps the client from submitting. */
  const obstacle = (session: SMTPServerSession): Reply | undefined => {
    if (options.tls === "required" && !session.secure) return replies.startTlsFirst;
    const grant = grantOf(session);
    if (grant !== undefined) return grant.valid() ? undefined : replies.authenticateFirst;
    return isTrusted(session) ? undefined : replies.authenticateFirst;
  };

  const refused = (reply: Reply, session: SMTPServerSession): Error => {
    const { address: client, user } = submitterOf(session);
    log.warn("submission.refused", { reply: reply.text, client, user });
    return asError(reply);
  };

  const decideMail = async (
    address: SMTPServerAddress,
    session: SMTPServerSession,
  ): Promise<Transaction | Reply> => {
    const blocking = obstacle(session);
    if (blocking !== undefined) return blocking;
    const { envid, ret } = session.envelope.dsn ?? {};
    const began = beginTransaction(
      address.address,
      envid ?? undefined,
      options.smtpUtf8,
      ret === "FULL" || ret === "HDRS" ? ret : undefined,
    );
    if ("reply" in began) return began.reply;
    const full = await gate.room(announcedOctets(address));
    if (full !== undefined) return full;
    const refusal = await policy.mail(submitterOf(session), began.transaction.reversePath);
    return refusal === undefined ? began.transaction : replyTo(refusal);
  };

  const decideRecipient = async (
    address: SMTPServerAddress,
    session: SMTPServerSession,
  ): Promise<Reply | undefined> => {
    const transaction = transactions.get(session);
    if (transaction === undefined) return replies.unavailable;
    const submitter = submitterOf(session);
    if (transaction.named.length >= policy.recipientsMaxOf(submitter.user)) return replies.tooManyRecipients;
    const read = transaction.read(address.address);
    if ("reply" in read) return read.reply;
    const refusal = await policy.recipient(submitter, read.recipient);
    if (refusal !== undefined) return replyTo(refusal);
    transaction.add(read.recipient, requestOf(address));
    return undefined;
  };

  const settings: SMTPServerOptions = {
    name: options.hostname,
    lmtp: options.protocol === "lmtp",
    banner: "mailonce",
    size: options.messageOctets,
    maxRecipients: options.recipientsMax,
    maxClients: options.connectionsMax,
    maxCommandLength: options.commandOctets,
    disableReverseLookup: true,
    secure: options.tls === "implicit",
    ...(options.tls === "none" ? {} : gate.tls),
    // CRAM-MD5 would need passwords that can be read; XOAUTH2 a service that knows the tokens.
    authMethods: ["PLAIN", "LOGIN"],
    // Who has to is decided at MAIL.
    authOptional: true,
    // The commands that sendmail joked with, and what has no meaning here.
    disabledCommands: [
      ...(options.tls === "none" ? ["STARTTLS"] : []),
      ...["WIZ", "SHELL", "KILL", "XFORWARD"],
    ],
    hideSMTPUTF8: !options.smtpUtf8,
    hideDSN: false,
    hideENHANCEDSTATUSCODES: false,
    logger: false,

    onSecure(socket, session, callback) {
      const user = clientUser(socket as TLSSocket);
      if (user !== undefined) {
        grants.set(session, { user, valid: stands });
        session.user = user;
      }
      callback();
    },

    onAuth({ method, username = "", password = "", authzid = "" }, session, callback) {
      const granted = (grant: Grant): void => {
        grants.set(session, grant);
        callback(null, { user: grant.user });
      };
      // The relay has authenticated its client, and is trusted to say whom.
      if (method === "XCLIENT") {
        granted({ user: username, valid: stands });
        return;
      }
      // RFC 4616 §2: to act for somebody else takes a right that nobody has here. The password is not even looked at.
      if (authzid !== "" && authzid !== username) {
        log.warn("auth.foreign_identity", { client: session.remoteAddress, user: username });
        callback(asError(replies.wrongCredentials));
        return;
      }
      if (authenticator === undefined || typeof password !== "string") {
        callback(asError(replies.wrongCredentials));
        return;
      }
      authenticator.verify(username, password, session.remoteAddress).then(
        (verdict) => {
          if (verdict.kind === "accepted") granted(verdict);
          else
            callback(
              asError(verdict.kind === "wrong" ? replies.wrongCredentials : replies.authenticateLater),
            );
        },
        (error: unknown) => {
          log.error("auth.failed", { error: String(error) });
          callback(asError(replies.authenticateLater));
        },
      );
    },

    onMailFrom(address, session, callback) {
      decideMail(address, session).then(
        (decision) => {
          if ("code" in decision) {
            callback(refused(decision, session));
            if (decision.code >= 550) server.refused(session);
            return;
          }
          transactions.set(session, decision);
          callback();
        },
        (error: unknown) => {
          log.error("submission.failed", { error: String(error) });
          callback(asError(replies.unavailable));
        },
      );
    },

    onRcptTo(address, session, callback) {
      decideRecipient(address, session).then(
        (reply) => {
          callback(reply === undefined ? null : refused(reply, session));
          if (reply !== undefined && reply.code >= 550) server.refused(session);
        },
        (error: unknown) => {
          log.error("submission.failed", { error: String(error) });
          callback(asError(replies.unavailable));
        },
      );
    },

    onData(stream, session, callback) {
      const transaction = transactions.get(session);
      if (transaction === undefined) {
        callback(asError(replies.unavailable));
        return;
      }
      busy.add(session.id);
      const { address, user } = submitterOf(session);
      const client: Client = {
        address,
        helo: session.hostNameAppearsAs,
        protocol: session.transmissionType,
        user,
      };
      const done = (answer: Answer): void => {
        busy.delete(session.id);
        if (answer.code === 250) server.submitted(session);
        if (options.protocol === "lmtp") {
          // RFC 2033 §4.2: one for each RCPT that was taken, in their order.
          callback(
            null,
            transaction.named.map((one) => resultOf(answer.each?.get(one) ?? answer)),
          );
        } else if (answer.code === 250) callback(null, textOf(answer));
        else callback(asError(answer));
        if (stopping) setImmediate(closeConnection, session.id);
      };
      submit(transaction.envelope(), client, stream).then(done, (error: unknown) => {
        log.info("submission.aborted", { error: error instanceof Error ? error.message : String(error) });
        done(replies.unavailable);
      });
    },
  };
  const server = new Server(settings, {
    admission: gate.admission,
    limits: options.limits,
    offersAuth: authenticator !== undefined,
    saysProxy: (address) => gate.proxies.has(address),
    mayXclient: (address) => gate.xclient.has(address),
    isPermitted: (session) => obstacle(session) === undefined,
    ended: (client, reason) => log.info("connection.ended", { client, reason }),
    now: gate.now,
  });

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  server.on("error", (error: Error) => log.debug("submission.connection_error", { error: error.message }));
  const address = server.server.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;

  return {
    host: options.host,
    port,
    updateTls: (tls) => server.updateSecureContext(tls),
    stop() {
      stopping = true;
      return new Promise((resolve) => {
        server.close(resolve);
        for (const { id } of [...server.connections]) if (!busy.has(id)) closeConnection(id);
      });
    },
  };
}
