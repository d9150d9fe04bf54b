// The queue of events at SQS. Its SDK is imported here and nowhere else, and this file is loaded only where events are
// configured.
import {
  type BatchResultErrorEntry,
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { rereadingCredentials, WITHOUT_CACHED_FILES } from "../../../runtime/aws-credentials.ts";
import { type EventQueue, HIDDEN_SECONDS, RECEIVE_MAX } from "./queue.ts";
import { regionOf } from "./queue-url.ts";

export interface SqsQueueOptions {
  /** Its host is what is called, and names the region as AWS's hosts do. */
  readonly queueUrl: string;
  /** Where the URL names none. From the SDK's own sources (AWS_REGION, the profile) when left out. */
  readonly region?: string | undefined;
}

export interface SqsQueue extends EventQueue {
  /** Tries each right that the intake needs, and changes nothing. Rejects when the queue can't be asked. */
  check(signal: AbortSignal): Promise<QueueCheck>;
}

export interface QueueCheck {
  /** Messages in it, about; undefined without the right to ask. */
  readonly waiting: number | undefined;
  /** Rights that these credentials don't have. */
  readonly missing: readonly string[];
}

/** SQS waits no longer. */
const WAIT_SECONDS = 20;

const CONNECT_MS = 5_000;
/** The wait, and time for the answer. */
const REQUEST_MS = (WAIT_SECONDS + 10) * 1_000;

export function createSqsQueue({ queueUrl, region }: SqsQueueOptions): SqsQueue {
  const named = regionOf(queueUrl) ?? region;
  const agent = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY };
  const client = new SQSClient({
    ...(named === undefined ? {} : { region: named }),
    endpoint: new URL(queueUrl).origin,
    // The intake tries again by itself, with pauses that grow.
    maxAttempts: 1,
    retryMode: "standard",
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: REQUEST_MS,
      throwOnRequestTimeout: true,
      socketTimeout: REQUEST_MS,
      httpAgent: agent,
      httpsAgent: agent,
    },
    ...WITHOUT_CACHED_FILES,
  });
  const call = rereadingCredentials((options) => client.config.credentials(options));

  return {
    async receive(abortSignal) {
      const command = new ReceiveMessageCommand({
        QueueUrl: queueUrl,
        MaxNumberOfMessages: RECEIVE_MAX,
        WaitTimeSeconds: WAIT_SECONDS,
        VisibilityTimeout: HIDDEN_SECONDS,
        MessageSystemAttributeNames: ["ApproximateReceiveCount", "SentTimestamp"],
      });
      const { Messages = [] } = await call(() => client.send(command, { abortSignal }));
      return Messages.flatMap(({ Body: body = "", ReceiptHandle: receipt, Attributes = {} }) => {
        if (receipt === undefined) return [];
        const sentAt = Number(Attributes.SentTimestamp) || undefined;
        const receives = Number(Attributes.ApproximateReceiveCount) || 1;
        return [{ body, receipt, receives, ...(sentAt === undefined ? {} : { sentAt }) }];
      });
    },
    async remove(receipts, abortSignal) {
      const Entries = receipts.map((ReceiptHandle, at) => ({ Id: String(at), ReceiptHandle }));
      const command = new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries });
      assertWhole(await call(() => client.send(command, { abortSignal })));
    },
    async showAgain(messages, abortSignal) {
      const Entries = messages.map(({ receipt, seconds }, at) => ({
        ...{ Id: String(at), ReceiptHandle: receipt, VisibilityTimeout: seconds },
      }));
      const command = new ChangeMessageVisibilityBatchCommand({ QueueUrl: queueUrl, Entries });
      const { Failed = [] } = await call(() => client.send(command, { abortSignal }));
      assertWhole({ Failed: Failed.filter((failed) => !isSeenAgain(failed)) });
    },
    async check(abortSignal) {
      const missing: string[] = [];
      async function tried<T>(right: string, send: () => Promise<T>): Promise<T | undefined> {
        try {
          return await call(send);
        } catch (error) {
          if (!/^AccessDenied/.test((error as Error).name)) throw error;
          missing.push(right);
          return undefined;
        }
      }
      const QueueUrl = queueUrl;
      const options = { abortSignal };
      const counted = await tried("sqs:GetQueueAttributes", () => {
        const AttributeNames = ["ApproximateNumberOfMessages" as const];
        return client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames }), options);
      });
      // Hidden for no time, it is there for the next reader at once.
      await tried("sqs:ReceiveMessage", () => {
        const input = { QueueUrl, MaxNumberOfMessages: 1, WaitTimeSeconds: 0, VisibilityTimeout: 0 };
        return client.send(new ReceiveMessageCommand(input), options);
      });
      // SQS looks at the right before the receipt, which is none.
      const entry = { Id: "0", ReceiptHandle: "check-config" };
      await tried("sqs:DeleteMessage", () =>
        client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: [entry] }), options),
      );
      await tried("sqs:ChangeMessageVisibility", () => {
        const Entries = [{ ...entry, VisibilityTimeout: 0 }];
        return client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }), options);
      });
      const waiting = counted && Number(counted.Attributes?.ApproximateNumberOfMessages ?? 0);
      return { waiting, missing };
    },
    close: () => client.destroy(),
  };
}

/** It was hidden for its time, so that it is seen again by itself, or somebody has it. SQS has several words for that. */
const isSeenAgain = ({ Code = "", Message = "" }: BatchResultErrorEntry): boolean =>
  /MessageNotInflight|ReceiptHandleIsInvalid/.test(Code) ||
  (/InvalidParameterValue/.test(Code) && /receipt ?handle/i.test(Message));

/** SQS answers a batch with 200 also where it refuses all of it. */
function assertWhole({
  Failed: [failed] = [],
}: {
  readonly Failed?: BatchResultErrorEntry[] | undefined;
}): void {
  if (failed === undefined) return;
  const error = new Error(failed.Message ?? "no reason is given");
  error.name = failed.Code ?? "Failed";
  throw error;
}
