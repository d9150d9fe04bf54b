// smtp-source of Postfix: a client in C, which takes little of the processor that the relays need.
import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Load {
  readonly connections: number;
  /** One connection for many mails, or a new one for each. */
  readonly keep: boolean;
  /** Of a mail's content, or a file that holds it. */
  readonly content: { readonly octets: number } | { readonly file: string };
  /** Each mail to another recipient, counted from 1: 1a@example.net. */
  readonly numbered?: boolean;
}

/** Submits so many mails as fast as they are accepted; rejects when one is refused. */
export async function submit(port: number, messages: number, load: Load): Promise<void> {
  const { connections, keep, content, numbered = false } = load;
  const args = [
    ...["-s", String(Math.min(connections, messages)), "-m", String(messages)],
    ...["-t", "a@example.net", "-f", "b@sender.example"],
    ...("file" in content ? ["-F", content.file] : ["-l", String(content.octets)]),
    ...(keep ? ["-d"] : []),
    ...(numbered ? ["-N"] : []),
    `127.0.0.1:${port}`,
  ];
  const source = spawn("smtp-source", args, { stdio: ["ignore", "inherit", "inherit"] });
  const [code] = await once(source, "exit");
  if (code !== 0) throw new Error(`smtp-source ${args.join(" ")} ended with ${code}`);
}
