// A topic of SNS and a queue of SQS on this machine, and a door before SQS that goes wrong on request and says what
// was asked. What is behind the door is fauxqs, which hides, shows again and fans out as AWS's do.
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { startFauxqs } from "fauxqs";

/**
 * What the door does instead of passing a request on; "lost-answer" passes it on, and drops the answer; "refused-entries"
 * answers a batch, and refuses each of its entries; "slow" passes it on after a second.
 */
export type SqsFault = keyof typeof FAULTS | "drop" | "hang" | "lost-answer" | "refused-entries" | "slow";

const FAULTS = {
  throttled: [400, "com.amazonaws.sqs#RequestThrottled", "Too many requests."],
  gone: [400, "com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist."],
  denied: [
    403,
    "com.amazon.coral.service#AccessDeniedException",
    "Not authorized to perform this on the queue.",
  ],
  credentials: [
    403,
    "com.amazon.coral.service#UnrecognizedClientException",
    "The security token included in the request is invalid.",
  ],
  down: [503, "com.amazonaws.sqs#ServiceUnavailable", "Service Unavailable"],
} as const;

/** A call of SQS as it came: "ReceiveMessage" and so on. */
export interface SqsCall {
  readonly action: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly authorization: string;
}

export interface EventsPlace {
  /** Of the queue, through the door. */
  readonly queueUrl: string;
  /** Through SNS, which puts it into its envelope. */
  publish(event: unknown): Promise<void>;
  /** As raw delivery or EventBridge do. */
  put(body: unknown): Promise<void>;
  /** Messages in the queue: those that can be received, and those that are hidden. */
  messages(): { readonly ready: number; readonly hidden: number };
  /** Messages in the dead-letter queue. */
  dead(): number;
  /** What becomes of calls from now on; undefined: they are passed on. */
  play(faultOf: (call: SqsCall) => SqsFault | undefined): void;
  readonly calls: readonly SqsCall[];
  /** Resolves with the next call of the action that was answered by the queue. */
  answered(action: string): Promise<SqsCall>;
  /** Calls under way at the door. */
  underWay(action: string): number;
  close(): Promise<void>;
}

export const REGION = "eu-west-1";
const ACCOUNT = "000000000000";
const QUEUE = "mailonce";
const SLOW_MS = 1_000;

/** @param hiddenSeconds for which others don't get what was received, in place of what the client asks for */
export async function createEventsPlace(maxReceiveCount = 100, hiddenSeconds?: number): Promise<EventsPlace> {
  const server = await startFauxqs({ port: 0, host: "127.0.0.1", logger: false, defaultRegion: REGION });
  const behind = `http://127.0.0.1:${server.port}`;
  const { queueArn: deadLetterTargetArn } = server.createQueue(`${QUEUE}-dead`);
  const { queueUrl: QueueUrl } = server.createQueue(QUEUE, {
    attributes: {
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: String(maxReceiveCount) }),
    },
  });
  const { topicArn: TopicArn } = server.createTopic(QUEUE);
  server.subscribe({ topic: QUEUE, queue: QUEUE });

  let faultOf: (call: SqsCall) => SqsFault | undefined = () => undefined;
  const calls: SqsCall[] = [];
  const under: SqsCall[] = [];
  const waiting: { action: string; resolve: (call: SqsCall) => void }[] = [];
  const sockets = new Set<Socket>();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const octets = Buffer.concat(chunks);
    const call: SqsCall = {
      action: String(request.headers["x-amz-target"] ?? "").replace("AmazonSQS.", ""),
      body: JSON.parse(octets.toString() || "{}"),
      authorization: request.headers.authorization ?? "",
    };
    calls.push(call);
    under.push(call);
    response.on("close", () => under.splice(under.indexOf(call), 1));
    const chosen = faultOf(call);
    if (chosen === "slow") await setTimeout(SLOW_MS);
    const fault = chosen === "slow" ? undefined : chosen;
    if (fault === "hang") return;
    if (fault === "drop") {
      response.destroy();
      return;
    }
    if (fault === "refused-entries") {
      const failed = { SenderFault: true, Code: "ReceiptHandleIsInvalid", Message: "It is not valid." };
      const { Entries = [] } = call.body as { Entries?: readonly { Id: string }[] };
      response.writeHead(200, { "content-type": "application/x-amz-json-1.0" });
      response.end(JSON.stringify({ Successful: [], Failed: Entries.map(({ Id }) => ({ Id, ...failed })) }));
      return;
    }
    if (fault !== undefined && fault !== "lost-answer") {
      const [status, __type, message] = FAULTS[fault];
      response.writeHead(status, { "content-type": "application/x-amz-json-1.0" });
      response.end(JSON.stringify({ __type, message }));
      return;
    }
    // fauxqs knows the queue by one URL, and signatures mean nothing to it.
    const hidden =
      call.action === "ReceiveMessage" && hiddenSeconds !== undefined
        ? { VisibilityTimeout: hiddenSeconds }
        : {};
    const passed = Buffer.from(JSON.stringify({ ...call.body, ...hidden, QueueUrl }));
    const headers = { ...request.headers, "content-length": String(passed.length) };
    const onward = httpRequest(`${behind}${request.url}`, { method: "POST", headers });
    response.on("close", () => onward.destroy());
    onward.on("error", () => response.destroy());
    onward.on("response", async (answer) => {
      const parts: Buffer[] = [];
      try {
        for await (const part of answer) parts.push(part);
      } catch {
        response.destroy();
        return;
      }
      if (fault === "lost-answer") response.destroy();
      else {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        response.end(Buffer.concat(parts));
      }
      for (const one of [...waiting]) {
        if (one.action !== call.action || fault !== undefined) continue;
        waiting.splice(waiting.indexOf(one), 1);
        one.resolve(call);
      }
    });
    onward.end(passed);
  }

  const door = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  door.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  door.listen(0, "127.0.0.1");
  await once(door, "listening");
  const port = (door.address() as AddressInfo).port;

  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const sns = new SNSClient({ region: REGION, endpoint: behind, credentials });
  const sqs = new SQSClient({ region: REGION, endpoint: behind, credentials });
  const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
  const inQueue = (name: string) => {
    const { ready = [], delayed = [], inflight = [] } = server.inspectQueue(name)?.messages ?? {};
    return { ready: ready.length + delayed.length, hidden: inflight.length };
  };

  return {
    queueUrl: `http://127.0.0.1:${port}/${ACCOUNT}/${QUEUE}`,
    async publish(event) {
      await sns.send(new PublishCommand({ TopicArn, Message: textOf(event) }));
    },
    async put(body) {
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: textOf(body) }));
    },
    messages: () => inQueue(QUEUE),
    dead: () => inQueue(`${QUEUE}-dead`).ready,
    play(next) {
      faultOf = next;
    },
    calls,
    answered: (action) => new Promise((resolve) => waiting.push({ action, resolve })),
    underWay: (action) => under.filter((call) => call.action === action).length,
    async close() {
      sns.destroy();
      sqs.destroy();
      for (const socket of sockets) socket.destroy();
      door.close();
      await once(door, "close");
      await server.stop();
    },
  };
}
