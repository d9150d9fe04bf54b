// One connection to the API, octet by octet: what no client library would send, and what comes back as it is.
import { once } from "node:events";
import { connect } from "node:net";
import { NOBODY, SEND, sign } from "./place.ts";

export interface Wire {
  send(text: string): void;
  /** Resolves with all that was said, once that has the text. */
  heard(text: string | RegExp): Promise<string>;
  /** Resolves with all that was said, once the server has closed. */
  readonly ended: Promise<string>;
}

export async function dial(port: number): Promise<Wire> {
  const socket = connect({ port, host: "127.0.0.1" });
  await once(socket, "connect");
  let said = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    said += text;
  });
  socket.on("error", () => {});
  const ended = once(socket, "close").then(() => said);
  return {
    send: (text) => void socket.write(text, "latin1"),
    async heard(text) {
      const has = () => (typeof text === "string" ? said.includes(text) : text.test(said));
      while (!has()) await once(socket, "data");
      return said;
    },
    ended,
  };
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
  readonly version?: string;
  readonly key?: { readonly id: string; readonly secret: string };
  readonly more?: Readonly<Record<string, string>>;
}

/** A request as it goes over the wire. */
export function wireOf(
  port: number,
  { method = "POST", path = SEND, body = "", version = "1.1", key = NOBODY, more = {} }: Sent,
): string {
  const fields = {
    ...sign({ method, path, body, key, port }),
    "Content-Length": String(Buffer.byteLength(body)),
    ...more,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/${version}\r\n${lines.join("")}\r\n${body}`;
}
