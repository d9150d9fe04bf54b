// A process of clients as Django, Rails and PHP have them: a connection for each mail, with STARTTLS, AUTH PLAIN and QUIT, and a
// reply awaited after each command. It gets its errand as JSON in its first argument, and prints a report as JSON.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { taskMail } from "../../test/support/smtp-client.ts";
import { median, percentile } from "./statistics.ts";

/** How far a connection goes before QUIT. */
export type Depth = "handshake" | "auth" | "mail";

export interface Errand {
  readonly port: number;
  readonly connections: number;
  /** Connections one after the other, over all that are open at once. */
  readonly messages: number;
  readonly depth: Depth;
  /** Offers the newest session that it was given. */
  readonly resumes: boolean;
  readonly username: string;
  readonly password: string;
  /** Of a mail's body. */
  readonly octets: number;
}

export interface Report {
  /** A second. */
  readonly rate: number;
  /** Processor time of this process, of the time that it took. */
  readonly busy: number;
  /** Connections whose session was resumed, of all. */
  readonly resumed: number;
  /** In the order of the dialogue. */
  readonly steps: readonly Step[];
}

/** Milliseconds. */
export interface Step {
  readonly name: string;
  readonly middle: number;
  readonly p99: number;
}

const LINE = `${"x".repeat(62)}\r\n`;

const errand = JSON.parse(process.argv[2] ?? "") as Errand;
const content = taskMail(randomUUID(), { body: LINE.repeat(Math.ceil(errand.octets / LINE.length)) });
const identity = Buffer.from(`\0${errand.username}\0${errand.password}`).toString("base64");
const times = new Map<string, number[]>();
let session: Buffer | undefined;
let begun = 0;
let resumed = 0;

/** The next reply; rejects unless it has this code. */
function replyOf(socket: Socket, code: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let heard = "";
    const close = (): void => finish(new Error(`the server went away; it had said ${JSON.stringify(heard)}`));
    const finish = (error?: Error): void => {
      socket.off("data", hear).off("close", close).off("error", finish);
      if (error === undefined) resolve();
      else reject(error);
    };
    const hear = (chunk: Buffer): void => {
      heard += chunk.toString("latin1");
      const [, said] = /^(\d{3})(?: .*)?\r\n$/m.exec(heard) ?? [];
      if (said === undefined) return;
      finish(Number(said) === code ? undefined : new Error(heard));
    };
    socket.on("data", hear).once("close", close).once("error", finish);
  });
}

async function mailOnce(recipient: string): Promise<void> {
  let before = performance.now();
  const noted = (step: string): void => {
    const now = performance.now();
    const each = times.get(step);
    if (each === undefined) times.set(step, [now - before]);
    else each.push(now - before);
    before = now;
  };
  const say = async (socket: Socket, step: string, text: string, code: number): Promise<void> => {
    const reply = replyOf(socket, code);
    socket.write(`${text}\r\n`);
    await reply;
    noted(step);
  };
  const plain = connect({ port: errand.port, host: "127.0.0.1", noDelay: true });
  await replyOf(plain, 220);
  noted("connection and 220");
  await say(plain, "EHLO", "EHLO mailer.example", 250);
  await say(plain, "STARTTLS", "STARTTLS", 220);
  const socket: TLSSocket = connectTls({
    ...{ socket: plain, servername: "localhost", minVersion: "TLSv1.3", rejectUnauthorized: false },
    ...(errand.resumes && session !== undefined ? { session } : {}),
  });
  socket.on("session", (one: Buffer) => {
    session = one;
  });
  await once(socket, "secureConnect");
  noted("handshake");
  if (socket.isSessionReused()) resumed++;
  if (errand.depth !== "handshake") {
    await say(socket, "EHLO again", "EHLO mailer.example", 250);
    await say(socket, "AUTH PLAIN", `AUTH PLAIN ${identity}`, 235);
  }
  if (errand.depth === "mail") {
    await say(socket, "MAIL", "MAIL FROM:<app@sender.example>", 250);
    await say(socket, "RCPT", `RCPT TO:<${recipient}>`, 250);
    await say(socket, "DATA", "DATA", 354);
    await say(socket, "content, until 250", `${content}.`, 250);
  }
  await say(socket, "QUIT", "QUIT", 221);
  socket.destroy();
}

async function work(): Promise<void> {
  while (begun < errand.messages) await mailOnce(`${++begun}a@example.net`);
}

const began = performance.now();
const used = process.cpuUsage();
await Promise.all(Array.from({ length: errand.connections }, work));
const took = performance.now() - began;
const { user, system } = process.cpuUsage(used);
const report: Report = {
  rate: (errand.messages / took) * 1_000,
  busy: (user + system) / 1_000 / took,
  resumed: resumed / errand.messages,
  steps: [...times].map(([name, each]) => ({
    name,
    middle: median(each),
    p99: percentile(Float64Array.from(each).sort(), 99),
  })),
};
console.log(JSON.stringify(report));
