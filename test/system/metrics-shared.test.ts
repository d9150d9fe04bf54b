// Every metric of a shared ledger moves, through the outside of a built gateway; see metrics.test.ts.
import { SHARED_STEPS } from "../support/metric-steps-shared.ts";
import { test } from "../support/place-postgres.ts";
import { untilMoved } from "../support/scrape.ts";

test.for(SHARED_STEPS.map((step) => [step.name, step] as const))(
  "%s",
  async ([, { moves, play }], { place, postgres, schema }) => {
    const { gateway, before } = await play(place, postgres, schema);
    await untilMoved(gateway, before, moves);
  },
);
