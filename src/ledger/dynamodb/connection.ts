// One table of DynamoDB, as a process is connected to it.
import { type DynamodbOptions, openClient, TIMEOUT_DEFAULTS } from "./client.ts";
import { createDefinitionRequests, type DefinitionRequests } from "./definition-requests.ts";
import { createItemRequests, type ItemRequests } from "./item-requests.ts";
import { createSender } from "./send.ts";
import { createUse, type DynamodbUse } from "./use.ts";

export interface DynamodbTable {
  readonly items: ItemRequests;
  readonly definition: DefinitionRequests;
  /** Requests of DynamoDB so far. */
  readonly use: DynamodbUse;
  close(): void;
}

export function openDynamodbTable(options: DynamodbOptions): DynamodbTable {
  const { table } = options;
  const { requestMs, callMs } = { ...TIMEOUT_DEFAULTS, ...options.timeouts };
  const client = openClient(options);
  const use = createUse();
  const sender = createSender({ requestMs, callMs, table, use });
  return {
    items: createItemRequests({ client, table, callMs, sender, use }),
    definition: createDefinitionRequests(client, table, sender),
    use: use.counts,
    close: client.close,
  };
}
