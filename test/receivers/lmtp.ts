// Gives a mail to a receiver over LMTP (RFC 2033), as the last server on its way does.
import { connectSmtp } from "../support/smtp-client.ts";
import type { Receiver } from "./receiver.ts";

/** The reply for each recipient, in their order. Rejects when a command before the content is refused. */
export async function deliver(
  port: number,
  to: string | readonly string[],
  content: string | Uint8Array,
): Promise<string[]> {
  const recipients = typeof to === "string" ? [to] : to;
  const client = await connectSmtp(port, { hello: "LHLO" });
  try {
    const replies = [await client.submit({ to: recipients, content })];
    while (replies.length < recipients.length) replies.push(await client.reply());
    await client.quit();
    return replies;
  } finally {
    client.destroy();
  }
}

interface Server extends Pick<Required<Receiver>, "breakMailbox"> {
  readonly lmtpPort: number;
  mailbox(user: string): string[];
}

export function receiverOverLmtp(server: Server): Receiver {
  return {
    async deliver(user, content) {
      const [reply = ""] = await deliver(server.lmtpPort, `${user}@example.com`, content);
      if (reply.startsWith("250")) return "taken";
      if (reply.startsWith("4")) return "again";
      throw new Error(`refused: ${reply}`);
    },
    mails: server.mailbox,
    breakMailbox: server.breakMailbox,
  };
}
