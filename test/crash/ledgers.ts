// The ledger of a gateway that is killed, where it is not the embedded one.
import type { TestServer } from "../several/server.ts";
import type { Settings } from "../support/process.ts";

export interface CycledLedger {
  readonly settings: Settings;
  remove(): Promise<void>;
}

/** A database of its own. */
export async function postgresLedger(server: TestServer): Promise<CycledLedger> {
  const database = await server.database();
  return {
    settings: { LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: database.url },
    remove: () => database.close(),
  };
}
