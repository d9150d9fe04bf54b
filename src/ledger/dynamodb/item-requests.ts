// Requests about items: single conditional writes, consistent reads, and a scan of the index of open records, each
// within the time of its call (send.ts).
import { setTimeout as wait } from "node:timers/promises";
import type { AttributeValue, DynamodbClient, Item } from "./client.ts";
import { retryDelay } from "./errors.ts";
import type { Call, Sender } from "./send.ts";
import { createSlots } from "./slots.ts";
import type { UseCounter } from "./use.ts";

export const KEY = "id";

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
  /** It waits for no other request. For heartbeats: a busy gateway is not dead. */
  readonly isUrgent?: boolean;
}

/** Everything rejects with a StorageError, and ends within the time of its call. */
export interface ItemRequests {
  /** The name of the table. */
  readonly table: string;
  /** Milliseconds that a call has. */
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
}

export interface Filter {
  readonly expression: string;
  readonly values: Item;
}

export interface Page {
  readonly keys: readonly Uint8Array[];
  readonly next: Item | undefined;
}

export interface ItemRequestsParts {
  readonly client: DynamodbClient;
  readonly table: string;
  readonly callMs: number;
  readonly sender: Sender;
  readonly use: UseCounter;
}

export function createItemRequests(parts: ItemRequestsParts): ItemRequests {
  const { client, table: TableName, callMs, sender, use } = parts;
  const { begin, send, ask } = sender;
  const slots = createSlots(REQUESTS_AT_ONCE);

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
      // An older server that speaks DynamoDB's protocol gives nothing back.
      return { ...sent, found: sent.found ?? (await get(call, key)) };
    });
  }

  async function get(call: Call, key: Uint8Array): Promise<Item | undefined> {
    const input = { TableName, Key: { [KEY]: { B: key } }, ConsistentRead: true, ...COUNTED };
    const { Item } = await ask("get", call, async (abortSignal) => {
      const answer = await client.get(input, abortSignal);
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
      if (tries > 0) await wait(retryDelay(tries));
      const RequestItems = { [TableName]: { Keys: keys, ConsistentRead: true } };
      const { Responses, UnprocessedKeys } = await ask("getMany", call, async (abortSignal) => {
        const answer = await client.getMany({ RequestItems, ...COUNTED }, abortSignal);
        use.read("getMany", answer.ConsumedCapacity?.[0]?.CapacityUnits);
        return answer;
      });
      items.push(...(Responses?.[TableName] ?? []));
      keys = UnprocessedKeys?.[TableName]?.Keys ?? [];
    }
    return items;
  }

  return {
    table: TableName,
    callMaxMs: callMs,
    begin,
    get,
    put: (call, item, ConditionExpression) =>
      write("put", call, item[KEY]?.B as Uint8Array, async (abortSignal) => {
        const input = { TableName, Item: item, ConditionExpression, ...RETURNED };
        const answer = await client.put(input, abortSignal);
        use.written("put", answer.ConsumedCapacity?.CapacityUnits);
        return answer;
      }),
    update(call, key, { update, returns = false, isUrgent = false, ...condition }) {
      const request = async (abortSignal: AbortSignal) => {
        const input = {
          TableName,
          Key: { [KEY]: { B: key } },
          UpdateExpression: update,
          ReturnValues: returns ? "ALL_NEW" : "NONE",
          ...conditionOf(condition),
          ...RETURNED,
        } as const;
        const answer = await client.update(input, abortSignal);
        use.written("update", answer.ConsumedCapacity?.CapacityUnits);
        return answer;
      };
      return write("update", call, key, request, isUrgent ? (work) => work() : slots.run);
    },
    remove: (call, key, condition) =>
      write("remove", call, key, async (abortSignal) => {
        const Key = { [KEY]: { B: key } };
        const input = { TableName, Key, ...conditionOf(condition), ...RETURNED };
        const answer = await client.remove(input, abortSignal);
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
        // An index can't be read consistently; its reader reads again what it names.
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
        const answer = await client.scan(input, abortSignal);
        use.read("scan", answer.ConsumedCapacity?.CapacityUnits);
        return answer;
      });
      return { keys: Items.flatMap((item) => item[KEY]?.B ?? []), next: LastEvaluatedKey };
    },
  };
}

const COUNTED = { ReturnConsumedCapacity: "TOTAL" } as const;
/** A conflict costs no second request: the item that is in the way comes with the refusal. */
const RETURNED = { ...COUNTED, ReturnValuesOnConditionCheckFailure: "ALL_OLD" } as const;

const conditionOf = ({ condition, values, names }: Condition) => ({
  ConditionExpression: condition,
  ...(values === undefined ? {} : { ExpressionAttributeValues: { ...values } }),
  ...(names === undefined ? {} : { ExpressionAttributeNames: { ...names } }),
});
