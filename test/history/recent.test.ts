// What the overview says became of a mail, out of events that come in any order.
import { expect, test } from "vitest";
import type { MailFate } from "../../src/history/fate.ts";
import { createRecent } from "../../src/history/recent.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { idOf } from "../support/transmission.ts";

const HOUR = 3_600_000;
const ACCEPTED = { upstream: "ses", outcome: "accepted", upstreamId: "X" } as const;
const DELIVERED: MailFate = { kind: "delivered" };
const bounced = (bounceType: string): MailFate => ({ kind: "bounced", bounceType });

/** One mail that was relayed at 10:00. */
function open() {
  const recent = createRecent(createManualClock(10 * HOUR));
  recent.accepted({ submission: "s", client: "192.0.2.1" }, [{ id: idOf(1), recipient: "a@example.net" }]);
  recent.attempted(idOf(1), ACCEPTED);
  return {
    say: (fate: MailFate, happenedAt = 10 * HOUR) =>
      recent.told(idOf(1), { ...fate, source: "ses", upstreamId: "X", happenedAt }),
    became: () => recent.list()[0]?.became,
  };
}

test.each<{ readonly fates: readonly MailFate[]; readonly shows: MailFate["kind"] }>([
  { fates: [DELIVERED, bounced("Transient")], shows: "delivered" },
  { fates: [bounced("Undetermined"), DELIVERED], shows: "delivered" },
  { fates: [DELIVERED, bounced("Permanent")], shows: "bounced" },
  { fates: [bounced("Permanent"), DELIVERED], shows: "bounced" },
  { fates: [{ kind: "delayed" }, bounced("Transient"), { kind: "delayed" }], shows: "bounced" },
  { fates: [{ kind: "complained" }, DELIVERED, bounced("Transient")], shows: "complained" },
])("$fates: $shows", ({ fates, shows }) => {
  const { say, became } = open();
  for (const fate of fates) say(fate);
  expect(became()).toMatchObject({ kind: "fate", fate: shows });
});

test("what happened before the mail was accepted is of an earlier one, but clocks differ", () => {
  const { say, became } = open();
  say(bounced("Permanent"), 9 * HOUR);
  expect(became()).toMatchObject({ kind: "attempt" });
  say(DELIVERED, 10 * HOUR - 30_000);
  expect(became()).toMatchObject({ fate: "delivered" });
});
