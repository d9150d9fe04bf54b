// A program of its own: a loop that calls SES as fast as it is answered, without a gateway before it. It is told
// how many mails by a message, and answers when the last is taken.
//
//   node ses-loop.js bare|upstream ENDPOINT OCTETS
import { SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import { createSesUpstream } from "../../src/upstream/ses/ses.ts";
import { transmissionOf } from "../../test/support/transmission.ts";

const CONCURRENCY = 20;

const [, , kind, endpoint = "", octets] = process.argv;
const content = Buffer.concat([
  Buffer.from("From: <sender@example.org>\r\nTo: <reader@example.net>\r\nSubject: A mail\r\n\r\n"),
  Buffer.from(`${"x".repeat(70)}\r\n`.repeat(Math.ceil(Number(octets) / 72))),
]).subarray(0, Number(octets));

/** As people write it, but for the SDK's own retries, which no one who means to send once can leave on. */
function bareLoop(): () => Promise<unknown> {
  const client = new SESv2Client({ endpoint, maxAttempts: 1 });
  return () =>
    client.send(
      new SendEmailCommand({
        Destination: { ToAddresses: ["reader@example.net"] },
        FeedbackForwardingEmailAddress: "sender@example.org",
        Content: { Raw: { Data: content } },
      }),
    );
}

function upstreamLoop(): () => Promise<unknown> {
  const upstream = createSesUpstream({ endpoint });
  const { signal } = new AbortController();
  const transmission = { ...transmissionOf({ octets: content }), octets: content };
  return async () => {
    const outcome = await upstream.transmit(transmission, signal);
    if (outcome.kind !== "accepted") throw new Error(JSON.stringify(outcome));
  };
}

const send = kind === "bare" ? bareLoop() : upstreamLoop();

process.on("message", async (messages: number) => {
  let left = messages;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (left-- > 0) await send();
    }),
  );
  process.send?.(performance.now() - began);
});
process.on("disconnect", () => process.exit());
process.send?.("ready");
