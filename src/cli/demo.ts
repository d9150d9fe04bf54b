// `mailonce demo`: one task mails three people, and its queue delivers it twice. The Maildir of the gateway then has three mails,
// and nothing leaves the machine.
import { randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isLoopback, listenersOf } from "../config/listeners.ts";
import { maildirPathOf, viewsOf } from "../config/routes.ts";
import type { Config, ListenerConfig } from "../config/schema.ts";
import { systemClock } from "../runtime/clock.ts";
import { createConnection, type SmtpConnection } from "../upstream/smtp/connection.ts";
import { smtpTimeouts } from "../upstream/smtp/timeouts.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { operate } from "./operate.ts";
import { print } from "./print.ts";

const FROM = "news@sender.example";
const PEOPLE = ["ada@example.com", "grace@example.com", "edsger@example.com"];

/** A gateway on its defaults relays them in milliseconds. */
const RELAYED_MS = 10_000;
const EVERY_MS = 50;

export const demo = ({ config: file }: { readonly config?: string }): Promise<number> =>
  operate(file, async (config) => {
    const [listener] = listenersOf(config) as [ListenerConfig];
    if (viewsOf(config).some(({ config: { upstream } }) => upstream.kind !== "maildir")) {
      const fault =
        "the demo mails strangers: it is for a gateway whose upstream is a Maildir, as it is without settings";
      return reportFaults([fault], exitCodes.badConfiguration);
    }
    const { protocol, port, tls } = listener;
    const host = isLoopback(listener.host) ? listener.host : "127.0.0.1";
    if (protocol !== "smtp" || tls === "implicit" || tls === "required") {
      const fault = "the demo submits by SMTP and without TLS, which the first listener does not take";
      return reportFaults([fault], exitCodes.badConfiguration);
    }
    const task = randomUUID();
    const runTask = async (): Promise<void> => {
      for (const to of PEOPLE) await print(`  ${to.padEnd(20)} ${await submit(host, port, task, to)}\n`);
    };
    try {
      await print(`The queue delivers task ${task}:\n`);
      await runTask();
      await print("The queue delivers the same task again, as queues do:\n");
      await runTask();
    } catch (error) {
      return reportFaults(
        [`no mail was taken at ${host}:${port}: ${(error as Error).message}`],
        exitCodes.failed,
      );
    }
    return await showOutbox(config, task);
  });

/** One mail on a connection of its own. @returns the reply to its content */
async function submit(host: string, port: number, task: string, to: string): Promise<string> {
  const options = {
    host,
    port,
    tls: "none",
    hostname: "localhost",
    timeouts: smtpTimeouts,
    clock: systemClock,
  } as const;
  const connection = createConnection(options);
  const content = [
    ...[`From: Newsletter <${FROM}>`, `To: ${to}`, "Subject: What is new", `X-Task-Id: ${task}`],
    ...["", `Hello ${to}, this is our newsletter. Task ${task} has sent it.`, ".", ""],
  ].join("\r\n");
  try {
    return await transact(connection, { from: FROM, to }, content);
  } finally {
    connection.quit();
  }
}

const transact = (
  connection: SmtpConnection,
  envelope: { readonly from: string; readonly to: string },
  content: string,
): Promise<string> =>
  new Promise((resolve, reject) => {
    connection.once("error", reject);
    connection.connect(() => {
      const write = async (socket: NodeJS.WritableStream): Promise<void> => void socket.write(content);
      connection.transact({ ...envelope, to: [envelope.to] }, write, (fault, info) =>
        fault === null ? resolve(info?.response ?? "") : reject(fault),
      );
    });
  });

/** Waits until the task's mails are there, and names each with its id. */
async function showOutbox(config: Config, task: string): Promise<number> {
  const folders = viewsOf(config).map((view) => join(maildirPathOf(view.config), "new"));
  const expected = PEOPLE.length * (config.identity.mode === "observe" ? 2 : 1);
  const until = Date.now() + RELAYED_MS;
  for (;;) {
    const found = (await Promise.all(folders.map(contentsOf)))
      .flat()
      .filter((content) => content.includes(task));
    if (found.length >= expected) {
      await print(`Relayed, as found in ${folders.join(", ")}:\n`);
      for (const content of found)
        await print(`  ${field(content, "To").padEnd(20)} ${field(content, "Message-ID")}\n`);
      return exitCodes.ok;
    }
    if (Date.now() > until) {
      const fault = `after ${RELAYED_MS / 1_000} s ${found.length} of ${expected} mails are in ${folders.join(", ")}`;
      return reportFaults([fault], exitCodes.failed);
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

async function contentsOf(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return await Promise.all(names.map((name) => readFile(join(folder, name), "latin1").catch(() => "")));
}

const field = (content: string, name: string): string =>
  new RegExp(`^${name}: (.*?)\\r?$`, "im").exec(content)?.[1] ?? "";
