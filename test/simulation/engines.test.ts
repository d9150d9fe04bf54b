// The same histories with the shared ledger on real engines: PostgreSQL, and DynamoDB's protocol as dynalite
// speaks it. The simulation's time stands while an engine is asked.
import { expect, test } from "vitest";
import { textOf } from "./history.ts";
import { type LedgerKind, openLedgers } from "./ledgers.ts";
import { EVERYONE } from "./people.ts";
import { simulate } from "./simulate.ts";

/** Histories each time: on PostgreSQL four seconds or so each. */
const FIXED = { first: 1, count: 8 } as const;
const FRESH = 4;

/** For a start of the engine and all of them, on a machine that others use too. */
const PATIENCE_MS = 300_000;

const KINDS: readonly LedgerKind[] = ["postgres", "dynamodb"];

test.each(KINDS)(
  "histories of gateways that share a ledger keep every promise on %s",
  async (kind) => {
    const first = Math.floor(Math.random() * 2 ** 31);
    console.log(`npm run simulate -- --ledger ${kind} --seed ${first} --runs ${FRESH}`);
    const { shared, stop } = await openLedgers(kind);
    expect(shared).toBeDefined();
    const seeds = [
      ...Array.from({ length: FIXED.count }, (_, at) => FIXED.first + at),
      ...Array.from({ length: FRESH }, (_, at) => first + at),
    ];
    try {
      for (const seed of seeds) {
        const { events, violations } = await simulate(seed, {}, shared, EVERYONE);
        if (violations.length === 0) continue;
        const broken = violations.map(({ promise, seq, text }) => `${promise} at ${seq}: ${text}`);
        throw new Error(`${kind}, seed ${seed}\n${broken.join("\n")}\n${textOf(events)}`);
      }
    } finally {
      await stop();
    }
  },
  PATIENCE_MS,
);
