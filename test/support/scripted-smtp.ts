// An SMTP server that goes wrong on request, down to the octet. Written on bare sockets, since a
// library would insist on being right.
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import { createMessageCounter, type MessageCounts } from "./message-counts.ts";
import { createContentReceiver } from "./smtp-content.ts";
import { planOf, type SmtpFault, type SmtpStage } from "./smtp-faults.ts";

/**
 * A fault for all, or chosen by number. The numbers count mail transactions from 0; a connection takes
 * its number when it opens, so that a fault before MAIL uses one up as well. On a connection that is
 * used again a fault of the greeting or of EHLO strikes at MAIL.
 */
export type SmtpScript = SmtpFault | ((number: number) => SmtpFault);

export interface ScriptedSmtpOptions {
  /** Any free port unless given. */
  readonly port?: number;
  readonly script?: SmtpScript;
  /** What EHLO announces besides STARTTLS and AUTH; PIPELINING, 8BITMIME and SMTPUTF8 unless given. */
  readonly extensions?: readonly string[];
  readonly tls?: { readonly key: string; readonly cert: string; readonly mode: "starttls" | "implicit" };
  /** AUTH PLAIN with these is demanded before MAIL, and over TLS only when there is TLS. */
  readonly auth?: { readonly username: string; readonly password: string };
  /** The refusal of a recipient, who is named in RCPT the how-manieth time; undefined to take it. */
  readonly refuse?: (recipient: string, time: number) => string | undefined;
  readonly keepContents?: boolean;
  /** For "slow-reply". */
  readonly slowMs?: number;
  /** A wait after each chunk that is read (64 KiB at most), as of a server behind a thin line. */
  readonly chunkMs?: number;
}

export interface ScriptedSmtp extends MessageCounts {
  readonly port: number;
  /** Connections opened so far. */
  connections(): number;
  /** Connections open now. */
  open(): number;
  /** Commands received so far, in order, over all connections; credentials are cut off. */
  readonly commands: readonly string[];
  /** Changes what happens to later transactions. */
  play(script: SmtpScript): void;
  /** Resolves when the server next reaches the point of a fault. */
  struck(): Promise<void>;
  /** Sends the replies that "held-reply" kept back. */
  release(): void;
  /** Drops every connection that is open, as a server does that is restarted. */
  dropAll(): void;
  close(): Promise<void>;
}

export async function createScriptedSmtp(options: ScriptedSmtpOptions = {}): Promise<ScriptedSmtp> {
  const { extensions = ["PIPELINING", "8BITMIME", "SMTPUTF8"], tls, auth, slowMs = 50, chunkMs } = options;
  const counter = createMessageCounter(options.keepContents === true);
  const secureContext = tls && createSecureContext({ key: tls.key, cert: tls.cert });
  const sockets = new Set<Socket>();
  const commands: string[] = [];
  let script: SmtpScript = options.script ?? "accept";
  let connections = 0;
  let drawn = 0;
  const held: (() => void)[] = [];
  const onStruck: (() => void)[] = [];

  const named = new Map<string, number>();
  const refused = (recipient: string): string | undefined => {
    const time = (named.get(recipient) ?? 0) + 1;
    named.set(recipient, time);
    return options.refuse?.(recipient, time);
  };

  const draw = (): SmtpFault => {
    const number = drawn++;
    return typeof script === "function" ? script(number) : script;
  };

  function serve(plain: Socket): void {
    let socket = plain;
    let input: Buffer = Buffer.alloc(0);
    let paused = false;
    let fault = draw();
    let fresh = true;
    /** The next MAIL is another transaction and draws its own fault. */
    let transacted = false;
    let authenticated = auth === undefined;
    let reversePath: string | undefined;
    let recipients: string[] = [];
    let receiver: ReturnType<typeof createContentReceiver> | undefined;

    const say = (text: string) => socket.write(text);

    /** Plays the fault when its point is reached; otherwise says what is proper. */
    function reach(stage: SmtpStage, proper: string, take?: () => void): boolean {
      const plan = planOf(fault);
      const early = plan?.at === "greeting" || plan?.at === "ehlo";
      if (plan === undefined || !(plan.at === stage || (early && stage === "mail" && !fresh))) {
        take?.();
        say(proper);
        return true;
      }
      if (plan.takes) take?.();
      const said = plan.say ?? "";
      if (plan.next === "drop") {
        paused = true;
        if (said === "") socket.destroy();
        else socket.end(said);
      } else if (plan.next === "hang") {
        paused = true;
        socket.pause();
      } else if (plan.next === "go-on") {
        say(said);
      } else {
        paused = true;
        const resume = () => {
          paused = false;
          say(said);
          pump();
        };
        if (plan.next === "release") held.push(resume);
        else setTimeout(resume, slowMs);
      }
      for (const resolve of onStruck.splice(0)) resolve();
      return false;
    }

    function pump(): void {
      while (!paused && input.length > 0) {
        if (receiver === undefined) {
          const end = input.indexOf("\r\n");
          if (end < 0) return;
          const line = input.toString("utf8", 0, end);
          input = input.subarray(end + 2);
          commands.push(line.replace(/^(AUTH \S+).*/i, "$1"));
          command(line);
          continue;
        }
        if (planOf(fault)?.at === "content") {
          reach("content", "");
          fault = "accept";
          continue;
        }
        const received = receiver.push(input);
        input = received?.rest ?? Buffer.alloc(0);
        if (received === undefined) return;
        const [from, to] = [reversePath ?? "", recipients];
        endTransaction();
        reach("dot", `250 2.0.0 queued as ${counter.taken.length + 1}\r\n`, () =>
          counter.take(received.content, from, to),
        );
        transacted = true;
      }
    }

    function endTransaction(): void {
      receiver = undefined;
      reversePath = undefined;
      recipients = [];
    }

    function command(line: string): void {
      const verb = line.slice(0, 4).toUpperCase();
      const path = /<([^>]*)>/.exec(line)?.[1] ?? "";
      if (verb === "EHLO" || verb === "HELO") {
        endTransaction();
        reach("ehlo", `${["scripted", ...announced()].map(replyLine).join("")}`);
      } else if (verb === "STAR" && tls?.mode === "starttls" && socket === plain) {
        say("220 2.0.0 go on\r\n");
        secure();
      } else if (verb === "AUTH") {
        authenticate(line);
      } else if (verb === "MAIL") {
        mail(path);
      } else if (verb === "RCPT") {
        const refusal = refused(path);
        if (reversePath === undefined) say("503 5.5.1 MAIL first\r\n");
        else if (refusal !== undefined) say(`${refusal}\r\n`);
        else if (reach("rcpt", "250 2.1.5 ok\r\n")) recipients.push(path);
      } else if (verb === "DATA") {
        if (recipients.length === 0) say("503 5.5.1 RCPT first\r\n");
        else if (reach("data", "354 go on\r\n")) receiver = createContentReceiver();
      } else if (verb === "RSET") {
        endTransaction();
        say("250 2.0.0 ok\r\n");
      } else if (verb === "QUIT") {
        socket.end("221 2.0.0 bye\r\n");
      } else {
        say("502 5.5.2 what?\r\n");
      }
    }

    function announced(): string[] {
      const offered = [...extensions];
      if (tls?.mode === "starttls" && socket === plain) offered.push("STARTTLS");
      if (auth !== undefined && (tls === undefined || socket instanceof TLSSocket))
        offered.push("AUTH PLAIN");
      return offered;
    }

    function mail(path: string): void {
      if (!authenticated) {
        say("530 5.7.0 authenticate first\r\n");
        return;
      }
      if (transacted) {
        fault = draw();
        fresh = false;
      }
      transacted = true;
      if (reach("mail", "250 2.1.0 ok\r\n")) reversePath = path;
    }

    function authenticate(line: string): void {
      const given = Buffer.from(line.split(" ")[2] ?? "", "base64").toString();
      authenticated = auth !== undefined && given === `\0${auth.username}\0${auth.password}`;
      say(authenticated ? "235 2.7.0 welcome\r\n" : "535 5.7.8 wrong\r\n");
    }

    function listen(on: Socket): void {
      socket = on;
      on.on("error", () => {});
      on.on("data", (chunk: Buffer) => {
        input = input.length === 0 ? chunk : Buffer.concat([input, chunk]);
        if (chunkMs !== undefined && receiver !== undefined) {
          on.pause();
          setTimeout(() => on.resume(), chunkMs);
        }
        pump();
      });
    }

    function secure(): void {
      plain.removeAllListeners("data");
      listen(new TLSSocket(plain, { isServer: true, ...(secureContext && { secureContext }) }));
    }

    if (tls?.mode === "implicit") secure();
    else listen(plain);
    reach("greeting", "220 scripted ESMTP\r\n");
  }

  const server = createServer({ noDelay: true }, (socket) => {
    connections++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    serve(socket);
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");

  return {
    ...counter,
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    open: () => sockets.size,
    commands,
    play(next) {
      script = next;
    },
    struck: () => new Promise((resolve) => onStruck.push(resolve)),
    release() {
      for (const resume of held.splice(0)) resume();
    },
    dropAll() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      if (!server.listening) return;
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function replyLine(text: string, index: number, lines: readonly string[]): string {
  return `250${index === lines.length - 1 ? " " : "-"}${text}\r\n`;
}
