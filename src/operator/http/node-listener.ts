// Requests of node:http for the router. @hono/node-server is imported here and nowhere else.
import type { TLSSocket } from "node:tls";
import type { HttpBindings } from "@hono/node-server";
import type { RequestListener } from "../../listeners/http/listen.ts";

/** What the connection says about a client. */
export interface Peer {
  /** Empty on a Unix socket. */
  readonly address: string;
  readonly isTls: boolean;
}

/**
 * The library is loaded at the first request: it brings Node's own fetch to life, which takes 5 MiB for good, and a gateway that
 * nobody watches gets no request. It is a part that needs no other, so that one of a newer build will do.
 *
 * @param fetch never rejects
 */
export function createNodeListener(
  fetch: (request: Request, peer: Peer) => Response | Promise<Response>,
): RequestListener {
  const load = async (): Promise<RequestListener> => {
    const { getRequestListener } = await import("@hono/node-server");
    return getRequestListener(
      (request, bindings) => {
        const { socket } = (bindings as HttpBindings).incoming;
        const { encrypted } = socket as Partial<TLSSocket>;
        return fetch(request, { address: socket.remoteAddress ?? "", isTls: encrypted === true });
      },
      {
        // A request without Host, as HTTP/1.0 allows: the door sees that there is none.
        hostname: "localhost",
        overrideGlobalObjects: false,
      },
    );
  };
  let loaded: RequestListener | undefined;
  return async (request, response) => {
    loaded ??= await load();
    await loaded(request, response);
  };
}
