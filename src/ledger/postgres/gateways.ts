// Gateways and the settings that they share, in PostgreSQL: their incarnations, and their heartbeats by its time.
import type { Engine, EngineLimits, StoredSettings } from "../shared/engine.ts";
import { codeOf, type Database, type Row } from "./database.ts";
import { unsynced } from "./session.ts";
import type { Statements } from "./statements.ts";

/** Two gateways that register in the same microsecond: the second tries again. */
const REGISTER_TRIES = 5;
const UNIQUE_VIOLATION = "23505";

/** A transaction that began a little later may have been seen; a server's clock is corrected by less. */
const BEHIND_MIN_MS = 1_000;

export interface Gateways extends Pick<Engine, "register" | "beat" | "retire" | "settings" | "putSettings"> {
  /** The name that was registered last; empty: none. */
  registered(): string;
}

/** @param limits those in force now */
export function createGateways(
  database: Database,
  statements: Statements,
  limits: () => EngineLimits,
): Gateways {
  let registered = "";

  return {
    registered: () => registered,
    async register(gateway) {
      for (let tries = 1; ; tries++) {
        try {
          const [row] = await database.run(statements.register, [gateway]);
          registered = gateway;
          return Number(row?.incarnation);
        } catch (error) {
          if (codeOf(error) !== UNIQUE_VIOLATION || tries === REGISTER_TRIES) throw error;
        }
      }
    },
    async beat(gateway, incarnation, confirmed) {
      const [row] = await database.run(statements.beat, [gateway, incarnation, limits().leaseMs, confirmed]);
      // It can be turned off while the server runs.
      if (row?.fsync === "off") throw unsynced();
      return {
        current: row !== undefined,
        gateways: Number(row?.gateways ?? 1),
        settings: storedIn(row),
        confirmed: Number(row?.confirmed ?? 0),
        behindMs: behindOf(row),
      };
    },
    async retire(gateway, incarnation) {
      await database.run(statements.retire, [gateway, incarnation]);
    },
    async settings() {
      const [row] = await database.run(statements.settings);
      return storedIn(row);
    },
    async putSettings(from, { version, text }) {
      const rows =
        from === 0
          ? await database.run(statements.putFirstSettings, [version, text])
          : await database.run(statements.putSettings, [version, text, from]);
      return rows.length > 0;
    },
  };
}

const storedIn = (row: Row | undefined): StoredSettings | undefined =>
  typeof row?.settings === "string" ? { version: Number(row.version), text: row.settings } : undefined;

/** Milliseconds; 0 when it is too little to say anything. */
export function behindOf(row: Row | undefined): number {
  const ms = Number(row?.behind_ms ?? 0);
  return ms < BEHIND_MIN_MS ? 0 : ms;
}
