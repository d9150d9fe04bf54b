// What SES's events change where SES loses answers. `npm run lost-answers` is the same with 10,000 mails.
import { expect, test } from "vitest";
import { runMails } from "./mails.ts";

const SEED = 20131210;

/** More goes wrong than at full size, so that few mails show it. */
const small = {
  ...{ mails: 300, wait: "10s", rate: 1_000, seed: SEED },
  shares: { lost: 0.2, twice: 0.2, late: 0.1, never: 0.05 },
};
const LOST = 60;
const LATE = 6;
const NEVER = 3;

test("without events each lost answer is a second copy under resend, and a mail that waits under hold", async () => {
  const resend = await runMails({ ...small, policy: "resend", withEvents: false });
  expect(resend).toMatchObject({ several: LOST, held: 0, settled: 0, lost: 0, faults: [] });
  const hold = await runMails({ ...small, policy: "hold", withEvents: false });
  expect(hold).toMatchObject({ several: 0, held: LOST, settled: 0, lost: 0, faults: [] });
});

test("with events in any order and twice only those are that came late or never", async () => {
  const runs = (["resend", "hold"] as const).map((policy) =>
    runMails({ ...small, policy, withEvents: true }),
  );
  const [resend, hold] = await Promise.all(runs);
  expect(resend).toMatchObject({ severalInTime: 0, held: 0, lost: 0, faults: [] });
  expect(resend?.several).toBeGreaterThanOrEqual(NEVER);
  expect(resend?.several).toBeLessThanOrEqual(NEVER + LATE);
  expect(hold).toMatchObject({ several: 0, held: NEVER, settled: LOST - NEVER, lost: 0, faults: [] });
});
