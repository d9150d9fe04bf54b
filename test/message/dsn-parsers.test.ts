// A bounce parser that others wrote reads our notices as what they are.
import { expect, test } from "vitest";
import { composeNotice } from "../../src/message/dsn.ts";
import { bounceParser, failuresIn } from "../support/bounce-parser.ts";
import { type FlatNotice, factsOf } from "../support/notice-facts.ts";

const FACTS: FlatNotice = {
  reportingMta: "gateway.example",
  from: "MAILER-DAEMON@gateway.example",
  to: "bounces@shop.example",
  recipient: "user@example.com",
  reason: "refused",
  diagnostic: "550 5.1.1 <other@example.net>: user unknown",
  arrivedAt: Date.UTC(2013, 11, 10, 10, 13, 6),
  lastAttemptAt: Date.UTC(2013, 11, 10, 10, 18, 9),
  original: {
    kind: "header",
    octets: Buffer.from("From: Shop <orders@shop.example>\r\nTo: all@shop.example\r\n\r\n"),
  },
  messageId: "<notice@gateway.example>",
};

test.skipIf(bounceParser === undefined).each<[string, Partial<FlatNotice>, [string[], string[]]]>([
  ["a refusal is permanent, of the right recipient", {}, [[], ["user@example.com"]]],
  ["an expiry too", { reason: "expired", diagnostic: "not relayed" }, [[], ["user@example.com"]]],
  [
    "with the address that the sender used",
    { orcpt: "rfc822;alias@example.com" },
    [[], ["alias@example.com"]],
  ],
  [
    "with the whole message",
    {
      original: {
        kind: "message",
        octets: Buffer.from("To: all@shop.example\r\n\r\n550 no@shop.example\r\n"),
      },
    },
    [[], ["user@example.com"]],
  ],
  ["a delay is temporary", { reason: "delayed", diagnostic: "450 later" }, [["user@example.com"], []]],
  ["a success is no failure", { reason: "relayed", diagnostic: "250 ok" }, [[], []]],
])("flufl.bounce: %s", (_, change, found) => {
  expect(failuresIn(composeNotice(factsOf({ ...FACTS, ...change })))).toEqual(found);
});
