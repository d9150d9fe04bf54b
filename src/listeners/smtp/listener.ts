// One listener: binds the server to an address, and passes commands from the library to each client's
// dialogue. dialogue.ts decides; server.ts has connections and their limits.
import type { TLSSocket } from "node:tls";
import type { NotifyKeyword, RecipientRequest } from "../../message/notify.ts";
import type { Log } from "../../runtime/log.ts";
import type { SubmissionHandler } from "../../submission/contract.ts";
import { type Reply, replies } from "../../submission/reply.ts";
import { countedAdmission, type ListenerCounters } from "../counting.ts";
import { createDialogue, type DialogueOptions, type MailParameters } from "../dialogue.ts";
import type { Gate } from "../gate.ts";
import type { Listener } from "../listener.ts";
import { clientUser } from "../tls/client-user.ts";
import type { ConnectionLimits } from "./allowance.ts";
import { textOf } from "./reply-text.ts";
import { Server, type SMTPServerAddress, type SMTPServerOptions, type SMTPServerSession } from "./server.ts";

export interface ListenerOptions extends DialogueOptions {
  /** LMTP (RFC 2033): each recipient has a reply of its own. */
  readonly protocol: "smtp" | "lmtp";
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly hostname: string;
  readonly messageOctets: number;
  readonly recipientsMax: number;
  readonly commandOctets: number;
  readonly connectionsMax: number;
  readonly limits: ConnectionLimits;
}

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

function parametersOf({ address, args }: SMTPServerAddress, session: SMTPServerSession): MailParameters {
  const { envid, ret } = session.envelope.dsn ?? {};
  return {
    reversePath: address,
    envid: envid ?? undefined,
    ret: ret === "FULL" || ret === "HDRS" ? ret : undefined,
    octets: args !== false && typeof args === "object" && "SIZE" in args ? Number(args.SIZE) : 0,
  };
}

/** Listens, and resolves once clients can connect; rejects when the address can't be had. */
export async function listen(
  options: ListenerOptions,
  gate: Gate,
  submit: SubmissionHandler,
  counters: ListenerCounters,
  log: Log,
): Promise<Listener> {
  const { policy, authenticator, trusted } = gate;
  const parts = { policy, authenticator, trusted, submit, counters, log };
  /** Counted under the address that is listened on, once that is known. */
  let { admission } = gate;
  /** Sessions whose content is being received or decided. */
  const busy = new Set<string>();
  let stopping = false;

  const closeConnection = (id: string): void => {
    for (const connection of server.connections) {
      if (connection.id === id) connection.dismiss(replies.shuttingDown);
    }
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
    // MAIL decides who has to authenticate.
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
        server.connectionOf(session).dialogue.vouched(user);
        session.user = user;
      }
      callback();
    },

    onAuth({ method, username = "", password = "", authzid = "" }, session, callback) {
      const { dialogue } = server.connectionOf(session);
      // The relay has authenticated its client, and is trusted to name them.
      if (method === "XCLIENT") {
        dialogue.vouched(username);
        callback(null, { user: username });
        return;
      }
      if (typeof password !== "string") {
        callback(asError(replies.wrongCredentials));
        return;
      }
      void dialogue.authenticate({ username, password, authzid }).then((result) => {
        if ("user" in result) callback(null, { user: result.user });
        else callback(asError(result));
      });
    },

    onMailFrom(address, session, callback) {
      const connection = server.connectionOf(session);
      void connection.dialogue.mail(parametersOf(address, session)).then((reply) => {
        // RFC 5321 §3.8: the connection ends with it.
        if (reply?.code === replies.draining.code) {
          connection.dismiss(reply);
          return;
        }
        callback(reply && asError(reply));
        if (reply !== undefined) connection.refused(reply);
      });
    },

    onRcptTo(address, session, callback) {
      const connection = server.connectionOf(session);
      void connection.dialogue.recipient(address.address, requestOf(address)).then((reply) => {
        callback(reply && asError(reply));
        if (reply !== undefined) connection.refused(reply);
      });
    },

    onData(stream, session, callback) {
      const connection = server.connectionOf(session);
      busy.add(session.id);
      void connection.dialogue.data(stream).then(({ answer, each }) => {
        busy.delete(session.id);
        if (answer.code === 250) connection.submitted();
        if (options.protocol === "lmtp" && each.length > 0) callback(null, each.map(resultOf));
        else if (answer.code === 250) callback(null, textOf(answer));
        else callback(asError(answer));
        if (stopping) setImmediate(closeConnection, session.id);
      });
    },
  };
  const server = new Server(settings, {
    admission: {
      refusal: (address) => admission.refusal(address),
      enter: (guest, address) => admission.enter(guest, address),
      leave: (guest) => admission.leave(guest),
    },
    replied: (code) => counters.replies.add(code),
    limits: options.limits,
    offersAuth: authenticator !== undefined,
    saysProxy: (address) => gate.proxies.has(address),
    mayXclient: (address) => gate.xclient.has(address),
    open: (peer) => createDialogue({ ...parts, room: (octets) => gate.room(octets) }, options, peer),
    ended: (client, reason) => log.info("connection.ended", { client, reason }),
    now: gate.now,
  });

  let { port } = options;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, () => {
      server.off("error", reject);
      const address = server.server.address();
      if (typeof address === "object" && address !== null) port = address.port;
      admission = countedAdmission(admission, `${options.host}:${port}`, counters);
      resolve();
    });
  });
  server.on("error", (error: Error) => log.debug("submission.connection_error", { error: error.message }));

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
