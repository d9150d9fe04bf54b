// The network between a gateway and its database, which can be cut: refused, silent, or slow.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/**
 * - dropped: every connection is reset, and new ones end at once.
 * - silent: connections stay and open, and nothing comes through, as through a cable that was pulled.
 * - slow: all comes through, each piece later by `slowMs`.
 */
export type LinkState = "up" | "dropped" | "silent" | "slow";

export interface Link {
  readonly port: number;
  set(state: LinkState): void;
  close(): Promise<void>;
}

/** What was swallowed makes a connection worthless: those open while the link was silent stay silent. */
export async function createLink(targetPort: number, slowMs: number): Promise<Link> {
  let state: LinkState = "up";
  const silenced = new Set<Socket>();
  const sockets = new Set<Socket>();

  function serve(client: Socket): void {
    const server = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    if (state === "dropped") client.resetAndDestroy();
    const pipe = (from: Socket, to: Socket): void => {
      sockets.add(from);
      if (state === "silent") silenced.add(from);
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        if (!silenced.has(from)) to.destroy();
      });
      from.on("data", (chunk) => {
        if (silenced.has(from)) return;
        if (state === "slow") setTimeout(() => to.write(chunk), slowMs);
        else to.write(chunk);
      });
    };
    pipe(client, server);
    pipe(server, client);
  }

  const listener = createServer({ noDelay: true }, serve).listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    set(next) {
      state = next;
      if (next === "silent") for (const socket of sockets) silenced.add(socket);
      if (next === "dropped") for (const socket of sockets) socket.resetAndDestroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, "close");
    },
  };
}
