import { afterAll, beforeAll } from "vitest";
import { postgresHarness } from "../conformance/ledger-postgres.ts";
import { runLedgerProtocol } from "../conformance/ledger-protocol.ts";
import { runLedgerConformance } from "../conformance/run-ledger.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

runLedgerConformance("shared, on PostgreSQL", () => postgresHarness(postgres));
runLedgerProtocol("shared, on PostgreSQL", () => postgresHarness(postgres));
