// The kinds of ledger that histories run on: one gateway with its own, or several that share one on an engine
// in memory or on a real one.
import { postgresPlace } from "../conformance/ledger-postgres.ts";
import { HARNESS_LEASE_MS, memoryPlace } from "../conformance/ledger-shared.ts";
import { startDynamodb } from "../support/dynamodb.ts";
import { dynamodbPlace } from "../support/dynamodb-place.ts";
import { startPostgres } from "../support/postgres.ts";
import { RETENTION_MS } from "./plan.ts";
import type { SharedLedgers } from "./simulate.ts";

export const LEDGER_KINDS = ["embedded", "shared", "postgres", "dynamodb"] as const;
export type LedgerKind = (typeof LEDGER_KINDS)[number];

export interface Ledgers {
  /** Undefined: one gateway with a ledger of its own. */
  readonly shared: SharedLedgers | undefined;
  stop(): Promise<void>;
}

/** That of the configuration that histories have, too. */
const LIMITS = { retentionMs: RETENTION_MS, leaseMs: HARNESS_LEASE_MS };

/**
 * Without a time of its own an engine sees each gateway watch the others: one that starts when a lease is almost
 * over watches for another, and again when it is started again.
 */
const LEASES_WATCHED = 3;

export const MEMORY: SharedLedgers = { place: async () => memoryPlace(LIMITS), leasesUntilDead: 1 };

/** Starts the engine where there is one. */
export async function openLedgers(kind: LedgerKind): Promise<Ledgers> {
  switch (kind) {
    case "embedded":
      return { shared: undefined, stop: async () => {} };
    case "shared":
      return { shared: MEMORY, stop: async () => {} };
    case "postgres": {
      const postgres = await startPostgres();
      const place = () => postgresPlace(postgres, RETENTION_MS);
      return { shared: { place, leasesUntilDead: 1 }, stop: postgres.stop };
    }
    case "dynamodb": {
      const dynamodb = await startDynamodb();
      Object.assign(process.env, dynamodb.environment);
      const place = () => dynamodbPlace(dynamodb, LIMITS);
      return { shared: { place, leasesUntilDead: LEASES_WATCHED }, stop: dynamodb.stop };
    }
  }
}
