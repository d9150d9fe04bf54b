// The client of DynamoDB, and the requests that it can make. The SDK is imported here and nowhere else.
// item-requests.ts and definition-requests.ts say when a request is made again, and what its answer means.
import {
  type AttributeValue,
  BatchGetItemCommand,
  type BatchGetItemCommandInput,
  type BatchGetItemCommandOutput,
  CreateTableCommand,
  type CreateTableCommandInput,
  DeleteItemCommand,
  type DeleteItemCommandInput,
  type DeleteItemCommandOutput,
  DescribeTableCommand,
  type DescribeTableCommandOutput,
  DescribeTimeToLiveCommand,
  type DescribeTimeToLiveCommandOutput,
  DynamoDBClient,
  GetItemCommand,
  type GetItemCommandInput,
  type GetItemCommandOutput,
  PutItemCommand,
  type PutItemCommandInput,
  type PutItemCommandOutput,
  ScanCommand,
  type ScanCommandInput,
  type ScanCommandOutput,
  type TableDescription,
  UpdateItemCommand,
  type UpdateItemCommandInput,
  type UpdateItemCommandOutput,
  UpdateTimeToLiveCommand,
  type UpdateTimeToLiveCommandInput,
} from "@aws-sdk/client-dynamodb";
import { rereadingCredentials, WITHOUT_CACHED_FILES } from "../../runtime/aws-credentials.ts";

export type { AttributeValue, CreateTableCommandInput, TableDescription };
export type Item = Readonly<Record<string, AttributeValue>>;

export interface DynamodbOptions {
  readonly table: string;
  /** From the SDK's own sources (AWS_REGION, the profile) unless given. */
  readonly region?: string | undefined;
  /** Instead of the region's own address. */
  readonly endpoint?: string | undefined;
  readonly timeouts?: Partial<DynamodbTimeouts> | undefined;
}

export interface DynamodbTimeouts {
  /** Name look-up, TCP and TLS of one request. */
  readonly connectMs: number;
  /** One request, from its beginning to the end of its answer. */
  readonly requestMs: number;
  /** One call of the engine, whatever fails. */
  readonly callMs: number;
  /** How long an unused connection is kept. */
  readonly idleMs: number;
}

export const TIMEOUT_DEFAULTS: DynamodbTimeouts = {
  connectMs: 1_000,
  // DynamoDB answers in some milliseconds. Three seconds are a lost packet sent again twice.
  requestMs: 3_000,
  // DynamoDB that is away is found within one request's time. This is for what is throttled, and for the
  // largest batches of all kinds at once on a busy core.
  callMs: 10_000,
  // Ours are given up before a front end does so, since a request on a connection that is just being closed
  // ends in a reset.
  idleMs: 10_000,
};

/** Each sends one request, once. Rejects as the SDK does; see errors.ts. */
export interface DynamodbClient {
  put(input: PutItemCommandInput, signal: AbortSignal): Promise<PutItemCommandOutput>;
  update(input: UpdateItemCommandInput, signal: AbortSignal): Promise<UpdateItemCommandOutput>;
  remove(input: DeleteItemCommandInput, signal: AbortSignal): Promise<DeleteItemCommandOutput>;
  get(input: GetItemCommandInput, signal: AbortSignal): Promise<GetItemCommandOutput>;
  getMany(input: BatchGetItemCommandInput, signal: AbortSignal): Promise<BatchGetItemCommandOutput>;
  scan(input: ScanCommandInput, signal: AbortSignal): Promise<ScanCommandOutput>;
  describe(TableName: string, signal: AbortSignal): Promise<DescribeTableCommandOutput>;
  describeTimeToLive(TableName: string, signal: AbortSignal): Promise<DescribeTimeToLiveCommandOutput>;
  create(input: CreateTableCommandInput, signal: AbortSignal): Promise<unknown>;
  updateTimeToLive(input: UpdateTimeToLiveCommandInput, signal: AbortSignal): Promise<unknown>;
  close(): void;
}

export function openClient({ region, endpoint, timeouts }: DynamodbOptions): DynamodbClient {
  const { connectMs, requestMs, idleMs } = { ...TIMEOUT_DEFAULTS, ...timeouts };
  const agent = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, timeout: idleMs };
  const client = new DynamoDBClient({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    maxAttempts: 1,
    retryMode: "standard",
    requestHandler: {
      connectionTimeout: connectMs,
      requestTimeout: requestMs,
      throwOnRequestTimeout: true,
      socketTimeout: requestMs,
      httpAgent: agent,
      httpsAgent: agent,
    },
    ...WITHOUT_CACHED_FILES,
  });
  const call = rereadingCredentials((options) => client.config.credentials(options));
  client.middlewareStack.add((next) => (request) => call(() => next(request)), {
    ...{ step: "initialize", name: "rereadingCredentials" },
  });

  return {
    put: (input, abortSignal) => client.send(new PutItemCommand(input), { abortSignal }),
    update: (input, abortSignal) => client.send(new UpdateItemCommand(input), { abortSignal }),
    remove: (input, abortSignal) => client.send(new DeleteItemCommand(input), { abortSignal }),
    get: (input, abortSignal) => client.send(new GetItemCommand(input), { abortSignal }),
    getMany: (input, abortSignal) => client.send(new BatchGetItemCommand(input), { abortSignal }),
    scan: (input, abortSignal) => client.send(new ScanCommand(input), { abortSignal }),
    describe: (TableName, abortSignal) =>
      client.send(new DescribeTableCommand({ TableName }), { abortSignal }),
    describeTimeToLive: (TableName, abortSignal) =>
      client.send(new DescribeTimeToLiveCommand({ TableName }), { abortSignal }),
    create: (input, abortSignal) => client.send(new CreateTableCommand(input), { abortSignal }),
    updateTimeToLive: (input, abortSignal) =>
      client.send(new UpdateTimeToLiveCommand(input), { abortSignal }),
    close: () => client.destroy(),
  };
}
