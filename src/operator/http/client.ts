// How a command asks the gateway that runs on a data folder: HTTP over the operator's socket.
import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import type { Decision } from "../../ledger/ledger.ts";
import type { DoubtfulDesk, DoubtfulEntry, Resolution } from "../doubtful.ts";
import { findSocket } from "./socket-path.ts";

/** No gateway runs on the folder. */
export class NoGatewayError extends Error {
  override readonly name = "NoGatewayError";
}

/** A gateway runs there, and can't be asked. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
}

const OLDER =
  "the gateway that runs here is older than this command and does not understand it; restart the gateway, or use " +
  "the mailonce that it was started with";

export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** The problem that a gateway has answered with. */
export const detailOf = ({ status, body }: Reply): string =>
  (body as { detail?: string }).detail ?? `the gateway answered ${status}`;

/**
 * One request.
 *
 * @throws NoGatewayError, GatewayError
 */
export async function askGateway(
  dataDir: string,
  method: "GET" | "POST",
  path: string,
  body?: unknown,
): Promise<Reply> {
  const reply = await openReply(dataDir, method, path, body);
  try {
    return { status: reply.statusCode ?? 0, body: JSON.parse(await text(reply)) };
  } catch (error) {
    throw faultOf(error as Error);
  }
}

/**
 * One request, whose answer is read by the caller.
 *
 * @throws NoGatewayError, GatewayError
 */
export async function openReply(
  dataDir: string,
  method: "GET" | "POST",
  path: string,
  body?: unknown,
): Promise<IncomingMessage> {
  const socketPath = await findSocket(dataDir);
  if (socketPath === undefined) throw new NoGatewayError();
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    Host: "localhost",
    Connection: "close",
    ...(sent === undefined
      ? {}
      : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(sent) }),
  };
  let isConnected = false;
  return await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request({ socketPath, method, path, headers, agent: false }, resolve);
    asked.once("socket", (socket) => socket.once("connect", () => (isConnected = true)));
    asked.once("error", (error) => reject(isConnected ? faultOf(error) : new NoGatewayError()));
    asked.end(sent);
  });
}

/** Whether a gateway runs on the folder. Rejects with a GatewayError where one does that can't be asked. */
export async function isRunning(dataDir: string): Promise<boolean> {
  try {
    await askGateway(dataDir, "GET", "/healthz");
    return true;
  } catch (error) {
    if (error instanceof NoGatewayError) return false;
    throw error;
  }
}

export const faultOf = (error: NodeJS.ErrnoException): GatewayError =>
  new GatewayError(
    // An older gateway answers a line of JSON.
    error.code?.startsWith("HPE_") === true ? OLDER : "the gateway closed the connection without an answer",
    { cause: error },
  );

/** What a gateway that runs says and does of doubtful mail; each call rejects as askGateway does. */
export function gatewayDesk(dataDir: string): DoubtfulDesk {
  const PATH = "/api/v1/doubtful";
  return {
    async list() {
      const entries: DoubtfulEntry[] = [];
      for (let query: string | undefined = ""; query !== undefined; ) {
        const reply = await askGateway(dataDir, "GET", `${PATH}${query}`);
        if (reply.status !== 200) throw new GatewayError(detailOf(reply));
        const { doubtful, next } = reply.body as { doubtful: DoubtfulEntry[]; next?: string };
        for (const entry of doubtful) entries.push(entry);
        query = next === undefined ? undefined : `?${new URLSearchParams({ cursor: next })}`;
      }
      return entries;
    },
    async resolve(id: string, decision: Decision, reason?: string): Promise<Resolution> {
      const reply = await askGateway(dataDir, "POST", PATH, { id, decision, reason });
      if (reply.status !== 200) return { ok: false, fault: detailOf(reply) };
      return { ok: true, ...(reply.body as Pick<Resolution & { ok: true }, "id" | "next">) };
    },
  };
}
