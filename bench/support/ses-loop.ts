// A program of its own: a loop that calls SES as fast as it is answered, without a gateway before it. It is told
// how many mails by a message, and answers when the last is taken.
//
//   node ses-loop.js bare|upstream ENDPOINT OCTETS THREADS
import { resolve } from "node:path";
import { SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { transmissionOf } from "../../test/support/transmission.ts";

const CONCURRENCY = 20;

const [, , kind, endpoint = "", octets, threads] = process.argv;
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

async function upstreamLoop(): Promise<() => Promise<unknown>> {
  const upstream = await builtUpstream();
  const { signal } = new AbortController();
  const transmission = { ...transmissionOf({ octets: content }), octets: content };
  return async () => {
    const outcome = await upstream.transmit(transmission, signal);
    if (outcome.kind !== "accepted") throw new Error(JSON.stringify(outcome));
  };
}

/** What runs in the gateway: threads can only load what is built. */
async function builtUpstream(): Promise<Upstream> {
  type Ses = typeof import("../../src/upstream/ses/ses.ts");
  type SesWorkers = typeof import("../../src/upstream/ses-workers.ts");
  const { createSesUpstream } = (await import(resolve("dist/upstream/ses/ses.js"))) as Ses;
  const { createSesWorkers } = (await import(resolve("dist/upstream/ses-workers.js"))) as SesWorkers;
  if (threads === "0") return createSesUpstream({ endpoint });
  return createSesUpstream({ endpoint, attempts: createSesWorkers({ endpoint, threads: Number(threads) }) });
}

const send = kind === "bare" ? bareLoop() : await upstreamLoop();

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
