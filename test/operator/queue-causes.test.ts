// Why mails wait: replies that differ only by recipient, time or id are one cause.
import { expect, test } from "vitest";
import { causeOf, causesOf } from "../../src/operator/pages/queue-causes.ts";
import { idOf } from "../support/transmission.ts";

test.each([
  ["450 4.7.1 <a@b.example>: greylisted for 123 seconds", "450 4.7.1 <…>: greylisted for … seconds"],
  ["451-4.3.0 try again (id 4Xab12, 10.0.0.1)", "451-4.3.0 try again (id …, …)"],
  ["450 see https://x.example/?who=a@b.example.", "450 see …."],
  ["421 no room", "421 no room"],
  ["  450   two  words ", "450 two words"],
  ["12 34 56", "…"],
  ["", ""],
])("%s", (reply, cause) => {
  expect(causeOf(reply)).toBe(cause);
});

test("one cause is a group; a retry is of those that wait for a later time and are not in doubt", () => {
  const wait = (number: number, lastReply?: string) => ({
    id: idOf(number),
    state: "waiting" as const,
    ...(lastReply === undefined ? {} : { lastReply }),
  });
  const causes = causesOf([
    wait(1, "450 later: a@b.example"),
    wait(2, "421 down"),
    wait(3, "450 later: c@d.example"),
    { ...wait(4, "450 later: x1"), state: "due" },
    { ...wait(5, "450 later: x1"), doubtful: true },
    { ...wait(6, "450 later: x1"), state: "held" },
    wait(7),
  ]);
  expect(causes).toEqual([
    { text: "450 later: …", count: 4, retriable: [idOf(1), idOf(3)] },
    { text: "421 down", count: 1, retriable: [idOf(2)] },
  ]);
});
