// smtp-source of Postfix: a client in C, which takes little of the processor that the relays need. One task's mail goes
// to many recipients, 1a@example.net, 2a@example.net and so on.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { taskMail } from "../../test/support/smtp-client.ts";

export interface Load {
  readonly connections: number;
  /** One connection for many mails, or a new one for each. */
  readonly keep: boolean;
  /** Of a mail's body. */
  readonly octets: number;
  /** A task whose mails were submitted before are repeats; a new one each time unless given. */
  readonly task?: string;
}

const LINE = "x".repeat(62);

/** Submits so many mails as fast as they are accepted; rejects when one is refused. */
export async function submit(port: number, messages: number, load: Load): Promise<void> {
  const { connections, keep, octets, task = randomUUID() } = load;
  const file = join(tmpdir(), `mailonce-mail-${randomUUID()}`);
  const body = `${LINE}\r\n`.repeat(Math.ceil(octets / (LINE.length + 2)));
  // smtp-source makes the line ends itself.
  writeFileSync(file, taskMail(task, { body }).replaceAll("\r", ""));
  const args = [
    ...["-s", String(Math.min(connections, messages)), "-m", String(messages), "-N"],
    ...["-t", "a@example.net", "-f", "app@sender.example", "-F", file],
    ...(keep ? ["-d"] : []),
    `127.0.0.1:${port}`,
  ];
  try {
    const source = spawn("smtp-source", args, { stdio: ["ignore", "inherit", "inherit"] });
    const [code] = await once(source, "exit");
    if (code !== 0) throw new Error(`smtp-source ${args.join(" ")} ended with ${code}`);
  } finally {
    rmSync(file);
  }
}
