// smtp-server, imported only here, with our changes to it. dialogue.ts decides about each command. The
// overridden members are private to the library, so its version is pinned. Decision 0012 gives the reason for
// each, and the change of the library that would make it unnecessary.
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from "smtp-server";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import { systemRandom } from "../../runtime/random.ts";
import { type Reply, replies } from "../../submission/reply.ts";
import type { Admission } from "../admission.ts";
import type { Dialogue, Peer } from "../dialogue.ts";
import { readProxyHeader } from "../proxy/header.ts";
import { type Allowance, type ConnectionLimits, createAllowance } from "./allowance.ts";
import { createLineGuard, type LineFault } from "./line-guard.ts";
import { readPathCommand } from "./path-command.ts";
import { asReply, bringsStatus, textOf } from "./reply-text.ts";
import { Visitor } from "./visitor.ts";

export type { SMTPServerAddress, SMTPServerOptions, SMTPServerSession } from "smtp-server";

/** The decisions that the server needs. Addresses are IP addresses as text. */
export interface ServerHooks {
  readonly admission: Admission;
  /** A reply was sent, whole. */
  replied(code: number): void;
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

/** The library's own texts that we replace, each with our reply. */
const OWN_WORDS: Readonly<Record<string, Reply>> = { "Server shutting down": replies.shuttingDown };

const FAULT_REPLIES: Readonly<Record<LineFault, Reply>> = {
  "bare-newline": replies.bareNewlineInCommand,
  unsynchronised: replies.unsynchronised,
};

/** How exact the time-outs are: a look at every connection each second costs microseconds. */
const SWEEP_MS = 1_000;

/** A refusal before the dialogue has this long to reach the client. */
const LINGER_MS = 1_000;

/** They make an address look like another, begin a new line somewhere, or end the path that contains them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const UNSAFE_IN_PATH = /[\x00-\x1f\x7f-\x9f\u200b\u2060\ufeff<>]/;
class Connection extends SMTPConnection implements Peer {
  declare readonly _server: Server;
  readonly dialogue: Dialogue;
  /** When it last got a reply. */
  idleSince: number;
  /** A proxy's own connection: it has named no client. */
  isProxy = false;
  readonly #allowance: Allowance;
  #submitted = false;
  #ended = false;
  /** While content is received: the octets of the last look, and when they last grew. */
  #octets = 0;
  #grewAt = 0;

  constructor(...[server, socket, options]: ConstructorParameters<typeof SMTPConnection>) {
    super(server, socket, options);
    this.idleSince = this._server.hooks.now();
    this.#allowance = createAllowance(this._server.hooks.limits);
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

  /** It has not submitted a mail, and is not submitting one. */
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
    const { hooks } = this._server;
    this.idleSince = hooks.now();
    const own = typeof data === "string" ? OWN_WORDS[data] : undefined;
    hooks.replied(own?.code ?? code);
    if (own !== undefined) {
      super.send(own.code, textOf(own), false);
      return;
    }
    // The library leaves the status out for EHLO, also where it ends the connection.
    const status = code === 421 ? undefined : context;
    super.send(
      code,
      Array.isArray(data) ? data.map(asReply) : data && asReply(data),
      bringsStatus(data) ? false : status,
    );
    if (!this.#ended && this.#allowance.replied(code)) this.#end(replies.tooManyErrors, "errors_max");
  }

  /** A reverse-path or a recipient was refused; to be called when the client has its reply. */
  refused({ code }: Reply): void {
    if (!this.#ended && this.#allowance.refused(code)) this.#end(replies.tooManyErrors, "refusals_max");
  }

  /** A mail was taken. */
  submitted(): void {
    this.#submitted = true;
    this.#allowance.submitted();
  }

  /**
   * A command that the library accepts keeps its reading. Of the others, those with a path go to identity.
   */
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

  /** The library removes all listeners of the socket. Its place would be held for ever after. */
  override upgrade(...parameters: Parameters<SMTPConnection["upgrade"]>): void {
    const socket = this._socket;
    super.upgrade(...parameters);
    this._server.leaveWith(socket);
  }

  /** AUTH only under TLS, and only where there are users. */
  override _isSupported(command: string): boolean {
    if (command === "AUTH" && !(this._server.hooks.offersAuth && this.secure)) return false;
    return super._isSupported(command);
  }

  override _onCommand(command: Buffer, callback?: () => void): void {
    // The line is a credential, or it is refused anyway.
    if (this._nextHandler !== false || this._closing || this._upgrading) {
      super._onCommand(command, callback);
      return;
    }
    const { hooks } = this._server;
    // As the library reads it.
    const line = command.toString();
    const end = line.indexOf(" ");
    const name = (end < 0 ? line : line.slice(0, end)).toUpperCase();
    const passed = this.#allowance.command(name, () => this.dialogue.isPermitted());
    if (passed !== undefined) {
      this.#end(replies.tooManyCommands, passed);
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
      // Whole lines before it get their replies.
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

  /** The client that XCLIENT names must be allowed too. */
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
  /** What gives the place of a socket back. */
  readonly #leaves = new WeakMap<Socket, () => void>();
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

  /** Without TLS there is no context to make; the library would make one of its own certificate. */
  override updateSecureContext(...[options]: Parameters<SMTPServer["updateSecureContext"]>): void {
    if ((options ?? this.options).cert !== undefined) super.updateSecureContext(options);
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
    // The proxy has not named its client yet.
    if (!this._expectsProxyHeader(socket)) {
      const refusal = this.#admit(socket, socket.remoteAddress ?? "");
      if (refusal !== undefined) {
        this.#turnAway(socket, refusal, handshake);
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
          this.#turnAway(socket, refusal, this.options.secure === true);
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

  #turnAway(socket: Socket, reply: Reply, silently: boolean): void {
    if (!silently) this.hooks.replied(reply.code);
    turnAway(socket, reply, silently);
  }

  #admit(socket: Socket, address: string, isProxys = false): Reply | undefined {
    const visitor = new Visitor(this.hooks.now(), isProxys, () =>
      (this._pendingSockets.get(socket) ?? socket).destroy(),
    );
    const refusal = this.hooks.admission.enter(visitor, address);
    if (refusal !== undefined) return refusal;
    this.#visitors.set(socket, visitor);
    this.#leaves.set(socket, () => this.hooks.admission.leave(visitor));
    this.leaveWith(socket);
    return undefined;
  }

  /** The place of this socket is given back, once, when it has closed. */
  leaveWith(socket: Socket): void {
    const leave = this.#leaves.get(socket);
    if (leave !== undefined) socket.off("close", leave).once("close", leave);
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
