// The table of the ledger: its definition, how it is made, and what is looked at before it is used.
// examples/dynamodb/ has the same definition for CloudFormation and Terraform.
import type { Log } from "../../runtime/log.ts";
import { StorageError } from "../../storage/storage.ts";
import {
  type CreateTableCommandInput,
  type DynamodbOptions,
  type DynamodbTable,
  KEY,
  openDynamodbTable,
  type TableDescription,
} from "./client.ts";
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
  const table = openDynamodbTable(options);
  try {
    const isThere = (await table.describe()) !== undefined;
    if (!isThere) await table.create(TABLE_DEFINITION);
    await untilActive(table);
    await expireItems(table);
    return isThere ? "found" : "made";
  } finally {
    table.close();
  }
}

async function expireItems(table: DynamodbTable): Promise<void> {
  if ((await table.timeToLive()) === EXPIRES) return;
  try {
    await table.enableTimeToLive(EXPIRES);
  } catch (error) {
    // Somebody else was quicker, or an earlier request of ours.
    if ((await table.timeToLive()) !== EXPIRES) throw error;
  }
}

async function untilActive(table: DynamodbTable): Promise<void> {
  const until = performance.now() + MAKING_MAX_MS;
  for (let wait = LOOK_FIRST_MS; ; wait = Math.min(2 * wait, LOOK_MAX_MS)) {
    const description = await table.describe();
    // A table that has just been made may not be known everywhere.
    if (description !== undefined) {
      assertFits(table.name, description);
      if (isActive(description)) return;
    }
    if (performance.now() > until) throw wrong(table.name, "is not ready after five minutes");
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** Rejects with a StorageError that says what to do. */
export async function checkDynamodbTable(table: DynamodbTable, log: Log): Promise<void> {
  const description = await table.describe();
  if (description === undefined) throw wrong(table.name, `does not exist; ${MIGRATE}`);
  assertFits(table.name, description);
  if (!isActive(description)) throw wrong(table.name, "is still being made");
  if ((await table.timeToLive()) !== EXPIRES) {
    log.warn("ledger.ttl_off", { table: table.name, attribute: EXPIRES });
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
