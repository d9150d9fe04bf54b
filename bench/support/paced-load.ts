// Mails at a fixed rate, whatever becomes of them, and how long each takes from the final dot to its 250. A mail that
// has to wait for a connection waits from when it was due: a server that stalls is not asked less often, so that its
// stalls are counted whole (no coordinated omission).
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { taskMail } from "../../test/support/smtp-client.ts";
import { dueTimes } from "./statistics.ts";

export interface PacedLoad {
  readonly port: number;
  readonly connections: number;
  /** Mails a second. */
  readonly rate: number;
  readonly messages: number;
  /** Of the body. */
  readonly octets: number;
}

export interface Latencies {
  /** Milliseconds from when each mail was due until its 250, ascending. */
  readonly replies: Float64Array;
  /** Milliseconds from when each mail was due until it was sent, ascending: what the client adds. */
  readonly lateness: Float64Array;
}

/**
 * Each connection is brought to DATA ahead of time, so that sending a mail which is due is nothing but its content
 * and the final dot.
 */
const COMMANDS = [
  "EHLO client.example",
  "MAIL FROM:<app@sender.example>",
  "RCPT TO:<someone@example.net>",
  "DATA",
];
/** What the next mail on a connection begins with. */
const NEXT = 1;
/** From when all connections are ready. */
const FIRST_DUE_MS = 100;
/** The last line of a reply, which may have come in pieces. */
const COMPLETE = /^(\d)\d\d .*\r\n$/m;

interface Connection {
  send(mail: number, due: number): void;
  close(): void;
}

/** Each mail has a task of its own. Rejects when a mail is refused or a connection is lost. */
export function submitPaced({ port, connections, rate, messages, octets }: PacedLoad): Promise<Latencies> {
  const firstTask = randomUUID();
  const taskOf = (mail: number): string => firstTask.slice(0, 24) + mail.toString(16).padStart(12, "0");
  const body = `${"x".repeat(62)}\r\n`.repeat(Math.ceil(octets / 64));
  const content = Buffer.from(`${taskMail(firstTask, { body })}.\r\n`);
  const taskAt = content.indexOf(firstTask);

  const times = dueTimes(rate, messages);
  const replies = new Float64Array(messages);
  const lateness = new Float64Array(messages);
  const all: Connection[] = [];
  const ready: Connection[] = [];
  let began: number | undefined;
  let sent = 0;
  let answered = 0;
  let waking = false;

  return new Promise((resolve, reject) => {
    const end = (): void => {
      for (const connection of all) connection.close();
    };
    const fail = (error: Error): void => {
      reject(error);
      end();
    };

    /** Called whenever a connection is ready, and when the next mail is due. */
    const sendDue = (): void => {
      if (ready.length === connections) began ??= performance.now() + FIRST_DUE_MS;
      if (began === undefined) return;
      for (; sent < messages && ready.length > 0; sent++) {
        const due = began + (times[sent] as number);
        const early = due - performance.now();
        if (early > 0) {
          wakeIn(early);
          break;
        }
        ready.shift()?.send(sent, due);
      }
    };
    const wakeIn = (ms: number): void => {
      if (waking) return;
      waking = true;
      setTimeout(() => {
        waking = false;
        sendDue();
      }, ms);
    };

    const open = (): Connection => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true }).setEncoding("latin1");
      const octets = Buffer.from(content);
      let said = 0;
      let rest = "";
      let dueAt = Number.NaN;
      const connection: Connection = {
        send(mail, due) {
          dueAt = due;
          octets.write(taskOf(mail), taskAt, "latin1");
          lateness[mail] = performance.now() - due;
          socket.write(octets);
        },
        close: () => socket.destroy(),
      };
      socket.on("data", (text: string) => {
        rest += text;
        const [, kind] = COMPLETE.exec(rest) ?? [];
        if (kind === undefined) return;
        if (kind !== "2" && kind !== "3") return fail(new Error(`the client heard ${rest}`));
        rest = "";
        if (kind === "3") {
          ready.push(connection);
          return sendDue();
        }
        if (said === COMMANDS.length) {
          replies[answered++] = performance.now() - dueAt;
          if (answered === messages) {
            resolve({ replies: replies.sort(), lateness: lateness.sort() });
            return end();
          }
          said = NEXT;
        }
        socket.write(`${COMMANDS[said++]}\r\n`);
      });
      socket.on("error", fail);
      socket.on("close", () => fail(new Error("a connection was lost")));
      return connection;
    };
    for (let opened = 0; opened < connections; opened++) all.push(open());
  });
}
