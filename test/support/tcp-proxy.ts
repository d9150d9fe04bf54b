// A TCP proxy that can turn a live connection into a half-open one: from a point on it swallows what comes
// from one side or both, and neither side hears of it.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export type Direction = "to-server" | "to-client";

export interface BlackHole {
  /** Strikes when this has come by in the direction; at once when left out. */
  readonly at?: { readonly direction: Direction; readonly text: string };
  /** The text itself is forwarded; otherwise it is the first to be swallowed. */
  readonly forwardsText?: boolean;
  readonly swallows: readonly Direction[];
}

export interface TcpProxy {
  readonly port: number;
  /** For all connections, those that are open and those to come. Resolves when it has struck. */
  blackHole(hole: BlackHole): Promise<void>;
  /** New connections are forwarded again; those that were struck stay as they are. */
  heal(): void;
  close(): Promise<void>;
}

export async function createTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let hole: BlackHole | undefined;
  let strike: () => void = () => {};

  function serve(client: Socket): void {
    const server = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    let swallowed: ReadonlySet<Direction> = new Set();
    const recent: Record<Direction, string> = { "to-server": "", "to-client": "" };

    function pass(direction: Direction, chunk: Buffer, to: Socket): void {
      const { at } = hole ?? {};
      recent[direction] = (recent[direction] + chunk.toString("latin1")).slice(-4096);
      const isDue =
        hole !== undefined &&
        swallowed.size === 0 &&
        (at === undefined || (at.direction === direction && recent[direction].includes(at.text)));
      if (!isDue || hole?.forwardsText === true) forward(direction, chunk, to);
      if (!isDue || hole === undefined) return;
      swallowed = new Set(hole.swallows);
      if (hole.forwardsText !== true) forward(direction, chunk, to);
      strike();
    }

    function forward(direction: Direction, chunk: Buffer, to: Socket): void {
      if (!swallowed.has(direction)) to.write(chunk);
    }

    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        // The end of one side is no news for the other through a black hole.
        if (swallowed.size === 0) (socket === client ? server : client).destroy();
      });
    }
    client.on("data", (chunk) => pass("to-server", chunk, server));
    server.on("data", (chunk) => pass("to-client", chunk, client));
  }

  const listener = createServer({ noDelay: true }, serve).listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    blackHole(next) {
      hole = next;
      return new Promise((resolve) => {
        strike = resolve;
      });
    },
    heal() {
      hole = undefined;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, "close");
    },
  };
}
