// Runs the checks of several gateways as tests of one engine.
import { describe, test } from "vitest";
import type { SharingHarness } from "./sharing.ts";
import { SHARING_CHECKS } from "./sharing-checks.ts";

export function runSharingConformance(name: string, createHarness: () => Promise<SharingHarness>): void {
  describe(`${name}: the rules of several gateways`, () => {
    for (const check of SHARING_CHECKS) {
      test(`${check.rule}: ${check.title}`, async () => {
        const harness = await createHarness();
        try {
          await check.run(harness);
        } finally {
          await harness.dispose();
        }
      });
    }
  });
}
