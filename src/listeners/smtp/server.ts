// smtp-server, imported here and nowhere else, with what has to be different about it: no greeting delay,
// our replies, limits and time-outs, and who may say PROXY and XCLIENT. What a mail is, is for listener.ts.
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from "smtp-server";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import { systemRandom } from "../../runtime/random.ts";
import { type Reply, replies } from "../../submission/reply.ts";
import type { Admission, Guest } from "../admission.ts";
import { readProxyHeader } from "../proxy/header.ts";
import type { Dialogue, Peer } from "./dialogue.ts";
import { createLineGuard, type LineFault } from "./line-guard.ts";
import { readPathCommand } from "./path-command.ts";

export type { SMTPServerAddress, SMTPServerOptions, SMTPServerSession } from "smtp-server";

/** What a connection is allowed, each with its reason in the schema of the configuration. */
export interface ConnectionLimits {
  readonly errorsMax: number;
  readonly junkCommandsMax: number;
  readonly unauthenticatedCommandsMax: number;
  readonly bareNewlines: "normalize" | "reject";
  /** Refusals of reverse-paths and recipients since the last mail. */
  readonly refusalsMax: number;
  /** EHLO has one word, and a path its brackets. */
  readonly strict: boolean;
  /** Milliseconds. */
  readonly timeouts: {
    readonly greeting: number;
    readonly command: number;
    readonly dataIdle: number;
    readonly data: number;
  };
}

/** What the server asks of those who decide. Addresses are IP addresses as text. */
export interface ServerHooks {
  readonly admission: Admission;
  readonly limits: ConnectionLimits;
  /** Authentication is offered, under TLS. */
  readonly offersAuth: boolean;
  /** The connections of this peer begin with a PROXY header. */
  saysProxy(address: string): boolean;
  mayXclient(address: string): boolean;
  /** Begins the dialogue with the client of a new connection. */
  open(peer: Peer): Dialogue;
  /** The connection was ended by us: why, for the log. */
  ended(address: string, reason: string): void;
  now(): number;
}

/** An enhanced status code at the beginning of a reply's text. */
const STATUS = /^[245]\.\d{1,3}\.\d{1,3} /;

/** What the library says on its own and section 9 of the design words otherwise. */
const OWN_WORDS: Readonly<Record<string, Reply>> = { "Server shutting down": replies.shuttingDown };

/** Commands that bring no mail nearer. */
const JUNK: ReadonlySet<string> = new Set([
  "NOOP",
  "RSET",
  "VRFY",
  "HELP",
  "EHLO",
  "HELO",
  "LHLO",
  "XCLIENT",
]);

const FAULT_REPLIES: Readonly<Record<LineFault, Reply>> = {
  "bare-newline": replies.bareNewlineInCommand,
  unsynchronised: replies.unsynchronised,
};

/** How exact the time-outs are: a look at every connection each second costs microseconds. */
const SWEEP_MS = 1_000;

/** A refusal before the dialogue has this long to reach the client. */
const LINGER_MS = 1_000;

/** RFC 5321 §4.5.3.1.5: a reply line has 512 octets at most, with code, enhanced status and CRLF. */
const REPLY_TEXT_MAX = 480;

/** The library quotes what a client has sent, of any length and any octets. */
const asReply = (text: string): string =>
  text.length <= REPLY_TEXT_MAX && !UNPRINTABLE.test(text)
    ? text
    : text.replaceAll(UNPRINTABLES, "?").slice(0, REPLY_TEXT_MAX);
/** They let an address look like another, begin a line of its own somewhere, or end a path that they stand in. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const UNSAFE_IN_PATH = /[\x00-\x1f\x7f-\x9f\u200b\u2060\ufeff<>]/;
const UNPRINTABLE = /[^\t\x20-\x7e]/;
const UNPRINTABLES = /[^\t\x20-\x7e]/g;

export const textOf = (reply: Reply): string => `${reply.status} ${reply.text}`;

/** An accepted socket, before and after there is a connection for it. */
class Visitor implements Guest {
  readonly #since: number;
  readonly #end: () => void;
  connection: Connection | undefined;
  /** A proxy's own connection, a health check as a rule. */
  isProxys = false;

  constructor(now: number, end: () => void) {
    this.#since = now;
    this.#end = end;
  }

  get idleSince(): number {
    return this.connection?.idleSince ?? this.#since;
  }

  get dispensable(): boolean {
    return this.connection?.dispensable ?? true;
  }

  dismiss(reply: Reply): void {
    if (this.connection === undefined) this.#end();
    else this.connection.dismiss(reply);
  }
}

class Connection extends SMTPConnection implements Peer {
  declare readonly _server: Server;
  readonly dialogue: Dialogue;
  /** When it last got a reply. */
  idleSince: number;
  /** A proxy's own connection: whom it would speak for is not known. */
  isProxy = false;
  #submitted = false;
  #ended = false;
  #errors = 0;
  #refusals = 0;
  #junk = 0;
  #unauthenticated = 0;
  /** While content is received: the octets of the last look, and when they last grew. */
  #octets = 0;
  #grewAt = 0;

  constructor(...[server, socket, options]: ConstructorParameters<typeof SMTPConnection>) {
    super(server, socket, options);
    this.idleSince = this._server.hooks.now();
    this.dialogue = this._server.hooks.open(this);
  }

  get address(): string {
    return this.session.remoteAddress;
  }

  get helo(): string {
    return this.session.hostNameAppearsAs;
  }

  get protocol(): string {
    return this.session.transmissionType;
  }

  get isSecure(): boolean {
    return this.session.secure;
  }

  /** The library takes the user away when TLS begins. */
  get isAuthenticated(): boolean {
    return this.session.user !== undefined && this.session.user !== false;
  }

  /** No mail has come of it, and none is under way. */
  get dispensable(): boolean {
    return !this.#submitted && !this._handlerPending && this.session.envelope?.mailFrom === false;
  }

  /**
   * The library waits 100 ms before its greeting to catch clients that talk too soon, which are spammers;
   * on loopback it would hold a mailer that opens one connection a message to ten messages a second.
   */
  override init(): void {
    this._setListeners(() => this.connectionReady());
  }

  dismiss(reply: Reply): void {
    this.send(reply.code, textOf(reply));
    this.close();
  }

  /** Ends it for something that its client did. */
  #end(reply: Reply, reason: string): void {
    this.#ended = true;
    this._server.hooks.ended(this.remoteAddress, reason);
    this.dismiss(reply);
  }

  /** A text of ours brings its enhanced status code; the library's table would put a second before it. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    this.idleSince = this._server.hooks.now();
    const own = typeof data === "string" ? OWN_WORDS[data] : undefined;
    if (own !== undefined) {
      super.send(own.code, textOf(own), false);
      return;
    }
    const bringsStatus = typeof data === "string" && STATUS.test(data);
    // The library leaves the status out for EHLO, also where it ends the connection.
    const status = code === 421 ? undefined : context;
    super.send(
      code,
      Array.isArray(data) ? data.map(asReply) : data && asReply(data),
      bringsStatus ? false : status,
    );
    // Syntax and sequence, and authentication; a recipient that policy refuses is no fault of the client's.
    if (this.#ended || code < 500 || code >= 550) return;
    if (++this.#errors === this._server.hooks.limits.errorsMax) {
      this.#end(replies.tooManyErrors, "errors_max");
    }
  }

  /** A reverse-path or a recipient was refused; to be called when the client has its reply. */
  refused({ code }: Reply): void {
    // For now only: its client comes again, and is no guesser.
    if (code < 550) return;
    if (!this.#ended && ++this.#refusals === this._server.hooks.limits.refusalsMax) {
      this.#end(replies.tooManyErrors, "refusals_max");
    }
  }

  /** A mail was taken: what it cost to get there is forgiven. */
  submitted(): void {
    this.#submitted = true;
    this.#errors = 0;
    this.#refusals = 0;
    this.#junk = 0;
  }

  /** What the library takes is taken as it reads it; of the rest, what has a path in it goes to identity. */
  override _parseAddressCommand(
    ...[name, command]: Parameters<SMTPConnection["_parseAddressCommand"]>
  ): ReturnType<SMTPConnection["_parseAddressCommand"]> {
    const { strict } = this._server.hooks.limits;
    const usual = super._parseAddressCommand(name, command);
    if (usual !== false) return strict ? usual : { ...usual, address: usual.address.trim() };
    const read = readPathCommand(command.toString(), name.toUpperCase(), strict);
    if (read === undefined || UNSAFE_IN_PATH.test(read.path)) return false;
    const parameters = super._parseAddressCommand(name, `${name}:<> ${read.rest}`);
    return parameters === false ? false : { ...parameters, address: read.path };
  }

  override handler_EHLO(command: Buffer, callback: () => void): void {
    super.handler_EHLO(this.#oneWord(command), callback);
  }

  override handler_HELO(command: Buffer, callback: () => void): void {
    super.handler_HELO(this.#oneWord(command), callback);
  }

  /** Printers and cameras send their name with its spaces; Postfix takes it too. */
  #oneWord(command: Buffer): Buffer {
    const [name = "", ...words] = command.toString().trim().split(/\s+/);
    if (words.length < 2 || this._server.hooks.limits.strict) return command;
    return Buffer.from(`${name} ${words.join("?")}`);
  }

  /** AUTH only under TLS, and only where there is somebody to ask. */
  override _isSupported(command: string): boolean {
    if (command === "AUTH" && !(this._server.hooks.offersAuth && this.secure)) return false;
    return super._isSupported(command);
  }

  override _onCommand(command: Buffer, callback?: () => void): void {
    // The line is a credential, or nothing will come of it.
    if (this._nextHandler !== false || this._closing || this._upgrading) {
      super._onCommand(command, callback);
      return;
    }
    const { hooks } = this._server;
    const { limits } = hooks;
    // As the library reads it.
    const line = command.toString();
    const end = line.indexOf(" ");
    const name = (end < 0 ? line : line.slice(0, end)).toUpperCase();
    if (JUNK.has(name) && ++this.#junk > limits.junkCommandsMax) {
      this.#end(replies.tooManyCommands, "junk_commands_max");
    } else if (
      name !== "QUIT" &&
      !this.dialogue.isPermitted() &&
      ++this.#unauthenticated > limits.unauthenticatedCommandsMax
    ) {
      this.#end(replies.tooManyCommands, "unauthenticated_commands_max");
    } else if (name === "AUTH" && hooks.offersAuth && !this.secure) {
      this.send(replies.encryptFirst.code, textOf(replies.encryptFirst));
      callback?.();
    } else {
      super._onCommand(command, callback);
    }
  }

  /** Looks at the octets before the library's parser does. */
  override _createParser(): ReturnType<SMTPConnection["_createParser"]> {
    const parser = super._createParser();
    const guard = createLineGuard(this._server.hooks.limits.bareNewlines);
    const write = parser._write.bind(parser);
    parser._write = (chunk, encoding, next) => {
      const found =
        parser._dataMode || parser.isClosed ? undefined : guard.push(chunk, this._nextHandler !== false);
      if (found === undefined) {
        write(chunk, encoding, next);
        return;
      }
      // What came whole before it is answered.
      write(chunk.subarray(0, found.before), encoding, (error) => {
        if (!parser.isClosed) this.#end(FAULT_REPLIES[found.fault], found.fault);
        next(error);
      });
    };
    return parser;
  }

  override _proxyCommandAllowed(command: string, option: "useXClient" | "useXForward"): boolean {
    if (option === "useXForward" || this._xClient.has("ADDR")) return false;
    return this._server.hooks.mayXclient(this._originalRemoteAddress) && this._isSupported(command);
  }

  /** Whom XCLIENT names must be welcome too. */
  override handler_XCLIENT(command: Buffer, callback: () => void): void {
    const before = this.remoteAddress;
    super.handler_XCLIENT(command, () => {
      const refusal =
        this.remoteAddress === before ? undefined : this._server.hooks.admission.refusal(this.remoteAddress);
      if (refusal !== undefined) this.dismiss(refusal);
      callback();
    });
  }

  /** The library's time-out begins anew with every octet; ours is a deadline, see `expire`. */
  override _armTimeout(): void {}

  /** Ends the connection when its client has taken too long. */
  expire(now: number): void {
    if (this._closing || this._closed) return;
    const { timeouts } = this._server.hooks.limits;
    const parser = this._parser;
    const receiving = parser !== false && parser._dataMode;
    // It waits for us.
    if (!receiving && (this._handlerPending || this._dataStream)) {
      this.idleSince = now;
      return;
    }
    if (!receiving) {
      this.#grewAt = 0;
      const greeted = this.hostNameAppearsAs !== false && !this._upgrading;
      const allowed = greeted ? timeouts.command : timeouts.greeting;
      if (now - this.idleSince >= allowed) this.#expired(greeted ? "command" : "greeting");
      return;
    }
    const octets = this._socket.bytesRead;
    // Octets that we don't read are not late.
    if (octets !== this.#octets || this.#grewAt === 0 || parser.writableNeedDrain) {
      this.#octets = octets;
      this.#grewAt = now;
    }
    if (now - this.#grewAt >= timeouts.dataIdle) this.#expired("data_idle");
    else if (now - this.idleSince >= timeouts.data) this.#expired("data");
  }

  #expired(timeout: string): void {
    this.#end(replies.timeout, `timeouts.${timeout}`);
  }
}

/** A listener of the library's, under our hooks. */
export class Server extends SMTPServer {
  readonly hooks: ServerHooks;
  readonly #visitors = new WeakMap<Socket, Visitor>();
  readonly #connections = new WeakMap<SMTPServerSession, Connection>();
  readonly #sweep: NodeJS.Timeout;
  declare connections: Set<Connection>;

  constructor(options: SMTPServerOptions, hooks: ServerHooks) {
    // The library's own time-out guards a socket before there is a connection: PROXY header, handshake.
    super({ ...options, socketTimeout: hooks.limits.timeouts.greeting });
    this.hooks = hooks;
    const { greeting, command, dataIdle, data } = hooks.limits.timeouts;
    const every = Math.min(SWEEP_MS, greeting / 4, command / 4, dataIdle / 4, data / 4);
    this.#sweep = setInterval(() => {
      const now = hooks.now();
      for (const connection of this.connections) connection.expire(now);
    }, every);
    this.#sweep.unref();
  }

  override close(callback?: () => void): void {
    super.close(() => {
      clearInterval(this.#sweep);
      callback?.();
    });
  }

  connectionOf(session: SMTPServerSession): Connection {
    return this.#connections.get(session) as Connection;
  }

  override _expectsProxyHeader(socket: Socket): boolean {
    return this.hooks.saysProxy(socket.remoteAddress ?? "");
  }

  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    // Whom a proxy stands for is not known yet.
    if (!this._expectsProxyHeader(socket)) {
      const refusal = this.#admit(socket, socket.remoteAddress ?? "");
      if (refusal !== undefined) {
        turnAway(socket, refusal, handshake);
        return false;
      }
    }
    return super._acceptSocket(socket, handshake);
  }

  override _handleProxy(socket: Socket, callback: Parameters<SMTPServer["_handleProxy"]>[1]): void {
    if (!this._expectsProxyHeader(socket)) {
      setImmediate(callback, null, { id: sessionId() });
      return;
    }
    readProxyHeader(socket, this.hooks.limits.timeouts.greeting).then(
      (header) => {
        const proxied =
          header.kind === "proxied" ? { remoteAddress: header.address, remotePort: header.port } : {};
        const address = header.kind === "proxied" ? header.address : (socket.remoteAddress ?? "");
        const refusal = this.#admit(socket, address, header.kind === "local");
        if (refusal === undefined) {
          callback(null, { id: sessionId(), ...proxied });
        } else {
          turnAway(socket, refusal, this.options.secure === true);
          callback(new Error(`${address}: ${refusal.text}`));
        }
      },
      (error: Error) => {
        this.hooks.ended(socket.remoteAddress ?? "", error.message);
        socket.on("error", () => {});
        socket.destroy();
        callback(error);
      },
    );
  }

  #admit(socket: Socket, address: string, isProxys = false): Reply | undefined {
    const visitor = new Visitor(this.hooks.now(), () =>
      (this._pendingSockets.get(socket) ?? socket).destroy(),
    );
    const refusal = this.hooks.admission.enter(visitor, address);
    if (refusal !== undefined) return refusal;
    visitor.isProxys = isProxys;
    this.#visitors.set(socket, visitor);
    socket.once("close", () => this.hooks.admission.leave(visitor));
    return undefined;
  }

  override _upgrade(...[socket, callback]: Parameters<SMTPServer["_upgrade"]>): void {
    super._upgrade(socket, (error, secured) => {
      const visitor = this.#visitors.get(socket);
      if (secured !== undefined && visitor !== undefined) this.#visitors.set(secured, visitor);
      callback(error, secured);
    });
  }

  override connect(...[socket, options]: Parameters<SMTPServer["connect"]>): void {
    const connection = new Connection(this, socket, options);
    const visitor = this.#visitors.get(socket as Socket);
    if (visitor !== undefined) visitor.connection = connection;
    this.#connections.set(connection.session, connection);
    connection.isProxy = visitor?.isProxys === true;
    this.connections.add(connection);
    connection.on("error", (error: Error) => this.emit("error", error));
    connection.init();
  }
}

const sessionId = (): string => Buffer.from(systemRandom.octets(10)).toString("hex");

/** Under TLS from the first octet there is nobody yet who could read the reply. */
function turnAway(socket: Socket | TLSSocket, reply: Reply, silently: boolean): void {
  socket.on("error", () => {});
  if (silently) {
    socket.destroy();
    return;
  }
  socket.end(`${reply.code} ${textOf(reply)}\r\n`);
  socket.resume();
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
