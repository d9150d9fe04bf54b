// A client of the API of SES with kept connections and no library: each request is made before it is due, so that the client
// takes little of the processor. One task's mail goes to many recipients, as smtp-source sends it.
import { once } from "node:events";
import { connect } from "node:net";
import { type Key, signed } from "../../test/support/sigv4.ts";

export interface ApiLoad {
  readonly connections: number;
  /** The path and body of the call for a recipient. */
  readonly call: (to: string) => { readonly path: string; readonly body: string };
  readonly key: Key;
}

/** Submits so many mails as fast as they are answered; rejects when one is refused. */
export async function submitByApi(
  port: number,
  messages: number,
  { connections, call, key }: ApiLoad,
): Promise<void> {
  let next = 0;
  const requestOf = (to: string): string => {
    const { path, body } = call(to);
    const fields = signed({ method: "POST", path, headers: [], body }, key, port);
    const lines = [...fields, ["Content-Length", String(Buffer.byteLength(body))]];
    return `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`;
  };
  const work = async (): Promise<void> => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    let heard = "";
    let wake = (): void => {};
    socket.setEncoding("latin1").on("data", (text: string) => {
      heard += text;
      wake();
    });
    const answered = async (): Promise<void> => {
      for (;;) {
        const end = heard.indexOf("\r\n\r\n");
        const length = Number(/^content-length: (\d+)\r$/im.exec(heard.slice(0, end + 2))?.[1]);
        if (end >= 0 && heard.length >= end + 4 + length) {
          if (!heard.startsWith("HTTP/1.1 200 ")) throw new Error(heard);
          heard = heard.slice(end + 4 + length);
          return;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    while (next < messages) {
      socket.write(requestOf(`${++next}a@example.net`));
      await answered();
    }
    socket.destroy();
  };
  await Promise.all(Array.from({ length: connections }, work));
}
