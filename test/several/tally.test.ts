// The count notices what is lost and what goes twice.
import { expect, test } from "vitest";
import type { Taken } from "../support/message-counts.ts";
import type { LogLine } from "../support/process.ts";
import { countOf } from "./tally.ts";

const recipient = "r1u1@example.com";
const mails = [{ task: "t", recipient }];
const taken = (takenAt: number, messageId = "<a@b.example>"): Taken => ({
  ...{ messageId, takenAt, recipients: [recipient] },
  ...{ reversePath: "app@sender.example", octets: new Uint8Array() },
});
const doubtful = (at: number): LogLine => ({
  ...{ event: "transmission.doubtful", recipient, time: new Date(at).toISOString() },
});

test.each<[string, Taken[], LogLine[], Partial<ReturnType<typeof countOf>>]>([
  ["once", [taken(1)], [], { lost: 0, twice: 0, copies: 0, doubtful: 0, faults: [] }],
  ["never", [], [doubtful(1)], { lost: 1, doubtful: 1 }],
  ["twice without a word", [taken(1), taken(9)], [], { twice: 1, copies: 0 }],
  ["twice, said too late", [taken(1), taken(9)], [doubtful(10)], { twice: 1, doubtful: 1 }],
  ["twice, doubtful first", [taken(1), taken(9)], [doubtful(5)], { twice: 0, copies: 1, faults: [] }],
  ["three times, said once", [taken(1), taken(9), taken(9)], [doubtful(5)], { twice: 1, copies: 1 }],
])("%s", (_name, all, lines, expected) => {
  expect(countOf(mails, all, lines)).toMatchObject(expected);
});

test("under two Message-IDs", () => {
  const { faults } = countOf(mails, [taken(1), taken(9, "<c@d.example>")], [doubtful(5)]);
  expect(faults).toEqual([`${recipient} was relayed under several Message-IDs`]);
});
