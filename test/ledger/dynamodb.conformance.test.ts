import { afterAll, beforeAll, vi } from "vitest";
import { HARNESS_RETENTION_MS, type LedgerHarness } from "../conformance/ledger.ts";
import { runLedgerProtocol } from "../conformance/ledger-protocol.ts";
import { createSharedHarness, HARNESS_LEASE_MS, memoryPlace } from "../conformance/ledger-shared.ts";
import { runEngineConformance } from "../conformance/run-engine.ts";
import { runLedgerConformance } from "../conformance/run-ledger.ts";
import { runSharingConformance } from "../conformance/run-sharing.ts";
import { createSharingHarness } from "../conformance/sharing-harness.ts";
import { startDynamodb, type TestDynamodb } from "../support/dynamodb.ts";
import { dynamodbPlace } from "../support/dynamodb-place.ts";

/** Some requests, on a machine that others use too. */
const PATIENCE_MS = 20_000;

let dynamodb: TestDynamodb;
beforeAll(async () => {
  dynamodb = await startDynamodb();
  for (const [name, value] of Object.entries(dynamodb.environment)) vi.stubEnv(name, value);
});
afterAll(async () => {
  await dynamodb.stop();
  vi.unstubAllEnvs();
});

async function harness(): Promise<LedgerHarness> {
  const limits = { retentionMs: HARNESS_RETENTION_MS, leaseMs: HARNESS_LEASE_MS };
  return await createSharedHarness(await dynamodbPlace(dynamodb, limits), PATIENCE_MS);
}

/** A batch of 512 is as many requests to a server of one thread, beside whatever else the machine does. */
const BATCH_CALL_MS = 20_000;

runEngineConformance("DynamoDB", (limits) => dynamodbPlace(dynamodb, limits, BATCH_CALL_MS));
runLedgerConformance("shared, on DynamoDB", harness);
runLedgerProtocol("shared, on DynamoDB", harness);
runSharingConformance("shared, on DynamoDB", async () => {
  const limits = { retentionMs: HARNESS_RETENTION_MS * 100, leaseMs: HARNESS_LEASE_MS };
  return await createSharingHarness(await dynamodbPlace(dynamodb, limits));
});

// The model of the property above is held to the checks itself.
runEngineConformance("memory", async (limits) => memoryPlace(limits));
