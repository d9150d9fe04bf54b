// An SMTP client that does as it is told, octet by octet, for transcripts and for what no mailer would do.
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface SmtpClient {
  readonly socket: Socket;
  /** One line, CRLF added; the whole reply, its lines joined by "\n". */
  command(line: string): Promise<string>;
  /** Octets as they are. */
  write(octets: string | Uint8Array): void;
  /** The next reply. Rejects when the connection ends first. */
  reply(): Promise<string>;
  /** MAIL, RCPT for each recipient, DATA, the content (dot-stuffed here) and the final dot; the last reply. */
  submit(mail: Mail): Promise<string>;
  quit(): Promise<void>;
  destroy(): void;
}

export interface Mail {
  readonly from?: string;
  readonly to: readonly string[];
  readonly content: string | Uint8Array;
  /** Parameters of MAIL FROM, such as "ENVID=abc". */
  readonly parameters?: string;
  /** Of each RCPT TO, such as "NOTIFY=NEVER". */
  readonly recipientParameters?: string;
}

export interface ConnectOptions {
  readonly hello?: "EHLO" | "LHLO";
  /** One of 127.0.0.0/8, all of which are this machine. */
  readonly from?: string;
  /** Sent before anything is heard, such as a PROXY header. */
  readonly preamble?: string | Uint8Array;
  /** In place of a connection of our own, such as one under TLS. */
  readonly socket?: Socket;
}

/** Rejects when the greeting is another than 220, or EHLO is not taken. */
export async function connectSmtp(port: number, options: ConnectOptions = {}): Promise<SmtpClient> {
  const client = await openSmtp(port, options);
  expectCode(await client.reply(), "220");
  expectCode(await client.command(`${options.hello ?? "EHLO"} client.example`), "250");
  return client;
}

/** Submits one mail on a connection of its own; the last reply. */
export async function submitMail(port: number, mail: Mail): Promise<string> {
  const client = await connectSmtp(port);
  const reply = await client.submit(mail);
  await client.quit();
  return reply;
}

/** A connection on which nothing has been said and heard. */
export async function openSmtp(port: number, options: ConnectOptions = {}): Promise<SmtpClient> {
  const { from, preamble } = options;
  const socket =
    options.socket ??
    connect({ port, host: "127.0.0.1", ...(from === undefined ? {} : { localAddress: from }) });
  const replies: string[] = [];
  const waiting: { resolve: (reply: string) => void; reject: (error: Error) => void }[] = [];
  let rest = "";
  let lines: string[] = [];
  let ended = false;
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => {
    rest += text;
    for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 2);
      lines.push(line);
      if (line[3] === "-") continue;
      const reply = lines.join("\n");
      lines = [];
      const next = waiting.shift();
      if (next === undefined) replies.push(reply);
      else next.resolve(reply);
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    ended = true;
    for (const { reject } of waiting.splice(0)) reject(new Error("connection closed"));
  });

  const reply = (): Promise<string> => {
    const next = replies.shift();
    if (next !== undefined) return Promise.resolve(next);
    if (ended) return Promise.reject(new Error("connection closed"));
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  };
  const command = (line: string): Promise<string> => {
    socket.write(`${line}\r\n`);
    return reply();
  };

  if (options.socket === undefined) await once(socket, "connect");
  if (preamble !== undefined) socket.write(preamble);
  return {
    socket,
    command,
    reply,
    write: (octets) => socket.write(octets),
    async submit({ from = "app@sender.example", to, content, parameters = "", recipientParameters = "" }) {
      expectCode(await command(`MAIL FROM:<${from}> ${parameters}`.trimEnd()), "250");
      for (const recipient of to) {
        expectCode(await command(`RCPT TO:<${recipient}> ${recipientParameters}`.trimEnd()), "250");
      }
      expectCode(await command("DATA"), "354");
      socket.write(stuffed(content));
      return await reply();
    },
    async quit() {
      await command("QUIT");
      socket.end();
    },
    destroy: () => socket.destroy(),
  };
}

/** Throws unless the reply has the code. */
export function expectCode(reply: string, code: string): void {
  if (!reply.startsWith(code)) throw new Error(`expected ${code}: ${reply}`);
}

/** RFC 5321 §4.5.2, with the final dot. */
function stuffed(content: string | Uint8Array): Buffer {
  const text = typeof content === "string" ? content : Buffer.from(content).toString("latin1");
  const dotted = text.replace(/(^|\r\n)\./g, "$1..");
  const end = dotted === "" || dotted.endsWith("\r\n") ? ".\r\n" : "\r\n.\r\n";
  return Buffer.from(dotted + end, typeof content === "string" ? "utf8" : "latin1");
}

/** A mail as a task's mailer writes it. */
export function taskMail(
  task: string,
  options: { subject?: string; body?: string; fields?: string } = {},
): string {
  const { subject = "News", body = "Hello.\r\n", fields = "" } = options;
  return [
    "From: App <app@sender.example>",
    "To: someone@example.net",
    `Subject: ${subject}`,
    "Date: Tue, 10 Dec 2013 10:13:06 +0000",
    `Message-ID: <${Math.random().toString(36).slice(2)}@mailer.example>`,
    `X-Task-Id: ${task}`,
    ...(fields === "" ? [] : [fields]),
    "",
    body,
  ].join("\r\n");
}
