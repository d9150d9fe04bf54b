// Requests about the table itself: what it is, and how it is made.
import type { CreateTableCommandInput, DynamodbClient, TableDescription } from "./client.ts";
import type { Sender } from "./send.ts";

/** Everything rejects with a StorageError, and ends within the time of a call. */
export interface DefinitionRequests {
  /** The name of the table. */
  readonly table: string;
  /** Undefined: there is no table of that name. */
  describe(): Promise<TableDescription | undefined>;
  /** The attribute that TTL goes by, if it is on. */
  timeToLive(): Promise<string | undefined>;
  create(input: Omit<CreateTableCommandInput, "TableName">): Promise<void>;
  enableTimeToLive(attribute: string): Promise<void>;
}

export function createDefinitionRequests(
  client: DynamodbClient,
  table: string,
  { begin, ask }: Sender,
): DefinitionRequests {
  return {
    table,
    describe: () =>
      ask("DescribeTable", begin(), async (signal) => {
        try {
          return (await client.describe(table, signal)).Table;
        } catch (error) {
          if (isNamed(error, "ResourceNotFoundException")) return undefined;
          throw error;
        }
      }),
    timeToLive: () =>
      ask("DescribeTimeToLive", begin(), async (signal) => {
        const { TimeToLiveDescription = {} } = await client.describeTimeToLive(table, signal);
        const { TimeToLiveStatus: status, AttributeName } = TimeToLiveDescription;
        return status === "ENABLED" || status === "ENABLING" ? AttributeName : undefined;
      }),
    create: (input) =>
      ask("CreateTable", begin(), async (signal) => {
        try {
          await client.create({ ...input, TableName: table }, signal);
        } catch (error) {
          // Somebody else makes it, or an earlier request of ours did.
          if (!isNamed(error, "ResourceInUseException")) throw error;
        }
      }),
    enableTimeToLive: (AttributeName) =>
      ask("UpdateTimeToLive", begin(), async (signal) => {
        const TimeToLiveSpecification = { Enabled: true, AttributeName };
        await client.updateTimeToLive({ TableName: table, TimeToLiveSpecification }, signal);
      }),
  };
}

const isNamed = (error: unknown, name: string): boolean => error instanceof Error && error.name === name;
