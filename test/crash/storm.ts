// One task that arrives on many connections at the same instant, again and again.
import { randomUUID } from "node:crypto";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

/** @returns for each round how many of the connections were told that their copy is the one that was queued */
export async function storm(port: number, connections: number, rounds: number): Promise<number[]> {
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
