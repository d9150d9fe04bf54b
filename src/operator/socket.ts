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

/** A command sends its request at once, and reads the answer as it comes. */
const IDLE_MS = 10_000;

/** At a stop a request under way may take so long; a decision that is durable stays one without its answer. */
const CLOSE_MS = 2_000;

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
  const idle = new Set<Socket>();
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    idle.add(socket);
    socket.once("close", () => {
      open.delete(socket);
      idle.delete(socket);
    });
    void answer(socket, handle, () => idle.delete(socket));
  });
  const closed = async (): Promise<void> => {
    const end = new Promise((resolve) => server.close(resolve));
    for (const socket of idle) socket.destroy();
    const late = setTimeout(() => {
      for (const socket of open) socket.destroy();
    }, CLOSE_MS);
    await end;
    clearTimeout(late);
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

/** @param begun called when the request is there */
async function answer(socket: Socket, handle: Handler, begun: () => void): Promise<void> {
  socket.on("error", () => {});
  // A time without an octet, in either direction.
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  const request = await firstLine(socket);
  begun();
  socket.setTimeout(0);
  if (request === undefined) {
    socket.destroy();
    return;
  }
  const answered = await handled(handle, request);
  socket.setTimeout(IDLE_MS);
  socket.end(`${JSON.stringify(answered)}\n`);
}

async function handled(handle: Handler, request: string): Promise<JsonValue> {
  try {
    return await handle(JSON.parse(request));
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
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
    // It passes on the socket's errors, which would end the process otherwise.
    lines.on("error", () => resolve(undefined));
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
