// Every metric moves, through the outside of a built gateway. A metric that nothing moves would be one that nobody sets.
import { expect } from "vitest";
import { STEPS } from "../support/metric-steps.ts";
import { SHARED_STEPS } from "../support/metric-steps-shared.ts";
import { test } from "../support/place.ts";
import { everySeries, fixedLabels } from "../support/readings.ts";
import { untilMoved } from "../support/scrape.ts";

test.concurrent.for(STEPS.map((step) => [step.name, step] as const))(
  "%s",
  async ([, { moves, play }], { place, skip }) => {
    const moving = await play(place);
    if (typeof moving === "string") return skip(moving);
    await untilMoved(moving.gateway, moving.before, moves);
  },
);

test("each metric that there is, with each of its listed labels, is moved by a step", async () => {
  const moved = new Set([...STEPS, ...SHARED_STEPS].flatMap(({ moves }) => moves.map(fixedLabels)));
  const never = (await everySeries()).filter((series) => !moved.has(series));
  // What may be taken at most is a setting.
  expect(never).toEqual(
    ["attempts_max", "receiving_max"].map((kind) => `mailonce_memory_budget_bytes{kind="${kind}"}`),
  );
});
