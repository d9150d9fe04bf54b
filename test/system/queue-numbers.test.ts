// Three upstreams, of which one is away, one puts off and one is paused: all that say how much waits where say the same.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { freePort } from "../support/peers.ts";
import { test } from "../support/place.ts";
import { fillThreeWays, numbersOf, THREE_WAYS } from "../support/queue-numbers.ts";

// Some fifty commands, each a process.
test("status, queue list and metrics give equal numbers", { timeout: 300_000 }, async ({ place }) => {
  const puttingOff = await place.smtp({ script: "refuse-rcpt-4" });
  const file = join(place.folder, "mailonce.toml");
  writeFileSync(file, THREE_WAYS({ away: await freePort(), late: puttingOff.port }));
  const settings = { CONFIG: file, DATA_DIR: place.data, SMTP_PORT: 0 };
  const gateway = await place.start(settings);
  await fillThreeWays(gateway, settings, 40);
  const { status, list, metrics } = await numbersOf(gateway, settings);
  expect(status).toEqual({
    "away due": 40,
    "late waiting": 40,
    "paused due": 35,
    "paused held": 5,
  });
  expect(list).toEqual(status);
  expect(metrics).toEqual(status);
});
