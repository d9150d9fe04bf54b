// A queue of SQS with more old events than can be read soon: what it hands out, ten at a time and as fast as it is asked,
// came long ago, and there is always more, until the test says how much is left. It hides what it has handed out, and
// knows what was removed.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { idOf } from "./transmission.ts";

export interface FloodedQueue {
  readonly queueUrl: string;
  handedOut(): number;
  removed(): number;
  /** Resolves when so many were removed. */
  untilRemoved(count: number): Promise<void>;
  /** So many more are handed out, and no others. */
  left(count: number): void;
  close(): Promise<void>;
}

const MESSAGES = 10;

/** An event of a mail that was delivered, as long as SES's are. */
function eventOf(number: number, at: Date): string {
  const timestamp = at.toISOString();
  const messageId = `0102${String(number).padStart(12, "0")}-00000000-0000-0000-0000-000000000000-000000`;
  const headers = ["From", "To", "Subject", "MIME-Version", "Content-Type", "X-Original-Message-ID"].map(
    (name) => ({ name, value: `${name} of mail ${number}, as long as such a field is as a rule` }),
  );
  const tags = {
    ...{ "ses:operation": ["SendEmail"], "ses:configuration-set": ["mailonce"] },
    ...{
      "ses:source-ip": ["192.0.2.1"],
      "ses:from-domain": ["example.org"],
      "ses:caller-identity": ["mail"],
    },
    "mailonce-id": [idOf(number)],
  };
  const mail = {
    ...{ timestamp, messageId, source: "sender@example.org", sendingAccountId: "111122223333" },
    ...{ destination: [`user${number}@example.net`], headersTruncated: false, headers },
    ...{ commonHeaders: { messageId, subject: `Mail ${number}` }, tags },
  };
  const delivery = { timestamp, processingTimeMillis: 812, recipients: mail.destination };
  return JSON.stringify({ eventType: "Delivery", mail, delivery: { ...delivery, smtpResponse: "250 ok" } });
}

/** @param ageMs how long ago its messages came */
export async function createFloodedQueue(ageMs: number): Promise<FloodedQueue> {
  const sockets = new Set<Socket>();
  const removedIds = new Set<string>();
  const waiting = new Set<{ readonly count: number; readonly resolve: () => void }>();
  let handedOut = 0;
  let end = Number.POSITIVE_INFINITY;
  const sentAt = new Date(Date.now() - ageMs);

  function receive(): object {
    const Messages = [];
    for (; handedOut < end && Messages.length < MESSAGES; handedOut++) {
      const Body = eventOf(handedOut, sentAt);
      Messages.push({
        ...{ MessageId: `message-${handedOut}`, ReceiptHandle: `receipt-${handedOut}`, Body },
        MD5OfBody: createHash("md5").update(Body).digest("hex"),
        Attributes: { ApproximateReceiveCount: "1", SentTimestamp: String(sentAt.getTime()) },
      });
    }
    return { Messages };
  }

  function remove(entries: readonly { readonly Id: string; readonly ReceiptHandle: string }[]): object {
    for (const { ReceiptHandle } of entries) removedIds.add(ReceiptHandle);
    for (const one of waiting) {
      if (removedIds.size < one.count) continue;
      waiting.delete(one);
      one.resolve();
    }
    return { Successful: entries.map(({ Id }) => ({ Id })), Failed: [] };
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString());
    const action = String(request.headers["x-amz-target"]);
    if (action === "AmazonSQS.ReceiveMessage" && handedOut >= end) {
      // As a long poll of nothing, but shorter.
      setTimeout(() => answer(response, {}), 1_000).unref();
    } else if (action === "AmazonSQS.ReceiveMessage") answer(response, receive());
    else if (action === "AmazonSQS.DeleteMessageBatch") answer(response, remove(body.Entries));
    else response.destroy();
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  return {
    queueUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/111122223333/mailonce`,
    handedOut: () => handedOut,
    removed: () => removedIds.size,
    untilRemoved: (count) =>
      new Promise((resolve) => {
        if (removedIds.size >= count) resolve();
        else waiting.add({ count, resolve });
      }),
    left(count) {
      end = handedOut + count;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function answer(response: ServerResponse, body: object): void {
  response.writeHead(200, { "content-type": "application/x-amz-json-1.0" });
  response.end(JSON.stringify(body));
}
