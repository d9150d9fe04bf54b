// Runs the checks of several gateways as tests of one engine.
import { test as base, describe } from "vitest";
import { SHARING_CHECKS, type SharingHarness } from "./sharing.ts";

export function runSharingConformance(name: string, createHarness: () => Promise<SharingHarness>): void {
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads from the pattern what a fixture needs
  const test = base.extend("harness", async ({}, { onCleanup }) => {
    const harness = await createHarness();
    onCleanup(() => harness.dispose());
    return harness;
  });

  describe(`${name}: the rules of several gateways`, () => {
    for (const check of SHARING_CHECKS) {
      test(`${check.rule}: ${check.title}`, async ({ harness }) => {
        await check.run(harness);
      });
    }
  });
}
