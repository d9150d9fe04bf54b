// How far a mail has come, as a row of steps.
import { expect, test } from "vitest";
import type { Explained } from "../../src/operator/explain/words.ts";
import { stepsOf, timeline } from "../../src/operator/pages/timeline.ts";

const mail = { attempts: 0, state: "due" } as const;
const attempt = { kind: "attempt", at: "", upstream: "ses" } as const;
const told = { at: "", learnedAt: "" } as const;
test.each<{ says: string; of: Partial<Explained> }>([
  { says: "◌ accepted ○ relayed", of: { ledger: { state: "claimed", holder: "here" } } },
  { says: "● accepted ○ relayed", of: { ledger: { state: "queued", holder: "here" }, mail } },
  {
    says: "● accepted ● attempts 1 to 12 ◌ held ○ relayed",
    of: {
      ledger: { state: "queued", holder: "here" },
      mail: { attempts: 12, state: "held", hold: "operator" },
    },
  },
  {
    says: "● accepted ● attempt 1 ● refused ○ reported",
    of: { mail: { attempts: 1, state: "ended", ended: { reason: "refused", reply: "550", at: "" } } },
  },
  {
    says: "● accepted ● attempt 1 ● relayed ○ reported",
    of: { mail: { attempts: 1, state: "ended", ended: { reason: "relayed", reply: "250", at: "" } } },
  },
  { says: "● accepted ● relayed", of: { ledger: { state: "relayed" } } },
  { says: "● accepted ● relayed ● forgotten", of: { ledger: { state: "forgotten" } } },
  {
    says: "● accepted ● attempt 1 ● refused",
    of: {
      timeline: [
        { ...attempt, outcome: "refused" },
        { kind: "repeats", at: "", count: 1 },
      ],
    },
  },
  {
    says: "● accepted ● given up",
    of: { timeline: [{ kind: "ended", at: "", reason: "expired", cause: "" }] },
  },
  { says: "● accepted ● removed", of: { timeline: [{ kind: "decision", at: "", decision: "removed" }] } },
  {
    says: "● accepted ● attempt 1 ● doubtful ● relayed",
    of: { ledger: { state: "relayed" }, timeline: [{ ...attempt, outcome: "doubtful" }] },
  },
  {
    says: "● accepted ● relayed ● delivered",
    of: { ledger: { state: "relayed" }, timeline: [{ ...told, kind: "delivered" }] },
  },
  {
    says: "● accepted ● relayed ● bounced",
    of: {
      ledger: { state: "relayed" },
      timeline: [
        { ...told, kind: "delivered" },
        { ...told, kind: "bounced" },
      ],
    },
  },
  {
    says: "● accepted ● relayed ● delivered ● a reply that the upstream takes for a bounce (Transient)",
    of: {
      ledger: { state: "relayed" },
      timeline: [
        { ...told, kind: "delivered" },
        { ...told, kind: "bounced", bounceType: "Transient" },
      ],
    },
  },
  {
    says: "● accepted ● attempt 1 ● attempt 2 ● relayed",
    of: {
      ledger: { state: "relayed" },
      timeline: [
        { kind: "accepted", at: "" },
        { ...attempt, outcome: "accepted" },
        { ...told, kind: "bounced", bounceType: "Permanent" },
        { kind: "accepted", at: "" },
        { ...attempt, outcome: "accepted" },
      ],
    },
  },
  {
    says: "● accepted ● relayed ○ delivered",
    of: { ledger: { state: "relayed" }, timeline: [{ ...told, kind: "delayed" }] },
  },
  {
    says: "● accepted ● relayed ● complained about",
    of: { ledger: { state: "relayed" }, timeline: [{ ...told, kind: "complained" }] },
  },
  {
    says: "● accepted ◐ doubtful ○ relayed",
    of: { ledger: { state: "doubtful", holder: "elsewhere" } },
  },
])("$says", ({ says, of }) => {
  const explained: Explained = {
    ...{ id: "a".repeat(32) as Explained["id"], answer: "", ledger: { state: "absent" }, timeline: [] },
    ...of,
  };
  const signs = { done: "●", now: "◌", doubt: "◐", open: "○" };
  expect(
    stepsOf(explained)
      .map(({ mark, text }) => `${signs[mark]} ${text}`)
      .join(" "),
  ).toBe(says);
});

test.each([
  ["ses", "evidence from ses: <strong>the upstream took it</strong>"],
  // Its operator may have decided so without knowing.
  ["another gateway", "settled by another gateway: <strong>it counts as relayed</strong>"],
])("what ended a doubt: %s", (source, says) => {
  const explained: Explained = {
    ...{ id: "a".repeat(32), answer: "", ledger: { state: "relayed" } },
    timeline: [{ kind: "evidence", at: "2026-11-28T00:00:00Z", source }],
  };
  expect(String(timeline(explained))).toContain(says);
});
