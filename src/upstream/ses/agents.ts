// The HTTP agents of the SES client. They know which requests never got a connection: whatever kept one from being
// made, a certificate or a handshake that hangs among them, such a request was certainly not sent.
import { type AgentOptions, Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Socket } from "node:net";

export interface SesAgents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
  /**
   * True when a connection was begun for the request and was not ready when the request ended. False also when the
   * request went over a connection that was there before.
   *
   * @param headers the object that the request was made with
   */
  neverConnected(headers: object): boolean;
}

/** What an agent does for a request without a free connection; the types keep it to themselves. */
interface Connecting {
  createConnection(options: { readonly headers?: object }, done?: unknown): Socket;
}

export function createSesAgents(options: AgentOptions): SesAgents {
  const begun = new WeakMap<object, { isReady: boolean }>();

  function watch<T extends HttpAgent>(agent: T, ready: "connect" | "secureConnect"): T {
    const watched = agent as unknown as Connecting;
    const connect = watched.createConnection.bind(agent);
    watched.createConnection = (request, done) => {
      const connection = { isReady: false };
      if (request.headers !== undefined) begun.set(request.headers, connection);
      const socket = connect(request, done);
      socket.once(ready, () => {
        connection.isReady = true;
      });
      return socket;
    };
    return agent;
  }

  return {
    http: watch(new HttpAgent(options), "connect"),
    https: watch(new HttpsAgent(options), "secureConnect"),
    neverConnected: (headers) => begun.get(headers)?.isReady === false,
  };
}
