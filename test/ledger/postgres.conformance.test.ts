import { afterAll, beforeAll } from "vitest";
import { postgresHarness, postgresPlace, postgresSharingHarness } from "../conformance/ledger-postgres.ts";
import { runLedgerProtocol } from "../conformance/ledger-protocol.ts";
import { runEngineConformance } from "../conformance/run-engine.ts";
import { runLedgerConformance } from "../conformance/run-ledger.ts";
import { runSharingConformance } from "../conformance/run-sharing.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

runLedgerConformance("shared, on PostgreSQL", () => postgresHarness(postgres));
runSharingConformance("shared, on PostgreSQL", () => postgresSharingHarness(postgres));
runLedgerProtocol("shared, on PostgreSQL", () => postgresHarness(postgres));
runEngineConformance("PostgreSQL", ({ retentionMs, leaseMs }) =>
  postgresPlace(postgres, retentionMs, leaseMs),
);
