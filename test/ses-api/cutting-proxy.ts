// A proxy that loses answers: an SDK before it tries again by itself.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface CuttingProxy {
  readonly url: string;
  close(): void;
}

/** Cuts the connection of the first `cuts` requests when they are whole and their answer comes. */
export async function cuttingProxy(port: number, cuts: number): Promise<CuttingProxy> {
  let left = cuts;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => void [client, upstream].map((one) => one.destroy()));
    }
    client.pipe(upstream);
    upstream.on("data", (answer) => {
      if (left-- > 0) client.destroy();
      else client.write(answer);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
