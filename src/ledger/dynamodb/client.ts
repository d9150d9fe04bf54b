// One table of DynamoDB as the engine uses it: single conditional writes, consistent reads, and a scan of the
// index of open records, each within the time of its call (send.ts). The SDK is imported here and
// nowhere else.
import {
  type AttributeValue,
  BatchGetItemCommand,
  CreateTableCommand,
  type CreateTableCommandInput,
  DeleteItemCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  ScanCommand,
  type TableDescription,
  UpdateItemCommand,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import { isRefusalOfCredentials, WITHOUT_CACHED_FILES } from "../../runtime/aws-credentials.ts";
import { retryDelay } from "./errors.ts";
import { type Call, createSender } from "./send.ts";
import { createSlots } from "./slots.ts";
import { createUse, type DynamodbUse } from "./use.ts";

export type { CreateTableCommandInput, TableDescription };
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

/** Requests at once: at 5 ms each that is more than one core can sign, and 64 sockets are few. */
const REQUESTS_AT_ONCE = 64;
/** Keys of one BatchGetItem, as many as DynamoDB takes. */
const KEYS_MAX = 100;
/** Records that one page of the index is read for. */
const PAGE = 500;

export type Written =
  | { readonly kind: "written"; readonly item: Item | undefined }
  /** Nothing was changed by this request; by an earlier one of the same call perhaps, if it is uncertain. */
  | { readonly kind: "refused"; readonly found: Item | undefined; readonly isUncertain: boolean };

export interface Condition {
  readonly condition: string;
  readonly values?: Item;
  readonly names?: Readonly<Record<string, string>>;
}

export interface Update extends Condition {
  readonly update: string;
  /** The item as it is afterwards is wanted. */
  readonly returns?: boolean;
  /** It waits for no other request. Heartbeats do not: whoever is busy is not dead. */
  readonly isUrgent?: boolean;
}

/** Everything rejects with a StorageError, and ends within the time of its call. */
export interface DynamodbTable {
  readonly name: string;
  readonly use: DynamodbUse;
  readonly callMaxMs: number;
  /** @param ms at most; never more than a call has */
  begin(ms?: number): Call;
  put(call: Call, item: Item, condition: string): Promise<Written>;
  update(call: Call, key: Uint8Array, update: Update): Promise<Written>;
  remove(call: Call, key: Uint8Array, condition: Condition): Promise<Written>;
  get(call: Call, key: Uint8Array): Promise<Item | undefined>;
  /** In no order; what is absent is missing. */
  getMany(call: Call, keys: readonly Uint8Array[]): Promise<Item[]>;
  /** One page of the table, or of an index, which may lag behind; `next` continues. */
  page(call: Call, index: string | undefined, after: Item | undefined, filter?: Filter): Promise<Page>;
  describe(): Promise<TableDescription | undefined>;
  /** The attribute that TTL goes by, if it is on. */
  timeToLive(): Promise<string | undefined>;
  create(input: Omit<CreateTableCommandInput, "TableName">): Promise<void>;
  enableTimeToLive(attribute: string): Promise<void>;
  close(): void;
}

export interface Filter {
  readonly expression: string;
  readonly values: Item;
}

export interface Page {
  readonly keys: readonly Uint8Array[];
  readonly next: Item | undefined;
}

export const KEY = "id";

export function openDynamodbTable(options: DynamodbOptions): DynamodbTable {
  const { table: TableName, region, endpoint } = options;
  const { connectMs, requestMs, callMs, idleMs } = { ...TIMEOUT_DEFAULTS, ...options.timeouts };
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
  readCredentialsAgain(client);
  const slots = createSlots(REQUESTS_AT_ONCE);
  const use = createUse();
  const { begin, send, ask } = createSender({ requestMs, callMs, table: TableName, use });

  async function write(
    kind: string,
    call: Call,
    key: Uint8Array,
    request: (signal: AbortSignal) => Promise<{ Attributes?: Item | undefined }>,
    run: <T>(work: () => Promise<T>) => Promise<T> = slots.run,
  ): Promise<Written> {
    return await run(async () => {
      const sent = await send<{ Attributes?: Item | undefined }, Item>(kind, call, request);
      if (sent.kind === "answered") return { kind: "written", item: sent.answer.Attributes };
      // What speaks DynamoDB's protocol and is older gives nothing back.
      return { ...sent, found: sent.found ?? (await get(call, key)) };
    });
  }

  async function get(call: Call, key: Uint8Array): Promise<Item | undefined> {
    const input = { TableName, Key: { [KEY]: { B: key } }, ConsistentRead: true, ...COUNTED };
    const { Item } = await ask("get", call, async (abortSignal) => {
      const answer = await client.send(new GetItemCommand(input), { abortSignal });
      use.read("get", answer.ConsumedCapacity?.CapacityUnits);
      return answer;
    });
    return Item;
  }

  async function getSome(call: Call, some: readonly Uint8Array[]): Promise<Item[]> {
    const items: Item[] = [];
    let keys: Record<string, AttributeValue>[] = some.map((key) => ({ [KEY]: { B: key } }));
    for (let tries = 0; keys.length > 0; tries++) {
      // DynamoDB answers a part when it is busy, or the answer would be larger than 16 MB.
      if (tries > 0) await new Promise((resolve) => setTimeout(resolve, retryDelay(tries)));
      const RequestItems = { [TableName]: { Keys: keys, ConsistentRead: true } };
      const { Responses, UnprocessedKeys } = await ask("getMany", call, async (abortSignal) => {
        const command = new BatchGetItemCommand({ RequestItems, ...COUNTED });
        const answer = await client.send(command, { abortSignal });
        use.read("getMany", answer.ConsumedCapacity?.[0]?.CapacityUnits);
        return answer;
      });
      items.push(...(Responses?.[TableName] ?? []));
      keys = UnprocessedKeys?.[TableName]?.Keys ?? [];
    }
    return items;
  }

  return {
    name: TableName,
    use: use.counts,
    callMaxMs: callMs,
    begin,
    get,
    put: (call, item, ConditionExpression) =>
      write("put", call, item[KEY]?.B as Uint8Array, async (abortSignal) => {
        const command = new PutItemCommand({ TableName, Item: item, ConditionExpression, ...RETURNED });
        const answer = await client.send(command, { abortSignal });
        use.written("put", answer.ConsumedCapacity?.CapacityUnits);
        return answer;
      }),
    update(call, key, { update, returns = false, isUrgent = false, ...condition }) {
      const request = async (abortSignal: AbortSignal) => {
        const command = new UpdateItemCommand({
          TableName,
          Key: { [KEY]: { B: key } },
          UpdateExpression: update,
          ReturnValues: returns ? "ALL_NEW" : "NONE",
          ...conditionOf(condition),
          ...RETURNED,
        });
        const answer = await client.send(command, { abortSignal });
        use.written("update", answer.ConsumedCapacity?.CapacityUnits);
        return answer;
      };
      return write("update", call, key, request, isUrgent ? (work) => work() : slots.run);
    },
    remove: (call, key, condition) =>
      write("remove", call, key, async (abortSignal) => {
        const Key = { [KEY]: { B: key } };
        const command = new DeleteItemCommand({ TableName, Key, ...conditionOf(condition), ...RETURNED });
        const answer = await client.send(command, { abortSignal });
        use.written("remove", answer.ConsumedCapacity?.CapacityUnits);
        return answer;
      }),
    async getMany(call, keys) {
      const parts: (readonly Uint8Array[])[] = [];
      for (let at = 0; at < keys.length; at += KEYS_MAX) parts.push(keys.slice(at, at + KEYS_MAX));
      return (await Promise.all(parts.map((part) => slots.run(() => getSome(call, part))))).flat();
    },
    async page(call, IndexName, after, filter) {
      const input = {
        TableName,
        // An index can't be read consistently; whoever reads one reads again what it names.
        ...(IndexName === undefined ? { ConsistentRead: true } : { IndexName }),
        Limit: PAGE,
        ...(after === undefined ? {} : { ExclusiveStartKey: { ...after } }),
        ...(filter === undefined
          ? {}
          : {
              FilterExpression: filter.expression,
              ExpressionAttributeValues: { ...filter.values },
            }),
        ...COUNTED,
      };
      const { Items = [], LastEvaluatedKey } = await ask("scan", call, async (abortSignal) => {
        const answer = await client.send(new ScanCommand(input), { abortSignal });
        use.read("scan", answer.ConsumedCapacity?.CapacityUnits);
        return answer;
      });
      return { keys: Items.flatMap((item) => item[KEY]?.B ?? []), next: LastEvaluatedKey };
    },
    describe: () =>
      ask("DescribeTable", begin(), async (abortSignal) => {
        try {
          return (await client.send(new DescribeTableCommand({ TableName }), { abortSignal })).Table;
        } catch (error) {
          if (error instanceof Error && error.name === "ResourceNotFoundException") return undefined;
          throw error;
        }
      }),
    timeToLive: () =>
      ask("DescribeTimeToLive", begin(), async (abortSignal) => {
        const answer = await client.send(new DescribeTimeToLiveCommand({ TableName }), { abortSignal });
        const { TimeToLiveStatus: status, AttributeName } = answer.TimeToLiveDescription ?? {};
        return status === "ENABLED" || status === "ENABLING" ? AttributeName : undefined;
      }),
    create: (input) =>
      ask("CreateTable", begin(), async (abortSignal) => {
        try {
          await client.send(new CreateTableCommand({ ...input, TableName }), { abortSignal });
        } catch (error) {
          // Somebody else makes it, or an earlier request of ours did.
          if (!(error instanceof Error && error.name === "ResourceInUseException")) throw error;
        }
      }),
    enableTimeToLive: (AttributeName) =>
      ask("UpdateTimeToLive", begin(), async (abortSignal) => {
        const TimeToLiveSpecification = { Enabled: true, AttributeName };
        await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification }), {
          abortSignal,
        });
      }),
    close: () => client.destroy(),
  };
}

/** Credentials in files that somebody wrote anew are used with the next request after one was refused for the old ones. */
function readCredentialsAgain(client: DynamoDBClient): void {
  let areRefused = false;
  client.middlewareStack.add(
    (next) => async (request) => {
      if (areRefused) await client.config.credentials({ forceRefresh: true });
      try {
        const answer = await next(request);
        areRefused = false;
        return answer;
      } catch (error) {
        areRefused = isRefusalOfCredentials(error);
        throw error;
      }
    },
    { step: "initialize", name: "readCredentialsAgain" },
  );
}

const COUNTED = { ReturnConsumedCapacity: "TOTAL" } as const;
/** A conflict costs no second request: the item that is in the way comes with the refusal. */
const RETURNED = { ...COUNTED, ReturnValuesOnConditionCheckFailure: "ALL_OLD" } as const;

const conditionOf = ({ condition, values, names }: Condition) => ({
  ConditionExpression: condition,
  ...(values === undefined ? {} : { ExpressionAttributeValues: { ...values } }),
  ...(names === undefined ? {} : { ExpressionAttributeNames: { ...names } }),
});
