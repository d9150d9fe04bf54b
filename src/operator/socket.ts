// How a command reaches a gateway that runs: a socket in the data folder, for the user who owns it. One
// request and one answer a connection, each a line of JSON.
import { chmod, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Log } from "../runtime/log.ts";

export type JsonValue = unknown;
export type Handler = (request: JsonValue) => Promise<JsonValue>;

export interface OperatorSocket {
  close(): Promise<void>;
}

const pathIn = (dataDir: string): string => join(dataDir, "operator.sock");

/** sun_path of sockaddr_un holds 108 octets on Linux, 104 elsewhere, with a NUL. */
const PATH_MAX = 103;

/** A request is a name and an id. */
const REQUEST_MAX = 4_096;

/**
 * Listens in the data folder, which the stores' locks have made ours. Where the path is too long for a
 * socket, or the system refuses one, the gateway runs without, and the log says so.
 */
export async function openOperatorSocket(
  dataDir: string,
  handle: Handler,
  log: Log,
): Promise<OperatorSocket> {
  const path = pathIn(dataDir);
  const server = createServer((socket) => void answer(socket, handle));
  const closed = async (): Promise<void> => {
    await new Promise((resolve) => server.close(resolve));
    await rm(path, { force: true });
  };
  try {
    if (Buffer.byteLength(path) > PATH_MAX) throw new Error(`${path} is too long for a socket`);
    await rm(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    await chmod(path, 0o600);
    server.unref();
    return { close: closed };
  } catch (error) {
    log.warn("operator.unavailable", { error: String(error) });
    return { close: async () => {} };
  }
}

async function answer(socket: Socket, handle: Handler): Promise<void> {
  socket.on("error", () => {});
  const request = await firstLine(socket);
  if (request === undefined) {
    socket.destroy();
    return;
  }
  try {
    socket.end(`${JSON.stringify(await handle(JSON.parse(request)))}\n`);
  } catch (error) {
    socket.end(`${JSON.stringify({ error: error instanceof Error ? error.message : String(error) })}\n`);
  }
}

function firstLine(socket: Socket, limit = REQUEST_MAX): Promise<string | undefined> {
  return new Promise((resolve) => {
    let octets = 0;
    socket.on("data", (chunk) => {
      octets += chunk.length;
      if (octets > limit) socket.destroy();
    });
    const lines = createInterface({ input: socket });
    lines.once("line", resolve);
    lines.once("close", () => resolve(undefined));
  });
}

/** The gateway's answer, or undefined when none runs on this data folder. */
export async function askGateway(dataDir: string, request: JsonValue): Promise<JsonValue | undefined> {
  const socket = connect(pathIn(dataDir));
  const connected = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  });
  if (!connected) return undefined;
  socket.on("error", () => {});
  const line = firstLine(socket, Number.POSITIVE_INFINITY);
  socket.write(`${JSON.stringify(request)}\n`);
  const text = await line;
  if (text === undefined) throw new Error("the gateway closed the connection without an answer");
  return JSON.parse(text);
}
