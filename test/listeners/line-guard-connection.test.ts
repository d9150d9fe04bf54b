// The line guard in front of smtp-server's parser, as server.ts puts it there, over real sockets: what may
// be read is answered, what comes after a fault never runs.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { SMTPServer } from "smtp-server";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import { test as base, expect } from "vitest";
import { createLineGuard } from "../../src/listeners/smtp/line-guard.ts";

const SAID = {
  unsynchronised: [554, "5.5.0 SMTP protocol synchronization"],
  "bare-newline": [521, "5.5.2 bare LF"],
} as const;

class Connection extends SMTPConnection {
  override init(): void {
    this._setListeners(() => this.connectionReady());
  }

  override _createParser(): ReturnType<SMTPConnection["_createParser"]> {
    const parser = super._createParser();
    const guard = createLineGuard("reject");
    const write = parser._write.bind(parser);
    parser._write = (chunk, encoding, next) => {
      const found =
        parser._dataMode || parser.isClosed ? undefined : guard.push(chunk, this._nextHandler !== false);
      if (found === undefined) {
        write(chunk, encoding, next);
        return;
      }
      const refuse = (): void => {
        if (!parser.isClosed) {
          const [code, text] = SAID[found.fault];
          this.send(code, text, false);
          this.close();
        }
        next();
      };
      if (found.before === 0) refuse();
      else write(chunk.subarray(0, found.before), encoding, (error) => (error ? next(error) : refuse()));
    };
    return parser;
  }
}

class Server extends SMTPServer {
  override connect(...[socket, options]: Parameters<SMTPServer["connect"]>): void {
    const connection = new Connection(this, socket, options);
    this.connections.add(connection);
    connection.on("error", () => {});
    connection.init();
  }
}

/** A server, and what it has taken. */
interface Taking {
  readonly port: number;
  readonly mails: string[];
  readonly users: string[];
}

// biome-ignore lint/correctness/noEmptyPattern: vitest reads from the pattern what a fixture needs
const test = base.extend("server", async ({}, { onCleanup }): Promise<Taking> => {
  const mails: string[] = [];
  const users: string[] = [];
  const server = new Server({
    disableReverseLookup: true,
    // Not used, and named only for the library not to warn of its own.
    key: readFileSync("fixtures/tls/key.pem"),
    cert: readFileSync("fixtures/tls/cert.pem"),
    authOptional: true,
    allowInsecureAuth: true,
    hideENHANCEDSTATUSCODES: true,
    closeTimeout: 10,
    onAuth({ username = "" }, _, callback) {
      users.push(username);
      callback(null, { user: username });
    },
    onData(stream, _, callback) {
      let mail = "";
      stream.on("data", (chunk: Buffer) => {
        mail += chunk.toString("latin1");
      });
      stream.on("end", () => {
        mails.push(mail);
        callback();
      });
    },
  });
  onCleanup(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  return { port: (server.server.address() as AddressInfo).port, mails, users };
});

/** The codes of the replies to each step; "end" when the server closed. A step waits for the replies before it. */
async function talk(
  port: number,
  steps: readonly (readonly [octets: string, replies: number])[],
): Promise<string[]> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const codes: string[] = [];
  let rest = "";
  let wake: () => void = () => {};
  socket.setEncoding("latin1").on("data", (text: string) => {
    const lines = (rest + text).split("\r\n");
    rest = lines.pop() ?? "";
    codes.push(...lines.filter((line) => line[3] !== "-").map((line) => line.slice(0, 3)));
    wake();
  });
  let ended = false;
  socket.on("end", () => {
    codes.push("end");
    ended = true;
    wake();
  });
  const replies = async (count: number): Promise<void> => {
    while (codes.length < count && !ended) await new Promise<void>((resolve) => (wake = resolve));
  };
  let expected = 1;
  await replies(expected);
  for (const [octets, count] of steps) {
    socket.write(Buffer.from(octets, "latin1"));
    expected += count;
    await replies(expected);
  }
  socket.destroy();
  return codes.slice(1);
}

const HELLO = ["EHLO client.example\r\n", 1] as const;
const GROUP = "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";

test("a group that ends in DATA, content, and commands right behind the final dot", async ({
  server: { port, mails },
}) => {
  expect(await talk(port, [HELLO, [GROUP, 3], ["DATA\nEHLO\r\n.\r\nRSET\r\nQUIT\r\n", 4]])).toEqual([
    "250",
    "250",
    "250",
    "354",
    "250",
    "250",
    "221",
    "end",
  ]);
  expect(mails).toEqual(["DATA\nEHLO\r\n"]);
});

test("a line of the content that looks like a group is not asked about, nor is what is left of a chunk", async ({
  server: { port, mails },
}) => {
  const content = "x\r\n.\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";
  expect(await talk(port, [HELLO, [GROUP, 3], [content, 4], ["y\r\n.\r\n", 1], ["QUIT\r\n", 2]])).toEqual([
    "250",
    "250",
    "250",
    "354",
    "250",
    "250",
    "250",
    "354",
    "250",
    "221",
    "end",
  ]);
  expect(mails).toEqual(["x\r\n", "y\r\n"]);
});

test("content sent with DATA: what comes before is answered, DATA and the content are not read", async ({
  server: { port, mails },
}) => {
  expect(await talk(port, [HELLO, [`${GROUP}Subject: x\r\n\r\n.\r\n`, 4]])).toEqual([
    "250",
    "250",
    "250",
    "554",
    "end",
  ]);
  expect(mails).toEqual([]);
});

test("behind the final dot as well", async ({ server: { port, mails } }) => {
  expect(await talk(port, [HELLO, [GROUP, 3], [`x\r\n.\r\n${GROUP}y\r\n.\r\n`, 5]])).toEqual([
    "250",
    "250",
    "250",
    "354",
    "250",
    "250",
    "250",
    "554",
    "end",
  ]);
  expect(mails).toEqual(["x\r\n"]);
});

test("STARTTLS injection and a greeting in a group", async ({ server: { port } }) => {
  expect(await talk(port, [HELLO, ["STARTTLS\r\nMAIL FROM:<a@b.example>\r\n", 2]])).toEqual([
    "250",
    "554",
    "end",
  ]);
  expect(await talk(port, [["EHLO a\r\nMAIL FROM:<a@b.example>\r\n", 2]])).toEqual(["554", "end"]);
});

test("AUTH: lines of the exchange are credentials, and are waited for", async ({
  server: { port, users },
}) => {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  expect(
    await talk(port, [
      HELLO,
      ["AUTH LOGIN\r\n", 1],
      [`${base64("user")}\r\n`, 1],
      [`${base64("pw")}\r\n`, 1],
    ]),
  ).toEqual(["250", "334", "334", "235"]);
  expect(
    await talk(port, [
      HELLO,
      ["AUTH PLAIN\r\n", 1],
      [`${base64("\0user\0pw")}\r\nMAIL FROM:<a@b.example>\r\n`, 2],
    ]),
  ).toEqual(["250", "334", "554", "end"]);
  expect(
    await talk(port, [HELLO, [`AUTH PLAIN ${base64("\0user\0pw")}\r\nMAIL FROM:<a@b.example>\r\n`, 2]]),
  ).toEqual(["250", "235", "250"]);
  expect(users).toEqual(["user", "user"]);
});

test("a command that ends in an LF alone: those before it are answered, it is not run", async ({
  server: { port },
}) => {
  expect(await talk(port, [HELLO, ["NOOP\r\nMAIL FROM:<a@b.example>\nRSET\r\n", 3]])).toEqual([
    "250",
    "250",
    "521",
    "end",
  ]);
});
