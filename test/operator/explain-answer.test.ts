// The answer to "what became of this mail?", of every kind that there is; and what visitors get of it.
import { describe, expect, test } from "vitest";
import type { MailFate } from "../../src/history/fate.ts";
import type { HistoryEvent } from "../../src/history/history.ts";
import type { Looked } from "../../src/ledger/ledger.ts";
import { answerOf, isKnown, NOTHING_KNOWN } from "../../src/operator/explain/answer.ts";
import type { ExplainFacts } from "../../src/operator/explain/words.ts";
import type { QueueMail } from "../../src/operator/queue/words.ts";
import { maskedFacts } from "../../src/operator/routes/masked-mail.ts";

const at = (time: string): number => Date.parse(`2026-11-27T${time}Z`);
const digest = new Uint8Array(16);

const ABSENT: Looked = { state: "absent" };
const RELAYED: Looked = { state: "relayed", at: at("00:41:07"), digest };
const QUEUED: Looked = { state: "queued", holder: "here" };
const DOUBT = { firstDate: "", changedAt: at("00:41:08"), digest } as const;
const DOUBTFUL: Looked = { state: "doubtful", holder: "here", ...DOUBT };

const attempt = (
  time: string,
  outcome: Extract<HistoryEvent, { kind: "attempt" }>["outcome"],
  reply?: string,
): HistoryEvent => ({ kind: "attempt", at: at(time), upstream: "ses", outcome, reply });
/** To a visitor no upstream has a place. */
const unplaced = (text: string): string => text.replace(/\bses\b/, "the upstream");
const ACCEPTED: HistoryEvent = {
  ...{ kind: "accepted", at: at("00:41:00"), submission: "s1", task: "secret-task", client: "192.0.2.7" },
  ...{ user: "secret-user", reversePath: "secret@sender.example", recipient: "person@example.net" },
};
const repeats = (count: number): HistoryEvent => ({ kind: "repeats", at: at("00:50:00"), count });

const told = (time: string, fate: MailFate): HistoryEvent => ({
  ...{ at: at("02:00:00"), happenedAt: at(time), source: "ses", upstreamId: "secret-name" },
  ...fate,
});
const BOUNCED: MailFate = {
  ...{ kind: "bounced", bounceType: "Permanent", bounceSubType: "General", status: "5.1.1" },
  diagnostic: "smtp; 550 5.1.1 <person@example.net> unknown",
};

const mail = (more: Partial<QueueMail> = {}): QueueMail => ({
  ...{ id: "a".repeat(32), messageId: "<secret@mailer.example>", submission: "s1", state: "waiting" },
  ...{ recipient: "person@example.net", acceptedAt: "2026-11-27T00:41:00.000Z" },
  ...{ attempts: 0, upstream: "ses", size: 100, dueAt: "2026-11-27T00:45:00.000Z" },
  ...more,
});
const replied = { attempts: 2, lastReply: "450 secret reply", lastUpstream: "ses" } as const;

interface Row {
  readonly says: string;
  readonly facts: Partial<ExplainFacts>;
  /** To a visitor, where that is another. */
  readonly masked?: string;
}

const ROWS: readonly Row[] = [
  {
    says: "Relayed once, at 2026-11-27T00:41:07Z by ses; 4 repeats dropped.",
    facts: { looked: RELAYED, events: [repeats(3), repeats(1), attempt("00:41:07", "accepted"), ACCEPTED] },
  },
  {
    says:
      "Relayed once, at 2026-11-27T00:41:07Z by ses; delivered at 2026-11-27T00:41:09Z; " +
      "complained about (abuse) at 2026-11-27T00:59:00Z; no repeats so far.",
    masked:
      "Relayed once, at 2026-11-27T00:41:07Z by ses; delivered at 2026-11-27T00:41:09Z; " +
      "complained about at 2026-11-27T00:59:00Z; no repeats so far.",
    facts: {
      looked: RELAYED,
      events: [
        // Told in another order than it happened in.
        told("00:41:08", { kind: "delayed", delayType: "MailboxFull", diagnostic: "secret" }),
        told("00:41:09", { kind: "delivered", reply: "250 secret" }),
        told("00:59:00", { kind: "complained", feedbackType: "abuse" }),
        attempt("00:41:07", "accepted"),
      ],
    },
  },
  {
    says:
      "Relayed once, at 2026-11-27T00:41:07Z by ses; bounced permanently at 2026-11-27T00:41:09Z; 1 repeat dropped. " +
      "The reason: 550 5.1.1 <person@example.net> unknown",
    masked:
      "Relayed once, at 2026-11-27T00:41:07Z by ses; bounced permanently at 2026-11-27T00:41:09Z; 1 repeat dropped.",
    facts: {
      looked: RELAYED,
      events: [repeats(1), told("00:41:09", BOUNCED), attempt("00:41:07", "accepted")],
    },
  },
  {
    says:
      "Relayed once, at 2026-11-27T00:41:07Z by ses; not delivered yet (MailboxFull) at 2026-11-27T00:41:09Z; " +
      "no repeats so far. The reason: secret",
    masked:
      "Relayed once, at 2026-11-27T00:41:07Z by ses; not delivered yet at 2026-11-27T00:41:09Z; no repeats so far.",
    facts: {
      looked: RELAYED,
      events: [
        told("00:41:09", { kind: "delayed", delayType: "MailboxFull", diagnostic: "secret" }),
        attempt("00:41:07", "accepted"),
      ],
    },
  },
  {
    says:
      "Relayed once, at 2026-11-27T00:41:07Z by ses; " +
      "rejected by the upstream at 2026-11-27T00:41:09Z; no repeats so far. " +
      "The reason: Bad content (secret)",
    masked:
      "Relayed once, at 2026-11-27T00:41:07Z by ses; " +
      "rejected by the upstream at 2026-11-27T00:41:09Z; no repeats so far.",
    facts: {
      looked: RELAYED,
      events: [
        told("00:41:09", { kind: "rejected", reason: "Bad content (secret)" }),
        attempt("00:41:07", "accepted"),
      ],
    },
  },
  {
    says:
      "Relayed once, at 2026-11-27T00:41:07Z by ses; delivered at 2026-11-27T00:41:09Z; then a reply that the upstream takes " +
      "for a bounce (Transient) at 2026-11-27T00:41:20Z; no repeats so far.",
    facts: {
      looked: RELAYED,
      events: [
        told("00:41:20", { kind: "bounced", bounceType: "Transient", diagnostic: "secret" }),
        told("00:41:09", { kind: "delivered", reply: "250 secret" }),
        attempt("00:41:07", "accepted"),
        ACCEPTED,
      ],
    },
  },
  {
    says:
      "Relayed once, at 2026-11-27T00:41:07Z by ses; bounced permanently at 2026-11-27T00:41:20Z; no repeats so far. " +
      "The reason: 550 5.1.1 <person@example.net> unknown",
    masked:
      "Relayed once, at 2026-11-27T00:41:07Z by ses; bounced permanently at 2026-11-27T00:41:20Z; no repeats so far.",
    facts: {
      looked: RELAYED,
      events: [
        told("00:41:20", BOUNCED),
        told("00:41:10", { kind: "bounced", bounceType: "Undetermined" }),
        told("00:41:09", { kind: "delivered" }),
        attempt("00:41:07", "accepted"),
      ],
    },
  },
  ...[
    [{ kind: "decision", at: at("00:30:00"), decision: "forgotten", next: "forgotten" } as const],
    // At another gateway, which this one has not seen.
    [],
  ].map((forgotten) => ({
    says: "Relayed 2 times, last at 2026-11-27T00:41:07Z by ses; no repeats so far.",
    facts: {
      looked: RELAYED,
      events: [
        ...[attempt("00:41:07", "accepted"), ACCEPTED, ...forgotten, told("00:20:02", BOUNCED)],
        ...[attempt("00:20:01", "accepted"), { ...ACCEPTED, at: at("00:20:00") }],
      ],
    },
  })),
  {
    says: "Relayed, as ses says; delivered at 2026-11-27T00:41:09Z. The ledger does not have it any more: a new submission is relayed again.",
    facts: { events: [told("00:41:09", { kind: "delivered" })] },
  },
  {
    says: "Relayed 2 times, last at 2026-11-27T00:41:07Z by ses; no repeats so far.",
    facts: { looked: RELAYED, events: [attempt("00:41:07", "accepted"), attempt("00:40:00", "accepted")] },
  },
  {
    says: "Relayed, at 2026-11-27T00:41:07Z; 1 repeat dropped here.",
    facts: { looked: RELAYED, events: [repeats(1)] },
  },
  {
    says: "Counts as relayed since 2026-11-27T00:41:07Z: an operator decided so; no repeats so far.",
    facts: {
      looked: RELAYED,
      events: [{ kind: "decision", at: at("00:41:07"), decision: "relayed", next: "relayed" }],
    },
  },
  {
    says: "Counts as relayed since 2026-11-27T00:41:07Z: no answer came, and doubtful mail is dropped; no repeats so far.",
    facts: {
      looked: RELAYED,
      events: [{ kind: "ended", at: at("00:41:07"), reason: "dropped", cause: "it hung" }],
    },
  },
  {
    says: "Relayed at 2026-11-27T00:41:07Z, and forgotten by an operator: the next mail with this id is relayed again.",
    facts: { looked: { state: "forgotten", at: at("00:41:07"), forgottenAt: at("01:00:00"), digest } },
  },
  {
    says: "Held: ses gave no answer at 2026-11-27T00:41:07Z. It may have this mail.",
    facts: {
      looked: DOUBTFUL,
      mail: mail({ state: "held", hold: "doubt", doubtful: true, attempts: 1 }),
      events: [attempt("00:41:07", "doubtful", "secret"), ACCEPTED],
    },
  },
  {
    says: "Held: the upstream gave no answer at 2026-11-27T00:41:08Z. It may have this mail.",
    facts: { looked: DOUBTFUL, mail: mail({ state: "held", hold: "doubt", doubtful: true }) },
  },
  {
    says: "Held by an operator: it is not attempted until somebody releases it.",
    facts: { looked: QUEUED, mail: mail({ state: "held", hold: "operator" }) },
  },
  {
    says:
      "Held by an operator: it is not attempted until somebody releases it. " +
      "The upstream gave no answer at 2026-11-27T00:41:08Z, and may have this mail.",
    facts: { looked: DOUBTFUL, mail: mail({ state: "held", hold: "operator", doubtful: true }) },
  },
  {
    says: "Being attempted now, for the third time.",
    facts: { looked: QUEUED, mail: mail({ state: "underway", attempts: 2 }) },
  },
  {
    says: "Waiting for its first attempt: due now.",
    facts: { looked: QUEUED, mail: mail({ state: "due" }) },
  },
  {
    says: "Waiting: next attempt at 2026-11-27T00:45:00Z; last reply of ses: 450 secret reply.",
    masked: "Waiting: next attempt at 2026-11-27T00:45:00Z.",
    facts: { looked: QUEUED, mail: mail(replied) },
  },
  {
    says:
      "Waiting to be sent again with the same Message-ID, since ses gave no answer at 2026-11-27T00:41:07Z " +
      "and may have it: next attempt at 2026-11-27T00:45:00Z.",
    facts: {
      looked: DOUBTFUL,
      mail: mail({ attempts: 1, doubtful: true }),
      events: [attempt("00:41:07", "doubtful")],
    },
  },
  {
    says: "Refused for good at 2026-11-27T00:41:07Z: 550 secret. The report to its sender waits.",
    masked: "Refused for good at 2026-11-27T00:41:07Z. The report to its sender waits.",
    facts: {
      mail: mail({
        state: "ended",
        ended: { reason: "refused", reply: "550 secret", at: "2026-11-27T00:41:07.123Z" },
      }),
    },
  },
  {
    says: "Relayed at 2026-11-27T00:41:07Z; the report that its sender asked for waits.",
    facts: {
      looked: RELAYED,
      mail: mail({ state: "ended", ended: { reason: "relayed", reply: "1", at: "2026-11-27T00:41:07Z" } }),
    },
  },
  {
    says: "Another gateway (B) holds it; the copy here is relayed only if that one gives it up.",
    facts: { looked: { state: "queued", holder: "elsewhere", gateway: "B" }, mail: mail() },
  },
  {
    says: "Another gateway holds it: its attempts are in that gateway's history.",
    facts: { looked: { state: "attempted", holder: "elsewhere", ...DOUBT } },
  },
  {
    says:
      "Another gateway (B) holds it: its attempts are in that gateway's history. " +
      "It is doubtful there, and is decided there.",
    facts: { looked: { state: "doubtful", holder: "elsewhere", gateway: "B", ...DOUBT } },
  },
  {
    says:
      "Doubtful: the upstream gave no answer at 2026-11-27T00:41:08Z, and may have it. " +
      "It is in no queue that is known; decide with `mailonce doubtful resolve`.",
    facts: { looked: { state: "remembered", holder: "nobody", ...DOUBT } },
  },
  {
    says:
      "A gateway that is not alive (B) had it at 2026-11-27T00:41:08Z, never attempted. " +
      "It relays it when it starts again; a new submission is relayed at once.",
    facts: { looked: { state: "absent", left: { changedAt: at("00:41:08"), gateway: "B" } } },
  },
  {
    says:
      "Refused for good by ses at 2026-11-27T00:41:07Z: 550 secret. " +
      "Nothing was relayed: its task may send it again.",
    masked:
      "Refused for good by ses at 2026-11-27T00:41:07Z. Nothing was relayed: its task may send it again.",
    facts: { events: [attempt("00:41:07", "refused", "550 secret"), ACCEPTED] },
  },
  {
    says: "Given up at 2026-11-27T00:41:07Z: secret. Nothing was relayed: its task may send it again.",
    masked: "Given up at 2026-11-27T00:41:07Z. Nothing was relayed: its task may send it again.",
    facts: { events: [{ kind: "ended", at: at("00:41:07"), reason: "expired", cause: "secret" }, ACCEPTED] },
  },
  {
    says: "An operator decided at 2026-11-27T00:41:07Z: remove.",
    facts: {
      events: [{ kind: "decision", at: at("00:41:07"), decision: "remove", reason: "secret" }, ACCEPTED],
    },
  },
  {
    says:
      "Relayed by ses at 2026-11-27T00:41:07Z. " +
      "The ledger does not have it any more: a new submission is relayed again.",
    facts: { events: [repeats(2), attempt("00:41:07", "accepted", "250 secret"), ACCEPTED] },
  },
  {
    says: "The ledger does not answer: the engine is away. Relayed by ses at 2026-11-27T00:41:07Z.",
    masked: "The ledger does not answer: the log says why. Relayed by ses at 2026-11-27T00:41:07Z.",
    facts: {
      looked: { state: "unknown", fault: "the engine is away" },
      events: [attempt("00:41:07", "accepted"), attempt("00:40:00", "refused"), ACCEPTED],
    },
  },
  {
    says: "The ledger does not answer: the engine is away. Counted as relayed at 2026-11-27T00:41:07Z.",
    masked: "The ledger does not answer: the log says why. Counted as relayed at 2026-11-27T00:41:07Z.",
    facts: {
      looked: { state: "unknown", fault: "the engine is away" },
      events: [{ kind: "ended", at: at("00:41:07"), reason: "dropped", cause: "" }, ACCEPTED],
    },
  },
  {
    says:
      "Doubtful: ses gave no answer at 2026-11-27T00:41:07Z, and may have it. " +
      "The ledger does not have it any more: a new submission is relayed again.",
    facts: { events: [attempt("00:41:07", "doubtful", "secret"), ACCEPTED] },
  },
  {
    says: "It is neither in the queue nor in the ledger any more; the timeline has what is known.",
    facts: { events: [ACCEPTED] },
  },
  {
    says: `The ledger does not answer: the engine is away. ${NOTHING_KNOWN}`,
    masked: `The ledger does not answer: the log says why. ${NOTHING_KNOWN}`,
    facts: { looked: { state: "unknown", fault: "the engine is away" } },
  },
  { says: "It is being submitted now.", facts: { looked: { state: "claimed", holder: "here" } } },
  { says: NOTHING_KNOWN, facts: {} },
];

const whole = (facts: Partial<ExplainFacts>): ExplainFacts => ({
  ...{ looked: ABSENT, mail: undefined, events: [] },
  ...facts,
});

describe("the answer", () => {
  test.each(ROWS)("$says", ({ says, facts }) => {
    expect(answerOf(whole(facts))).toBe(says);
    expect(isKnown(whole(facts))).toBe(says !== NOTHING_KNOWN);
  });
});

describe("to a visitor", () => {
  test.each(ROWS)("$says", ({ says, masked = says, facts }) => {
    const shown = maskedFacts(whole(facts));
    expect(answerOf(shown)).toBe(unplaced(masked));
    expect(JSON.stringify(shown)).not.toMatch(/secret|person@|192\.0\.2\.7/);
  });
});
