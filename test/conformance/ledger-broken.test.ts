import { describe, expect, test } from "vitest";
import { brokenRules, LEDGER_RULES } from "./ledger.ts";
import { BROKEN_LEDGERS } from "./ledger-broken.ts";
import { memoryHarness } from "./ledger-embedded.ts";
import { sharedMemoryHarness } from "./ledger-shared.ts";

test("there is a broken ledger for each rule", () => {
  expect(BROKEN_LEDGERS.map(({ rule }) => rule)).toEqual(LEDGER_RULES);
});

describe.each([
  ["embedded", memoryHarness, false],
  ["shared", sharedMemoryHarness, true],
] as const)("the suite on the %s ledger", (_, createHarness, isShared) => {
  test.each(BROKEN_LEDGERS.map((one) => [`${one.rule}: ${one.defect}`, one] as const))(
    "finds the broken %s",
    async (_, { rule, alsoFails, create, createShared = create }) => {
      const broken = await brokenRules(() => createHarness((isShared ? createShared : create)()));
      const expected = [rule, ...(alsoFails ?? []).map((also) => also.rule)];
      const sort = (rules: readonly string[]) => [...rules].sort();
      expect(sort([...broken.keys()]), [...broken.values()].flat().join("\n")).toEqual(sort(expected));
    },
  );

  test("finds nothing broken in the real one", async () => {
    expect([...(await brokenRules(() => createHarness()))]).toEqual([]);
  });
});
