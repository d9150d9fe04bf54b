// The upstream of a fuzzed gateway: an SMTP server that takes everything, notes whose mail it is, and every
// octet that a well-formed client would not have sent.
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

export interface Arrival {
  /** From the gateway's Received field. */
  readonly submission: string;
  /** X-Mailonce-ID, with its angle brackets. */
  readonly messageId: string;
  readonly recipient: string;
  /** As it came, dots stuffed, without the final one; empty unless the sink was asked to keep contents. */
  readonly octets: string;
}

export interface Sink {
  readonly port: number;
  readonly arrivals: readonly Arrival[];
  /** Message-IDs of delivery status notifications. */
  readonly notices: readonly string[];
  readonly faults: readonly string[];
  /** Resolves once so many have arrived. */
  waitFor(count: number): Promise<void>;
  close(): Promise<void>;
}

const COMMAND =
  /^(?:EHLO [!-~]+|RSET|QUIT|DATA|MAIL FROM:<[!-~ ]*>(?: [!-~]+)*|RCPT TO:<[!-~ ]+>(?: [!-~]+)*)$/;
const END = "\r\n.\r\n";
/** Kept of a fault, to find it by. */
const EXCERPT = 200;

export async function createSink({ keepsContents = false } = {}): Promise<Sink> {
  const arrivals: Arrival[] = [];
  const notices: string[] = [];
  const faults: string[] = [];
  const waiting = new Set<{ count: number; resolve: () => void }>();
  const sockets = new Set<Socket>();
  const fault = (what: string, text: string): void => {
    faults.push(`towards the upstream, ${what}: ${JSON.stringify(text.slice(0, EXCERPT))}`);
  };

  function serve(socket: Socket): void {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    let input = "";
    let inContent = false;
    /** Where the end of the content was looked for already. */
    let looked = 0;
    let reversePath = "";
    let recipients: string[] = [];

    function command(line: string): string {
      // UTF-8 in addresses is RFC 6531's.
      if (!COMMAND.test(line.replace(/[\xa0-\xff][\x80-\xbf]*/g, "u"))) fault("no command", line);
      const verb = line.slice(0, 4).toUpperCase();
      if (verb === "EHLO") return "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";
      const path = Buffer.from(/<(.*)>/.exec(line)?.[1] ?? "", "latin1").toString();
      if (verb === "MAIL") {
        reversePath = path;
        recipients = [];
      }
      if (verb === "RCPT") recipients.push(path);
      if (verb === "QUIT") return "221 2.0.0 bye\r\n";
      if (verb !== "DATA") return "250 2.0.0 ok\r\n";
      inContent = true;
      looked = 0;
      return "354 go on\r\n";
    }

    function content(text: string): void {
      if (/[^\r]\n|^\n|\r[^\n]|\r$|\0/.test(text)) fault("a line end or NUL that is none", text);
      if (/(?:^|\r\n)\.[^.]/.test(text)) fault("a dot that isn't stuffed", text);
      const header = text.slice(0, text.indexOf("\r\n\r\n"));
      if (header.startsWith("From: Mail Delivery System <MAILER-DAEMON@")) {
        notices.push(/^Message-ID: (<[^>\r]+>)\r?$/m.exec(header)?.[1] ?? "?");
        if (reversePath !== "") fault("a notice with a reverse-path", text);
        return;
      }
      const submission = /^Received: [^\r]*(?:\r\n[ \t][^\r]*)*?\bid ([a-z0-9]+);/i.exec(header)?.[1];
      const messageId = /^X-Mailonce-ID: (<[^>\r]+>)\r?$/m.exec(header)?.[1];
      if (submission === undefined || messageId === undefined) fault("a header without our fields", text);
      for (const recipient of recipients) {
        const octets = keepsContents ? text : "";
        arrivals.push({ submission: submission ?? "?", messageId: messageId ?? "?", recipient, octets });
      }
      for (const waiter of waiting) {
        if (arrivals.length < waiter.count) continue;
        waiting.delete(waiter);
        waiter.resolve();
      }
    }

    socket.setEncoding("latin1").on("data", (chunk: string) => {
      input += chunk;
      let replies = "";
      for (;;) {
        if (inContent) {
          const isEmpty = input.startsWith(".\r\n");
          const end = isEmpty ? -2 : input.indexOf(END, looked);
          if (end === -1) {
            looked = Math.max(0, input.length - END.length);
            break;
          }
          content(input.slice(0, end + 2));
          input = input.slice(end + END.length);
          inContent = false;
          replies += "250 2.0.0 taken\r\n";
          continue;
        }
        const end = input.indexOf("\r\n");
        if (end < 0) break;
        replies += command(input.slice(0, end));
        input = input.slice(end + 2);
      }
      if (replies !== "") socket.write(replies);
    });
    socket.write("220 sink ESMTP\r\n");
  }

  const server = createServer({ noDelay: true }, serve).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    arrivals,
    notices,
    faults,
    waitFor(count) {
      if (arrivals.length >= count) return Promise.resolve();
      return new Promise((resolve) => waiting.add({ count, resolve }));
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
