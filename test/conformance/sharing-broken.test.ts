import { describe, expect, test } from "vitest";
import { brokenSharingRules, SHARING_RULES } from "./sharing.ts";
import { BROKEN_SHARINGS } from "./sharing-broken.ts";
import { memorySharingHarness } from "./sharing-harness.ts";

describe("the suite of several gateways", () => {
  test("has a defect for each rule", () => {
    expect(BROKEN_SHARINGS.map(({ rule }) => rule)).toEqual(SHARING_RULES);
  });

  test.each(BROKEN_SHARINGS.map((one) => [`${one.rule}: ${one.defect}`, one] as const))(
    "finds the broken %s",
    async (_, { rule, alsoFails, create }) => {
      const broken = await brokenSharingRules(() => memorySharingHarness(create()));
      const expected = [rule, ...(alsoFails ?? []).map((also) => also.rule)];
      const sort = (rules: readonly string[]) => [...rules].sort();
      expect(sort([...broken.keys()]), [...broken.values()].flat().join("\n")).toEqual(sort(expected));
    },
  );

  test("finds nothing broken in the real one", async () => {
    expect([...(await brokenSharingRules(() => memorySharingHarness()))]).toEqual([]);
  });
});
