// The table of the ledger: its definition, how it is made, and what is looked at before it is used.
// examples/dynamodb/ has the same definition for CloudFormation and Terraform.
import { setTimeout as wait } from "node:timers/promises";
import type { Log } from "../../runtime/log.ts";
import { StorageError } from "../../storage/storage.ts";
import type { CreateTableCommandInput, DynamodbOptions, TableDescription } from "./client.ts";
import { openDynamodbTable } from "./connection.ts";
import type { DefinitionRequests } from "./definition-requests.ts";
import { KEY } from "./item-requests.ts";
import { CHANGED_AT, EXPIRES, OPEN_INDEX } from "./items.ts";

export const TABLE_DEFINITION: Omit<CreateTableCommandInput, "TableName"> = {
  AttributeDefinitions: [
    { AttributeName: KEY, AttributeType: "B" },
    { AttributeName: OPEN_INDEX, AttributeType: "B" },
  ],
  KeySchema: [{ AttributeName: KEY, KeyType: "HASH" }],
  GlobalSecondaryIndexes: [
    {
      IndexName: OPEN_INDEX,
      KeySchema: [{ AttributeName: OPEN_INDEX, KeyType: "HASH" }],
      Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: [CHANGED_AT] },
    },
  ],
  // Paid by the request: no capacity to plan, and none that a burst of mail exhausts.
  BillingMode: "PAY_PER_REQUEST",
  // Without the table every mail of the retention may go twice.
  DeletionProtectionEnabled: true,
};

/** Between two looks at a table that is being made: growing, for what speaks the protocol makes one at once. */
const LOOK_FIRST_MS = 50;
const LOOK_MAX_MS = 2_000;
/** AWS makes one within half a minute. */
const MAKING_MAX_MS = 300_000;

const MIGRATE = "`mailonce ledger migrate` makes the table";

/**
 * Makes the table, waits until it can be used, and turns TTL on. Does what is missing, so that it may be called
 * again. Rejects with a StorageError, also when a table of that name is another one.
 */
export async function createDynamodbTable(options: DynamodbOptions): Promise<"made" | "found"> {
  const { definition, close } = openDynamodbTable(options);
  try {
    const isThere = (await definition.describe()) !== undefined;
    if (!isThere) await definition.create(TABLE_DEFINITION);
    await untilActive(definition);
    await expireItems(definition);
    return isThere ? "found" : "made";
  } finally {
    close();
  }
}

async function expireItems(requests: DefinitionRequests): Promise<void> {
  if ((await requests.timeToLive()) === EXPIRES) return;
  try {
    await requests.enableTimeToLive(EXPIRES);
  } catch (error) {
    // Somebody else was quicker, or an earlier request of ours.
    if ((await requests.timeToLive()) !== EXPIRES) throw error;
  }
}

async function untilActive(requests: DefinitionRequests): Promise<void> {
  const until = performance.now() + MAKING_MAX_MS;
  for (let ms = LOOK_FIRST_MS; ; ms = Math.min(2 * ms, LOOK_MAX_MS)) {
    const description = await requests.describe();
    // A table that has just been made may not be known everywhere.
    if (description !== undefined) {
      assertFits(requests.table, description);
      if (isActive(description)) return;
    }
    if (performance.now() > until) throw wrong(requests.table, "is not ready after five minutes");
    await wait(ms);
  }
}

/** Rejects with a StorageError that says what to do. */
export async function checkDynamodbTable(requests: DefinitionRequests, log: Log): Promise<void> {
  const description = await requests.describe();
  if (description === undefined) throw wrong(requests.table, `does not exist; ${MIGRATE}`);
  assertFits(requests.table, description);
  if (!isActive(description)) throw wrong(requests.table, "is still being made");
  if ((await requests.timeToLive()) !== EXPIRES) {
    log.warn("ledger.ttl_off", { table: requests.table, attribute: EXPIRES });
  }
}

const wrong = (name: string, what: string) =>
  new StorageError("unavailable", `DynamoDB: table ${name} ${what}`);

/** While throughput is changed it is UPDATING, and answers all the same. */
const isActive = ({ TableStatus, GlobalSecondaryIndexes = [] }: TableDescription): boolean =>
  [TableStatus, ...GlobalSecondaryIndexes.map(({ IndexStatus }) => IndexStatus)].every(
    (status) => status === "ACTIVE" || status === "UPDATING",
  );

function assertFits(name: string, description: TableDescription): void {
  const {
    AttributeDefinitions = [],
    KeySchema = [],
    GlobalSecondaryIndexes = [],
    Replicas = [],
  } = description;
  const typeOf = (attribute: string | undefined) =>
    AttributeDefinitions.find(({ AttributeName }) => AttributeName === attribute)?.AttributeType;
  if (KeySchema.length !== 1 || KeySchema[0]?.AttributeName !== KEY || typeOf(KEY) !== "B") {
    throw wrong(
      name,
      `has another key than ${KEY} (binary), so it is not mailonce's; ${MIGRATE} under another name`,
    );
  }
  const index = GlobalSecondaryIndexes.find(({ IndexName }) => IndexName === OPEN_INDEX);
  const isIndexed =
    index?.KeySchema?.length === 1 &&
    index.KeySchema[0]?.AttributeName === OPEN_INDEX &&
    typeOf(OPEN_INDEX) === "B" &&
    (index.Projection?.ProjectionType === "ALL" ||
      index.Projection?.NonKeyAttributes?.includes(CHANGED_AT) === true);
  if (!isIndexed) {
    throw wrong(name, `lacks the index ${OPEN_INDEX} as docs/dynamodb.md defines it; ${MIGRATE} with it`);
  }
  if (Replicas.length > 0) {
    throw wrong(
      name,
      "is a global table: of two regions that claim one id both would succeed; have one table a region",
    );
  }
}
