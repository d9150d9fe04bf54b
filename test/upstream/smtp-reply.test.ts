import { describe, expect, test } from "vitest";
import { oneLine } from "../../src/upstream/line.ts";
import { type Exchange, outcomeOf } from "../../src/upstream/smtp/outcome.ts";
import { queueIdOf, replyCode } from "../../src/upstream/smtp/reply.ts";
import { kindOf } from "../conformance/upstream.ts";

test.each([
  ["250 2.0.0 ok", 250],
  ["250", 250],
  ["250-first\n250 last", 250],
  ["250-first\r\n250 last", 250],
  ["250-first\n550 last", undefined],
  ["25", undefined],
  ["2500 ok", undefined],
  ["250ok", undefined],
  ["150 preliminary", undefined],
  ["650 ok", undefined],
  ["260 no such code class", undefined],
  ["", undefined],
])("the code of %j is %s", (reply, code) => {
  expect(replyCode(reply)).toBe(code);
});

test.each([
  ["250 2.0.0 Ok: queued as 4XyZ1", "4XyZ1"],
  ["250 OK id=1tQabc-000000001", "1tQabc-000000001"],
  ["250 2.0.0 OK 1700000000 abc-7.1 - gsmtp", "OK 1700000000 abc-7.1 - gsmtp"],
  ["250 Ok 0100018b-000000", "Ok 0100018b-000000"],
  ["250 ok", "ok"],
  ["250", "no text"],
])("the id in %j is %j", (reply, id) => {
  expect(queueIdOf(reply)).toBe(id);
});

test("text of others becomes one printable line", () => {
  expect(oneLine("550-a\r\n550 b\u0007\u001b[31m")).toBe("550-a 550 b [31m");
  expect(oneLine("x".repeat(1_000))).toHaveLength(500);
});

describe("an exchange", () => {
  const exchange = (progress: Exchange["progress"], reply?: string): Exchange => {
    const facts = { step: "transaction", progress, problem: "lost" } as const;
    return reply === undefined ? facts : { ...facts, reply };
  };
  test.each<[Exchange["progress"], string | undefined, string]>([
    ["untouched", undefined, "later"],
    ["untouched", "550 no", "refused"],
    ["untouched", "450 no", "later"],
    ["untouched", "530 authenticate", "down"],
    ["untouched", "535 wrong", "down"],
    ["untouched", "503 out of step", "later"],
    ["untouched", "250-a\n550 b", "later"],
    ["begun", undefined, "later"],
    ["begun", "552 too much", "refused"],
    // It claims what it can't have. Whatever it means, certainty is gone.
    ["begun", "250 ok", "doubtful"],
    ["untouched", "250 ok", "doubtful"],
    ["complete", undefined, "doubtful"],
    ["complete", "250 ok", "accepted"],
    ["complete", "250-a\n550 b", "doubtful"],
    ["complete", "354 go on", "doubtful"],
    ["complete", "451 no", "later"],
    ["complete", "554 no", "refused"],
    // As SES says it at its SMTP endpoint: of all mail, or of what one mail names.
    ["complete", "554 Sending paused for this account. See the guide.", "down"],
    ["complete", "554 Message rejected: Sending paused for this account.", "down"],
    ["complete", "554 Message rejected: Sending suspended for this account. See the guide.", "down"],
    ["complete", "554 Sending is paused for configuration set news", "later"],
  ])("with the content %s and %j is %s", (progress, reply, verdict) => {
    expect(kindOf(outcomeOf(exchange(progress, reply)))).toBe(verdict);
  });
});
