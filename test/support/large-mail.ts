// Large mails over many connections at once, and what the gateway's process needs for them.
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { connectSmtp, taskMail } from "./smtp-client.ts";

/** Resident memory of a process, octets: now, and the most since it began (proc(5), VmRSS and VmHWM). */
export function residentMemory(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const octets = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  return { now: octets("VmRSS"), peak: octets("VmHWM") };
}

/** A body of about so many octets, in lines of base64, so that it needs no dot-stuffing. */
export function largeBody(octets: number): Buffer {
  const line = `${randomBytes(57).toString("base64")}\r\n`;
  return Buffer.from(line.repeat(Math.ceil(octets / line.length)));
}

/**
 * Submits one mail with this body on each of so many connections, all at once.
 *
 * @returns the last replies; rejects when a connection is lost
 */
export async function submitLarge(port: number, connections: number, body: Buffer): Promise<string[]> {
  return await Promise.all(
    Array.from({ length: connections }, async (_, number) => {
      const client = await connectSmtp(port);
      await client.command("MAIL FROM:<app@sender.example>");
      await client.command(`RCPT TO:<reader${number}@example.net>`);
      await client.command("DATA");
      client.write(taskMail(randomUUID(), { body: "" }));
      // One buffer for all connections: what is measured is the gateway, not this process.
      client.write(body);
      client.write(".\r\n");
      const reply = await client.reply();
      await client.quit();
      return reply;
    }),
  );
}
