// One task that arrives on many connections at the same instant, again and again.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { makeFolder } from "../support/process.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";
import { type Build, startTested } from "./gateway-process.ts";

export interface StormResult {
  /** For each round, how many connections were told that theirs is the copy that was queued. */
  readonly queued: readonly number[];
  /** What the upstream took in all, and how many Message-IDs more than once. */
  readonly taken: number;
  readonly repeated: number;
}

/** A gateway and an upstream for the storm, to its end. */
export async function runStorm(build: Build, connections: number, rounds: number): Promise<StormResult> {
  const folder = makeFolder();
  const upstream = await createScriptedSmtp();
  const gateway = await startTested({
    build,
    settings: {
      DATA_DIR: join(folder.path, "data"),
      UPSTREAM_KIND: "smtp",
      UPSTREAM_SMTP_HOST: "127.0.0.1",
      UPSTREAM_SMTP_PORT: upstream.port,
      UPSTREAM_SMTP_TLS: "none",
    },
  });
  try {
    const queued = await storm(gateway.port as number, connections, rounds);
    await gateway.order({ kind: "tell-when-dry" });
    return { queued, taken: upstream.taken.length, repeated: upstream.repeated().length };
  } finally {
    gateway.signal("SIGKILL");
    await gateway.exited;
    await upstream.close();
    folder.remove();
  }
}

async function storm(port: number, connections: number, rounds: number): Promise<number[]> {
  const clients = await Promise.all(Array.from({ length: connections }, () => connectSmtp(port)));
  const queued: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const task = randomUUID();
    await Promise.all(
      clients.map(async (client) => {
        await client.command("MAIL FROM:<app@sender.example>");
        await client.command("RCPT TO:<user@example.com>");
        await client.command("DATA");
      }),
    );
    // Each has heard 354: all that is left is to come in together.
    for (const client of clients) client.write(`${taskMail(task)}.\r\n`);
    const replies = await Promise.all(clients.map((client) => client.reply()));
    const strange = replies.find((reply) => !/^250 2\.0\.0 (queued as|repeat of) /.test(reply));
    if (strange !== undefined) throw new Error(`round ${round}: ${strange}`);
    queued.push(replies.filter((reply) => reply.includes("queued as")).length);
  }
  await Promise.all(clients.map((client) => client.quit()));
  return queued;
}
