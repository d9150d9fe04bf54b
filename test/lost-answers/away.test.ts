// A gateway that was away for longer than the wait: what SES has said meanwhile is in the queue, and counts before policy acts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Build, build, startTested } from "../crash/gateway-process.ts";
import { submitTo } from "../several/mailers.ts";
import { makeFolder, PRESENT, startProcess } from "../support/process.ts";
import { CREDENTIALS } from "../support/scripted-ses.ts";
import { openWorld } from "./world.ts";

const MAILS = 40;
const HOUR_MS = 3_600_000;

let built: Build;
beforeAll(() => {
  built = build();
});
afterAll(() => built.remove());

test("under resend nothing goes twice that SES said it took, an hour after a kill", async () => {
  const shares = { lost: 1, twice: 0, late: 1, never: 0 };
  const world = await openWorld({ mails: MAILS, shares, rate: 1_000, seed: 1, hiddenSeconds: 2 });
  const folder = makeFolder();
  const settings = {
    ...{ DATA_DIR: folder.path, LEDGER_DOUBTFUL: "resend", UPSTREAM_SES_EVENTS_WAIT: "5m" },
    ...{ ...world.upstream, ...world.queue },
  };
  try {
    const first = await startProcess(settings, { ...PRESENT, environment: CREDENTIALS });
    await submitTo(first.port, world.mails);
    await first.logged("transmission.doubtful", MAILS);
    await first.kill();
    await world.inOrder();
    await world.published();
    const again = await startTested({
      ...{ build: built, settings, environment: CREDENTIALS },
      plan: { clockOffsetMs: HOUR_MS },
    });
    await world.emptied();
    again.signal("SIGTERM");
    expect(await again.exited, again.stderr()).toBe(0);
    expect(world.ses.taken).toHaveLength(MAILS);
    expect(again.lines.filter(({ event }) => event === "evidence.settled")).toHaveLength(MAILS);
  } finally {
    await world.close();
    folder.remove();
  }
});
