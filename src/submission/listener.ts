// The seam to smtp-server, imported here and nowhere else: the SMTP dialogue is the library's, every
// reply code and the life of a connection are ours.
import {
  SMTPServer,
  type SMTPServerAddress,
  type SMTPServerOptions,
  type SMTPServerSession,
} from "smtp-server";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import type { NotifyKeyword, RecipientRequest } from "../message/notify.ts";
import type { Log } from "../runtime/log.ts";
import type { Answer } from "./answer.ts";
import { type Reply, replies } from "./reply.ts";
import { beginTransaction, type Envelope, type Transaction } from "./session.ts";

/** Who submits, for the Received field. */
export interface Client {
  readonly address: string;
  readonly helo: string;
  /** RFC 3848: SMTP, ESMTP or LMTP. */
  readonly protocol: string;
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
  readonly hostname: string;
  readonly messageOctets: number;
  readonly recipientsMax: number;
  readonly connectionsMax: number;
  /** Offer SMTPUTF8 (RFC 6531): the upstream can hand such addresses on. */
  readonly smtpUtf8: boolean;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** Accepts no further mail and closes each connection as soon as no content is under way on it. */
  stop(): Promise<void>;
}

/** RFC 5321 §4.5.3.2.7: a server waits at least five minutes for the next command. */
const IDLE_MS = 5 * 60_000;

/** An enhanced status code at the beginning of a reply's text. */
const STATUS = /^[245]\.\d{1,3}\.\d{1,3} /;

/** What the library says on its own and section 9 of the design words otherwise. */
const OWN_WORDS: Readonly<Record<string, Reply>> = { "Server shutting down": replies.shuttingDown };

const textOf = (reply: Reply): string => `${reply.status} ${reply.text}`;

/** The library turns an error of a handler into a reply by these two properties. */
const asError = (reply: Reply): Error =>
  Object.assign(new Error(textOf(reply)), { responseCode: reply.code });

/** A recipient's result as the library takes it. */
const resultOf = (reply: Reply): string | Error => (reply.code === 250 ? textOf(reply) : asError(reply));

/** The library has checked the keywords and decoded the address (RFC 3461 §4). */
function requestOf({ dsn }: SMTPServerAddress): RecipientRequest | undefined {
  if (dsn === undefined) return undefined;
  return {
    ...(dsn.notify === undefined ? {} : { notify: dsn.notify as NotifyKeyword[] }),
    ...(dsn.orcpt === undefined ? {} : { orcpt: dsn.orcpt }),
  };
}

class Connection extends SMTPConnection {
  /**
   * The library waits 100 ms before its greeting to catch clients that talk too soon, which are spammers;
   * on loopback it would hold a mailer that opens one connection a message to ten messages a second.
   */
  override init(): void {
    this._setListeners(() => {
      if (this._server.connections.size > (this._server.options.maxClients ?? Number.POSITIVE_INFINITY)) {
        this.send(421, "4.3.2 too many connections, try again later");
      } else {
        this.connectionReady();
      }
    });
  }

  /** A text of ours brings its enhanced status code; the library's table would put a second before it. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const own = typeof data === "string" ? OWN_WORDS[data] : undefined;
    if (own !== undefined) {
      super.send(own.code, textOf(own), false);
      return;
    }
    const bringsStatus = typeof data === "string" && STATUS.test(data);
    super.send(code, data, bringsStatus ? false : context);
  }
}

class Server extends SMTPServer {
  override connect(...[socket, options]: Parameters<SMTPServer["connect"]>): void {
    const connection = new Connection(this, socket, options);
    this.connections.add(connection);
    connection.on("error", (error: Error) => this.emit("error", error));
    connection.init();
  }
}

/** Listens, and resolves once clients can connect; rejects when the address can't be had. */
export async function listen(
  options: ListenerOptions,
  submit: SubmissionHandler,
  log: Log,
): Promise<Listener> {
  const transactions = new WeakMap<SMTPServerSession, Transaction>();
  /** Sessions whose content is being received or decided. */
  const busy = new Set<string>();
  let stopping = false;

  const closeConnection = (id: string): void => {
    for (const connection of server.connections) {
      if (connection.id === id) connection.send(421, textOf(replies.shuttingDown));
    }
  };

  const settings: SMTPServerOptions = {
    name: options.hostname,
    lmtp: options.protocol === "lmtp",
    banner: "mailonce",
    size: options.messageOctets,
    maxRecipients: options.recipientsMax,
    maxClients: options.connectionsMax,
    socketTimeout: IDLE_MS,
    disableReverseLookup: true,
    // The commands that sendmail joked with, and what has no meaning without authentication or TLS.
    disabledCommands: ["AUTH", "STARTTLS", "WIZ", "SHELL", "KILL"],
    hideSMTPUTF8: !options.smtpUtf8,
    hideDSN: false,
    hideENHANCEDSTATUSCODES: false,
    logger: false,

    onMailFrom(address, session, callback) {
      const { envid, ret } = session.envelope.dsn ?? {};
      const began = beginTransaction(
        address.address,
        envid ?? undefined,
        options.smtpUtf8,
        ret === "FULL" || ret === "HDRS" ? ret : undefined,
      );
      if ("reply" in began) {
        log.warn("submission.refused", { reply: began.reply.text });
        callback(asError(began.reply));
        return;
      }
      transactions.set(session, began.transaction);
      callback();
    },

    onRcptTo(address, session, callback) {
      const reply = transactions.get(session)?.addRecipient(address.address, requestOf(address));
      if (reply !== undefined) log.warn("submission.refused", { reply: reply.text });
      callback(reply === undefined ? null : asError(reply));
    },

    onData(stream, session, callback) {
      const transaction = transactions.get(session);
      if (transaction === undefined) {
        callback(asError(replies.unavailable));
        return;
      }
      busy.add(session.id);
      const client: Client = {
        address: session.remoteAddress,
        helo: session.hostNameAppearsAs,
        protocol: session.transmissionType,
      };
      const done = (answer: Answer): void => {
        busy.delete(session.id);
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
  const server = new Server(settings);

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
    stop() {
      stopping = true;
      return new Promise((resolve) => {
        server.close(resolve);
        for (const { id } of [...server.connections]) if (!busy.has(id)) closeConnection(id);
      });
    },
  };
}
