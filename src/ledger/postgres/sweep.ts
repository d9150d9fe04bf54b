// Removes expired records in bounded steps, and gateways without a beat for long.
import type { EngineLimits, ExpiredDoubt, Swept } from "../shared/engine.ts";
import type { Database, Row } from "./database.ts";
import { octetsOf } from "./rows.ts";
import { type Statements, SWEEP_ROWS } from "./statements.ts";

/** Gateways without a beat for so long are forgotten, and all that they held. */
const GATEWAY_KEPT_MIN_MS = 86_400_000;

/** As in Engine. */
export type Sweep = (announce: (doubt: ExpiredDoubt) => void) => Promise<Swept>;

/**
 * @param limits those in force now
 * @param registered the name of this gateway; empty while it has none
 */
export function createSweep(
  database: Database,
  statements: Statements,
  limits: () => EngineLimits,
  registered: () => string,
): Sweep {
  /** Where the next step goes on. */
  let sweptTo: Uint8Array = new Uint8Array();

  /** As the statements take them. Asked for each: they may change between two. */
  const inForce = () => [limits().leaseMs, limits().retentionMs];

  return async (announce) => {
    const relayed = await database.run(statements.sweepRelayed, [limits().retentionMs]);
    const page = await database.run(statements.underWay, [Buffer.from(sweptTo), ...inForce()]);
    const due = page.filter((row) => row.due === true);
    for (const doubt of doubtsOf(due)) announce(doubt);
    const held =
      due.length === 0
        ? []
        : await database.run(statements.sweepHeld, [
            due.map(({ id }) => id),
            due.map(({ fence }) => fence),
            ...inForce(),
          ]);
    const isLastPage = page.length < SWEEP_ROWS;
    sweptTo = isLastPage ? new Uint8Array() : octetsOf(page.at(-1)?.id);
    if (isLastPage) {
      await database.run(statements.sweepGateways, [
        Math.max(limits().retentionMs, GATEWAY_KEPT_MIN_MS),
        registered(),
      ]);
    }
    return {
      removed: relayed.length + held.length,
      doubts: doubtsOf(held),
      more: relayed.length === SWEEP_ROWS || !isLastPage,
    };
  };
}

const doubtsOf = (rows: readonly Row[]): ExpiredDoubt[] =>
  rows.flatMap(({ id, first_date: firstDate }) =>
    typeof firstDate === "string" ? [{ key: octetsOf(id), firstDate }] : [],
  );
