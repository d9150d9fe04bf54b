// Runs the ledger's checks as tests of one implementation.
import { describe, test } from "vitest";
import { LEDGER_CHECKS, type LedgerHarness, type LedgerRule } from "./ledger.ts";

export interface LedgerSkip {
  readonly reason: string;
  readonly rules: readonly LedgerRule[];
}

/** @param skip what does not apply to the implementation, and why */
export function runLedgerConformance(
  name: string,
  createHarness: () => Promise<LedgerHarness>,
  { skip = [] }: { skip?: readonly LedgerSkip[] } = {},
): void {
  describe(`${name}: the ledger's rules`, () => {
    for (const check of LEDGER_CHECKS) {
      test(`${check.rule}: ${check.title}`, async (context) => {
        const skipped = skip.find(({ rules }) => rules.includes(check.rule));
        if (skipped !== undefined) return context.skip(skipped.reason);
        const harness = await createHarness();
        try {
          const lacking = check.needs?.find((need) => harness[need] === undefined);
          if (lacking !== undefined) return context.skip(`the harness can't ${lacking}`);
          await check.run(harness);
        } finally {
          await harness.dispose();
        }
      });
    }
  });
}
