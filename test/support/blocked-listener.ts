// An address that accepts no connection and refuses none: the queue of a listening socket whose process
// stands still, filled up. What connects to it waits until its own time-out.
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { Worker } from "node:worker_threads";

export interface BlockedListener {
  readonly port: number;
  close(): Promise<void>;
}

const LISTEN_AND_STAND_STILL = `
  const { parentPort } = require("node:worker_threads");
  const server = require("node:net").createServer();
  server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });
`;

/** Connections that wait in the queue: the backlog of 1 holds 2. */
const QUEUE = 2;

export async function createBlockedListener(): Promise<BlockedListener> {
  const worker = new Worker(LISTEN_AND_STAND_STILL, { eval: true });
  const [port] = (await once(worker, "message")) as [number];
  const waiting: Socket[] = [];
  for (let connected = 0; connected < QUEUE; connected++) {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.on("error", () => {});
    waiting.push(socket);
    await once(socket, "connect");
  }
  return {
    port,
    async close() {
      for (const socket of waiting) socket.destroy();
      await worker.terminate();
    },
  };
}
