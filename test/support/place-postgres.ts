// The set-up of tests whose gateways share a ledger on PostgreSQL: one server for the file, a schema for each test.
import { test as testWithPlace } from "./place.ts";
import { startPostgres } from "./postgres.ts";

export const test = testWithPlace
  .extend("postgres", { scope: "file" }, async ({ shared }) => {
    const postgres = await startPostgres();
    shared.atEnd(() => postgres.stop());
    return postgres;
  })
  .extend("schema", async ({ place, postgres }) => {
    const schema = await postgres.schema();
    place.atEnd(() => schema.drop());
    return schema;
  });
