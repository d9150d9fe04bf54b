// Which copies of one mail are proven by a history, and which are another mail's: of another life of the same id.
import { describe, expect, test } from "vitest";
import { provenCopies } from "../../src/evidence/second-copies.ts";
import type { HistoryEvent } from "../../src/history/history.ts";

/** The events are an hour apart, so that no clock matters but where the time is said. */
const HOUR = 3_600_000;
const at = (hour: number): number => 1_000 * HOUR + hour * HOUR;

type Unset = HistoryEvent extends infer Event
  ? Event extends HistoryEvent
    ? Omit<Event, "at">
    : never
  : never;

/** The first is at hour 0. */
const story = (...events: readonly Unset[]): HistoryEvent[] =>
  events.map((event, hour) => ({ ...event, at: at(hour) }) as HistoryEvent);

const ACCEPTED: Unset = { kind: "accepted", submission: "s1", client: "192.0.2.1", task: "t" };
const SILENT: Unset = { kind: "attempt", upstream: "ses", outcome: "doubtful" };
const taken = (upstreamId: string, upstream = "ses"): Unset => ({
  ...{ kind: "attempt", upstream, outcome: "accepted" },
  upstreamId,
});
const sent = (upstreamId: string, hour: number, source = "ses"): Unset => ({
  ...{ kind: "sent", source, upstreamId },
  happenedAt: at(hour),
});
const evidence = (upstreamId: string, hour: number): Unset => ({
  ...{ kind: "evidence", source: "ses", upstreamId },
  takenAt: at(hour),
});
const decided = (decision: string, next?: string): Unset => ({ kind: "decision", decision, next });
const COUNTED: Unset = { kind: "second_copy", cause: "", upstreamId: "Y" };

const namesOf = (...events: readonly Unset[]): readonly string[] =>
  provenCopies(story(...events), (upstream) => (upstream === "ses" ? "ses" : undefined)).names;

describe("two names of one mail", () => {
  test.each<[string, readonly Unset[], readonly string[]]>([
    ["an attempt's and an event's", [ACCEPTED, SILENT, taken("Y"), sent("X", 1)], ["Y", "X"]],
    ["two events'", [ACCEPTED, SILENT, SILENT, evidence("X", 2), sent("Y", 1)], ["X", "Y"]],
    ["two attempts'", [ACCEPTED, taken("X"), taken("Y")], ["X", "Y"]],
    ["three", [ACCEPTED, SILENT, SILENT, taken("Z"), sent("X", 1), sent("Y", 2)], ["Z", "X", "Y"]],
    [
      "submitted again while it is in doubt",
      [ACCEPTED, SILENT, ACCEPTED, taken("Y"), sent("X", 1)],
      ["Y", "X"],
    ],
    [
      "attempted before this start, with nothing of that in the history",
      [sent("X", 0), { kind: "doubt", since: at(0), cause: "" }, taken("Y")],
      ["X", "Y"],
    ],
    [
      "an operator's word during the re-send",
      [ACCEPTED, SILENT, decided("relayed", "relayed"), taken("Y")],
      ["Y"],
    ],
  ])("%s", (_, events, names) => {
    expect(namesOf(...events)).toEqual(names);
  });
});

describe("not proven", () => {
  test.each<[string, readonly Unset[], readonly string[]]>([
    ["taken and forgotten at other gateways", [ACCEPTED, sent("X", 0), ACCEPTED, taken("Y")], ["Y"]],
    ["the same name twice", [ACCEPTED, taken("X"), sent("X", 1), evidence("X", 1)], ["X"]],
    [
      "forgotten in between",
      [ACCEPTED, taken("X"), decided("forget", "forgotten"), ACCEPTED, taken("Y")],
      ["Y"],
    ],
    [
      "forgotten in between, and an event of the first comes late",
      [
        ACCEPTED,
        SILENT,
        evidence("X", 1),
        decided("forget", "forgotten"),
        ACCEPTED,
        taken("Y"),
        sent("Z", 1),
      ],
      ["Y"],
    ],
    ["sent again by an operator", [ACCEPTED, SILENT, decided("retried"), taken("Y"), sent("X", 1)], ["Y"]],
    [
      "decided as not relayed by an operator",
      [ACCEPTED, SILENT, decided("not-relayed", "queued"), taken("Y"), sent("X", 1)],
      ["Y"],
    ],
    [
      "expired in the spool, and submitted again",
      [ACCEPTED, SILENT, { kind: "ended", reason: "expired", cause: "" }, ACCEPTED, taken("Y"), sent("X", 1)],
      ["Y"],
    ],
    [
      "accepted again after it was relayed: it had expired",
      [ACCEPTED, taken("X"), ACCEPTED, taken("Y")],
      ["Y"],
    ],
    ["the history does not reach back to its beginning", [taken("Y"), sent("X", -1)], []],
    ["taken before the history begins", [ACCEPTED, taken("Y"), sent("X", -80)], ["Y"]],
    ["without a time", [ACCEPTED, taken("Y"), { kind: "sent", source: "ses", upstreamId: "X" }], ["Y"]],
    [
      "another source's names, which may be of the same copy",
      [ACCEPTED, taken("Y"), sent("X", 1, "hook")],
      ["Y"],
    ],
    [
      "an answer of an upstream of which nobody says more",
      [ACCEPTED, taken("250 ok", "smtp"), sent("X", 1)],
      ["X"],
    ],
    [
      "dropped as doubtful, expired, and relayed as another mail",
      [ACCEPTED, SILENT, { kind: "ended", reason: "dropped", cause: "" }, ACCEPTED, taken("Y"), sent("X", 1)],
      ["Y"],
    ],
  ])("%s", (_, events, names) => {
    expect(namesOf(...events)).toEqual(names);
  });
});

test("what was sent again on purpose may be doubled after that", () => {
  const events = [ACCEPTED, SILENT, decided("retried"), SILENT, taken("Z"), sent("X", 1), sent("Y", 3)];
  expect(namesOf(...events)).toEqual(["Z", "Y"]);
});

test("those that were counted are of the same mail", () => {
  const all = story(
    ACCEPTED,
    SILENT,
    taken("Y"),
    COUNTED,
    decided("forget", "forgotten"),
    ACCEPTED,
    taken("Z"),
  );
  expect(provenCopies(all.slice(0, 4), () => "ses").counted).toBe(1);
  expect(provenCopies(all, () => "ses").counted).toBe(0);
});
