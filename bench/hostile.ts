// What 5,000 connections that do nothing and 500 that send an octet a second cost the mailers beside them: the
// rate of a normal load alone, then under attack, in one run, and what becomes of the attackers.
//
//   npm run bench:hostile [-- SECONDS]
import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { residentMemory } from "../test/support/large-mail.ts";
import { type GatewayProcess, makeFolder, type Settings, startProcess } from "../test/support/process.ts";
import { connectSmtp, type SmtpClient, taskMail } from "../test/support/smtp-client.ts";

const IDLE = 5_000;
const SLOW = 500;
const STEP = 100;
const MAILERS = 20;
const BODY = `${"x".repeat(62)}\r\n`.repeat(64);

/** Short, so that a run sees each of them end what it is for. */
const TIMEOUTS = {
  SMTP_TIMEOUTS_GREETING: "10s",
  SMTP_TIMEOUTS_COMMAND: "10s",
  SMTP_TIMEOUTS_DATA_IDLE: "5s",
  SMTP_TIMEOUTS_DATA: "10s",
};

/** Slow senders have to be trusted to get as far as DATA; idle ones are strangers. */
const NETWORKS = { ACCESS_TRUSTED_NETWORKS: "127.0.0.1,127.0.2.0/24" };

interface Attack {
  readonly port: number;
  readonly addresses: number;
}

/** Connections that ended, by the reply they heard last. */
type Ended = Record<string, number>;

const seconds = Number(process.argv[2] ?? 15);

const connectMailers = (port: number): Promise<SmtpClient[]> =>
  Promise.all(Array.from({ length: MAILERS }, () => connectSmtp(port)));

/** Mails accepted a second, each with a task of its own. */
async function normalLoad(clients: readonly SmtpClient[], ms: number): Promise<number> {
  const until = performance.now() + ms;
  let accepted = 0;
  const began = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < until) {
        const reply = await client.submit({
          to: ["someone@example.net"],
          content: taskMail(randomUUID(), { body: BODY }),
        });
        if (!reply.startsWith("250 ")) throw new Error(`a mailer heard ${reply}`);
        accepted++;
      }
    }),
  );
  return (accepted / (performance.now() - began)) * 1_000;
}

/** The attackers' process: connects all, says so, and at its end how each connection ended. */
async function attack({ port, addresses }: Attack): Promise<void> {
  const ended: Ended = {};
  const open = (address: string, onReply: (socket: Socket, reply: string) => void): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress: address });
      let last = "nothing";
      socket.setEncoding("latin1").on("data", (reply: string) => {
        last = reply.slice(0, 9).trim();
        onReply(socket, reply);
        resolve();
      });
      socket.on("error", () => {});
      socket.on("close", () => {
        ended[last] = (ended[last] ?? 0) + 1;
        resolve();
      });
    });
  const slowly = (socket: Socket): void => {
    const timer = setInterval(() => socket.write("x"), 1_000);
    socket.on("close", () => clearInterval(timer));
  };
  const commands = ["EHLO slow", "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "DATA"];
  const slow = Array.from({ length: SLOW }, (_, index) => {
    let said = 0;
    return open(`127.0.2.${1 + (index % addresses)}`, (socket, reply) => {
      if (reply.startsWith("354")) slowly(socket);
      else if (commands[said] !== undefined) socket.write(`${commands[said++]}\r\n`);
    });
  });
  await Promise.all(slow);
  // In steps that the kernel's queue of new connections (511) has room for.
  for (let index = 0; index < IDLE; index += STEP) {
    const step = Array.from({ length: STEP }, (_, at) => 1 + ((index + at) % addresses));
    await Promise.all(step.map((host) => open(`127.0.1.${host}`, () => {})));
  }
  process.send?.("connected");
  process.on("message", () => {
    process.send?.(ended);
    process.disconnect();
    process.exit(0);
  });
}

async function startAttack(to: Attack): Promise<ChildProcess> {
  const child = fork(fileURLToPath(import.meta.url), ["attack", JSON.stringify(to)]);
  await once(child, "message");
  return child;
}

async function endAttack(child: ChildProcess): Promise<Ended> {
  child.send("end");
  const [ended] = (await once(child, "message")) as [Ended];
  await once(child, "exit");
  return ended;
}

async function measure(name: string, settings: Settings): Promise<void> {
  const folder = makeFolder();
  let gateway: GatewayProcess | undefined;
  try {
    gateway = await startProcess({
      DATA_DIR: join(folder.path, "data"),
      LOG_LEVEL: "info",
      ...{ ...TIMEOUTS, ...NETWORKS, ...settings },
    });
    // A first round warms up, and is not counted.
    const kept = await connectMailers(gateway.port);
    await normalLoad(kept, 3_000);
    const alone = await normalLoad(kept, seconds * 1_000);
    const attackers = await startAttack({ port: gateway.port, addresses: 250 });
    // Half of the mailers come while the gateway is under attack.
    for (const client of kept.splice(0, MAILERS / 2)) await client.quit();
    const late = (await connectMailers(gateway.port)).slice(0, MAILERS / 2);
    const besides = await normalLoad([...kept, ...late], seconds * 1_000);
    const ended = await endAttack(attackers);
    const { peak } = residentMemory(gateway.pid);
    const endings = Object.entries(ended)
      .map(([reply, count]) => `${count} by ${reply}`)
      .join(", ");
    console.log(
      `| ${name} | ${alone.toFixed(0)}/s | ${besides.toFixed(0)}/s | ${((besides / alone) * 100).toFixed(0)} % | ` +
        `${endings || "none"} | ${(peak / 2 ** 20).toFixed(0)} MiB |`,
    );
  } finally {
    await gateway?.stop();
    folder.remove();
  }
}

if (process.argv[2] === "attack") await attack(JSON.parse(process.argv[3] as string) as Attack);
else {
  console.log(
    `${MAILERS} mailers beside ${IDLE} idle connections and ${SLOW} slow senders, ${seconds} s each, Node ${process.version}\n`,
  );
  console.log("| limits | alone | attacked | kept | attackers ended | memory at most |");
  console.log("| --- | --- | --- | --- | --- | --- |");
  await measure("1,000 connections, the default", {});
  await measure("room for all of them", {
    SMTP_CONNECTIONS_MAX: IDLE + SLOW + 2 * MAILERS,
    SMTP_CONNECTIONS_PER_ADDRESS_MAX: IDLE,
  });
}
