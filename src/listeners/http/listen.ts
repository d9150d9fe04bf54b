// A server of HTTP/1.1 on an address or a Unix socket: how many connections, how long each may take, and an end in order.
// What is asked and answered is the listener's, which is loaded later.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import type { TlsOptions } from "../tls/certificates.ts";

/** Answers a request. A rejection is a fault of ours. */
export type RequestListener = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export interface HttpListenOptions {
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly tls?: TlsOptions | undefined;
  readonly connectionsMax?: number;
  /** Whether the connection may enter; given, it decides in place of `connectionsMax`. */
  readonly admit?: (connection: HttpConnection) => boolean;
  readonly timeouts?: Partial<HttpTimeouts>;
  /** What is said, as a whole, to a client whose first octets are no HTTP; undefined for the usual reply. */
  readonly answerForeign?: (octets: Uint8Array) => string | undefined;
  /** The process goes on for it; left out, it ends when nothing else keeps it. */
  readonly keepsProcess?: boolean;
  /** How long requests under way may take at the end, milliseconds. */
  readonly closeMs?: number;
  /** What is said where the listener has failed. */
  readonly failed: { readonly type: string; readonly body: string };
}

/** One connection, for who counts them. */
export interface HttpConnection {
  readonly address: string;
  /** Milliseconds since the epoch: when its last request was answered, or when it was opened. */
  readonly idleSince: number;
  /** No request is under way on it, received or answered. */
  readonly isIdle: boolean;
  end(): void;
  onEnd(work: () => void): void;
}

/** Milliseconds. */
export interface HttpTimeouts {
  /** For a TLS handshake, and for the header of a request from its first octet or from the connection on. */
  readonly header: number;
  /** For a whole request. */
  readonly request: number;
  /** Without an octet in either direction. */
  readonly idle: number;
  /** For the next request. */
  readonly keepAlive: number;
}

export interface HttpListener {
  readonly host: string;
  /** 0 on a Unix socket. */
  readonly port: number;
  updateTls(options: TlsOptions): void;
  close(): Promise<void>;
}

/** An operator has a few, a scraper one or two. Each takes some 20 KiB. */
const CONNECTIONS_MAX = 256;

/** A client sends its few hundred octets at once. */
const TIMEOUTS: HttpTimeouts = { header: 10_000, request: 30_000, idle: 60_000, keepAlive: 15_000 };

/** Node.js looks so often whether a request is late. */
const LOOK_MS = 1_000;

/** Cookies and a token are a few hundred octets. */
const HEADER_MAX = 16 * 1024;

/** At a stop a request under way may take so long; a decision that is durable stays one without its answer. */
const CLOSE_MS = 2_000;

/** For the other side to read the last reply. */
const LAST_REPLY_MS = 1_000;

/**
 * A full server ends the connection that has waited longest without asking anything, so that connections held open for
 * nothing keep nobody out.
 */
export async function listenHttp(
  {
    at,
    tls,
    connectionsMax = CONNECTIONS_MAX,
    admit,
    timeouts: given,
    answerForeign,
    keepsProcess = false,
    closeMs = CLOSE_MS,
    failed,
  }: HttpListenOptions,
  load: () => Promise<RequestListener>,
): Promise<HttpListener> {
  const timeouts = { ...TIMEOUTS, ...given };
  const connections = createConnections(
    admit === undefined ? connectionsMax : Number.POSITIVE_INFINITY,
    admit,
  );
  const turns = createTurns();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    await turns.take(request, response);
    // The client went while it waited.
    if (request.socket.destroyed) return;
    response.once("close", connections.asks(request));
    const listener = await load();
    await listener(request, response);
  };
  const options = {
    maxHeaderSize: HEADER_MAX,
    headersTimeout: timeouts.header,
    requestTimeout: timeouts.request,
    keepAliveTimeout: timeouts.keepAlive,
    connectionsCheckingInterval: Math.min(LOOK_MS, timeouts.header),
    // What a proxy before us reads in another way, it would guard in another way.
    insecureHTTPParser: false,
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response).catch(() => {
      if (response.headersSent) {
        response.destroy();
        return;
      }
      response.writeHead(500, { "Content-Type": failed.type, Connection: "close" });
      response.end(failed.body);
    });
  };
  const server: Server | TlsServer =
    tls === undefined
      ? createServer(options, onRequest)
      : createTlsServer({ ...options, ...tls, handshakeTimeout: timeouts.header }, onRequest);
  server.timeout = timeouts.idle;
  server.on("connection", (socket: Socket) => connections.enter(socket));
  server.on("clientError", (error: ClientError, socket: Socket) => {
    socket.on("error", () => {});
    if (connections.isAnswered(socket) || !socket.writable) {
      socket.destroy();
      return;
    }
    const foreign = error.rawPacket === undefined ? undefined : answerForeign?.(error.rawPacket);
    socket.setTimeout(LAST_REPLY_MS, () => socket.destroy());
    socket.end(foreign ?? brokenReply(error.code));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(at, () => {
      server.off("error", reject);
      resolve();
    });
  });
  // A connection that can't be accepted, for want of file descriptors, is no reason to end the process.
  server.on("error", () => {});
  if (!keepsProcess) server.unref();
  const bound = server.address();
  const { address, port } =
    typeof bound === "object" && bound !== null ? bound : { address: String(bound), port: 0 };

  return {
    host: address,
    port,
    updateTls: (next) => (server as TlsServer).setSecureContext(next),
    async close() {
      const end = new Promise((resolve) => server.close(resolve));
      connections.endIdle();
      const late = setTimeout(() => server.closeAllConnections(), closeMs);
      await end;
      clearTimeout(late);
    },
  };
}

interface ClientError extends NodeJS.ErrnoException {
  readonly rawPacket?: Uint8Array;
}

const STATUSES: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

const brokenReply = (code = ""): string =>
  `HTTP/1.1 ${STATUSES[code] ?? "400 Bad Request"}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;

/** Requests of one connection that may wait for their turn. A client that sends more ahead has its connection closed. */
const WAITING_MAX = 16;

interface Turns {
  /** Resolves when all requests before it on the connection are answered. */
  take(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

/** One connection has one request at work: Node.js begins each that it has received (RFC 9112 §9.3.2). */
function createTurns(): Turns {
  interface Line {
    waiting: number;
    last: Promise<void>;
  }
  const lines = new WeakMap<Socket, Line>();
  return {
    async take({ socket }, response) {
      const line = lines.get(socket) ?? { waiting: 0, last: Promise.resolve() };
      lines.set(socket, line);
      const before = line.last;
      line.last = new Promise((resolve) => response.once("close", resolve));
      if (line.waiting >= WAITING_MAX) socket.destroy();
      line.waiting++;
      await before;
      line.waiting--;
    },
  };
}

interface Connections {
  enter(socket: Socket): void;
  /** A request has come, until the function is called. */
  asks(request: IncomingMessage): () => void;
  /** A request of the socket is being answered. */
  isAnswered(socket: Socket): boolean;
  /** Ends those on which nothing is being answered. */
  endIdle(): void;
}

interface Connection {
  readonly socket: Socket;
  /** Its request. As long as that is not complete, the gateway waits for the client. */
  request?: IncomingMessage | undefined;
  idleSince: number;
}

const isIdle = ({ request }: Connection): boolean => request?.complete !== true;

const viewOf = (connection: Connection): HttpConnection => ({
  address: connection.socket.remoteAddress ?? "",
  get idleSince() {
    return connection.idleSince;
  },
  get isIdle() {
    return connection.request === undefined;
  },
  end: () => void connection.socket.destroy(),
  onEnd: (work) => void connection.socket.once("close", work),
});

/** @param max at once */
function createConnections(max: number, admit?: HttpListenOptions["admit"]): Connections {
  /** Those first that have waited longest. */
  const connections = new Map<string, Connection>();
  const keys = new WeakMap<Socket, string>();
  let unixSockets = 0;
  /** A TLS socket is another object than the one below it, with the same ports. */
  const keyOf = (socket: Socket): string => {
    const known = keys.get(socket);
    if (known !== undefined) return known;
    const { remoteAddress, remotePort } = socket;
    const key = remotePort === undefined ? `unix ${unixSockets++}` : `${remoteAddress} ${remotePort}`;
    keys.set(socket, key);
    return key;
  };

  /** @returns whether there was one to end */
  const endLongestIdle = (): boolean => {
    for (const [key, connection] of connections) {
      if (!isIdle(connection)) continue;
      connections.delete(key);
      connection.socket.destroy();
      return true;
    }
    return false;
  };

  return {
    enter(socket) {
      if (connections.size >= max && !endLongestIdle()) {
        socket.destroy();
        return;
      }
      const key = keyOf(socket);
      const connection: Connection = { socket, idleSince: Date.now() };
      if (admit?.(viewOf(connection)) === false) {
        socket.destroy();
        return;
      }
      connections.set(key, connection);
      socket.once("close", () => {
        if (connections.get(key) === connection) connections.delete(key);
      });
    },

    asks(request) {
      const key = keyOf(request.socket);
      const connection = connections.get(key);
      if (connection === undefined) return () => {};
      connection.request = request;
      return () => {
        connection.request = undefined;
        connection.idleSince = Date.now();
        // It begins to wait now.
        if (connections.delete(key)) connections.set(key, connection);
      };
    },

    isAnswered(socket) {
      const connection = connections.get(keyOf(socket));
      return connection !== undefined && !isIdle(connection);
    },

    endIdle() {
      for (const connection of connections.values()) if (isIdle(connection)) connection.socket.destroy();
    },
  };
}
