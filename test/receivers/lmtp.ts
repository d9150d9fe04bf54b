// Gives a mail to a receiver over LMTP (RFC 2033), as the last server on its way does.
import { connectSmtp } from "../support/smtp-client.ts";

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
