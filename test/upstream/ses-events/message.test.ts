import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readQueueMessage } from "../../../src/upstream/ses/events/message.ts";
import { measureCpu } from "../../support/cpu.ts";
import { idOf } from "../../support/transmission.ts";
import { EVENTS, eventOf, ID, inEventBridge, inSns, LEDGER, type MailParts, SES_ID } from "./events.ts";

const read = (value: unknown) => readQueueMessage(JSON.stringify(value));
const eventIn = (body: string) => {
  const message = readQueueMessage(body);
  if (message.kind === "none") throw new Error(message.why);
  return message.event;
};
const whyNone = (body: string): string => {
  const message = readQueueMessage(body);
  return message.kind === "none" ? message.why : `an event: ${message.event.type}`;
};
const about = (parts: MailParts) => eventIn(JSON.stringify(eventOf("Send", {}, parts))).about;

describe("each event", () => {
  const TAKEN = Date.parse("2026-11-27T21:08:49.000Z");
  test.each([
    ["Send", TAKEN, { kind: "sent" }],
    [
      "Delivery",
      Date.parse("2026-11-27T21:08:52.414Z"),
      { kind: "delivered", reply: "250 2.6.0 Message received" },
    ],
    [
      "Bounce",
      Date.parse("2026-11-27T21:09:00.000Z"),
      {
        kind: "bounced",
        bounceType: "Permanent",
        bounceSubType: "General",
        status: "5.1.1",
        diagnostic: "smtp; 550 5.1.1 user unknown",
      },
    ],
    ["Complaint", Date.parse("2026-11-28T10:00:00.000Z"), { kind: "complained", feedbackType: "abuse" }],
    ["Reject", TAKEN, { kind: "rejected", reason: "Bad content" }],
    [
      "DeliveryDelay",
      Date.parse("2026-11-27T21:40:40.000Z"),
      {
        kind: "delayed",
        delayType: "TransientCommunicationFailure",
        diagnostic: "smtp; 421 4.4.1 Unable to connect to remote host",
      },
    ],
    ["Open", TAKEN, { kind: "other" }],
  ] as const)("%s", (type, at, fate) => {
    expect(read(EVENTS[type])).toEqual({
      kind: "event",
      event: {
        ...{ type, upstreamId: SES_ID, about: { id: ID, from: "tag" }, ledger: LEDGER },
        ...{ takenAt: TAKEN, at, fate },
      },
    });
  });

  test("comes bare, in the envelope of SNS, in that of EventBridge, and in both", () => {
    const bare = eventIn(JSON.stringify(EVENTS.Bounce));
    expect(eventIn(inSns(EVENTS.Bounce))).toEqual(bare);
    expect(eventIn(JSON.stringify(inEventBridge(EVENTS.Bounce)))).toEqual(bare);
    expect(eventIn(inSns(inEventBridge(EVENTS.Bounce)))).toEqual(bare);
  });
});

describe("whose mail it is", () => {
  const other = idOf(7);
  const own = { name: "X-Mailonce-ID", value: `<${ID}@shop.example>` };

  test("the tag says it, whatever a header field says", () => {
    expect(about({ headers: [{ ...own, value: `<${other}@shop.example>` }] })).toEqual({
      ...{ id: ID, from: "tag" },
    });
  });

  test("without a tag a header field says it, by its own name first", () => {
    const messageId = { name: "Message-ID", value: `<${other}@shop.example>` };
    expect(about({ tags: {}, headers: [messageId, own] })).toEqual({ id: ID, from: "header" });
    expect(about({ tags: {}, headers: [messageId] })).toEqual({ id: other, from: "header" });
    expect(about({ tags: {}, headers: [{ name: "x-mailonce-id", value: own.value }] })?.id).toBe(ID);
  });

  test.each([true, false, "true", "false", undefined, null])(
    "headersTruncated %j changes nothing",
    (truncated) => {
      expect(about({ truncated })).toEqual({ id: ID, from: "tag" });
      expect(about({ truncated, tags: {}, headers: [own] })).toEqual({ id: ID, from: "header" });
    },
  );

  test("SES's commonHeaders never say it", () => {
    expect(about({ tags: {} })).toBeUndefined();
  });

  test.each([
    ["no id", ["None"]],
    ["upper case", [ID.toUpperCase()]],
    ["two values", [ID, other]],
    ["no value", []],
    ["no list", ID],
    ["a number", [18]],
  ])("a tag with %s is about nobody, and a header field doesn't help", (_, value) => {
    expect(about({ tags: { "mailonce-id": value }, headers: [own] })).toBeUndefined();
  });

  test("two fields that contradict one another are about nobody", () => {
    const forged = { ...own, value: `<${other}@evil.example>` };
    expect(about({ tags: {}, headers: [own, forged] })).toBeUndefined();
    expect(about({ tags: {}, headers: [own, own] })?.id).toBe(ID);
  });

  test.each(["", ID, `<${ID}>`, `<${ID}@>`, `<${ID}@a b>`, `<x${ID}@a>`, `<${ID}@a><${ID}@b>`, 7, null])(
    "a field of %j is about nobody",
    (value) => {
      expect(about({ tags: {}, headers: [{ ...own, value }] })).toBeUndefined();
    },
  );

  test("an event that says nothing of a ledger has none", () => {
    expect(
      eventIn(JSON.stringify(eventOf("Send", {}, { tags: { "mailonce-id": [ID] } }))).ledger,
    ).toBeUndefined();
  });
});

describe("what is no event", () => {
  test.each([
    ["", "no JSON object"],
    ["Successfully validated SNS topic for Amazon SES event publishing.", "no JSON object"],
    [inSns("Successfully validated SNS topic for Amazon SES event publishing."), "no JSON object"],
    ["[1]", "no JSON object"],
    ["null", "no JSON object"],
    [
      JSON.stringify({ notificationType: "Bounce", bounce: {}, mail: {} }),
      "feedback of an identity, and no event",
    ],
    [inSns({ notificationType: "Delivery", mail: {} }), "feedback of an identity, and no event"],
    [JSON.stringify({ Type: "UnsubscribeConfirmation", Message: "…" }), "a message of SNS itself"],
    [JSON.stringify({ Records: [] }), "no event of SES"],
    [JSON.stringify(inEventBridge("x")), "no JSON object"],
    [JSON.stringify({ eventType: "Send" }), "an event without its mail"],
    [JSON.stringify({ eventType: "Send", mail: [] }), "an event without its mail"],
    [inSns(inSns(inSns(inSns(EVENTS.Send)))), "envelopes in envelopes"],
  ])("%s", (body, why) => {
    expect(whyNone(body)).toBe(why);
  });
});

describe("hostile input", () => {
  const isRead = (body: string): void => {
    expect(["event", "none"]).toContain(readQueueMessage(body).kind);
  };

  test("any text is read", () => {
    fc.assert(fc.property(fc.string(), isRead));
  });

  test("any JSON is read, in any envelope, and in the place of any part of an event", () => {
    const paths = [
      "mail",
      "bounce",
      "mail.tags",
      "mail.headers",
      "mail.timestamp",
      "bounce.bouncedRecipients",
    ];
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...paths), (value, path) => {
        isRead(JSON.stringify(value));
        isRead(inSns(value));
        isRead(JSON.stringify(inEventBridge(value)));
        const event = JSON.parse(JSON.stringify(EVENTS.Bounce));
        const [first = "", second] = path.split(".");
        if (second === undefined) event[first] = value;
        else event[first][second] = value;
        isRead(JSON.stringify(event));
      }),
      { numRuns: 500 },
    );
  });

  test("what is kept of a text is one short line", () => {
    const text = `550 \u202e\r\n\u0000${"long ".repeat(1_000)}`;
    const { fate } = eventIn(JSON.stringify(eventOf("Delivery", { delivery: { smtpResponse: text } })));
    const reply = fate.kind === "delivered" ? (fate.reply ?? "") : "";
    expect(reply).toMatch(/^550 long long/);
    expect(Buffer.byteLength(reply)).toBeLessThanOrEqual(500);
  });

  test.each(["2026", "9".repeat(100_000), "2026-13-40T99:99:99Z", "now", 1, "2026-11-27T21:08:49.000Z\n"])(
    "a time of %j is none",
    (timestamp) => {
      const event = eventOf("Send");
      expect(
        eventIn(JSON.stringify({ ...event, mail: { ...event.mail, timestamp } })).takenAt,
      ).toBeUndefined();
    },
  );

  test.each([
    ["of one letter", () => "x".repeat(1_000_000)],
    ["of brackets", () => "[".repeat(1_000_000)],
    ["of objects", () => '{"Message":'.repeat(90_000)],
    ["of quoted quotes", () => inSns('"'.repeat(400_000))],
    [
      "of tags",
      () => JSON.stringify(eventOf("Send", {}, { tags: { "mailonce-id": Array(200_000).fill("a") } })),
    ],
    [
      "of fields",
      () =>
        JSON.stringify(
          eventOf(
            "Send",
            {},
            { tags: {}, headers: Array(30_000).fill({ name: "X-Mailonce-ID", value: "<" }) },
          ),
        ),
    ],
    [
      "of one value",
      () =>
        JSON.stringify(
          eventOf(
            "Send",
            {},
            { tags: {}, headers: [{ name: "Message-ID", value: `<${"a".repeat(900_000)}` }] },
          ),
        ),
    ],
  ])("a message of a million octets %s is read for little", (_, make) => {
    const body = make();
    const spent = measureCpu();
    isRead(body);
    expect(spent()).toBeLessThan(1_000);
  });

  test("what no queue could have held is not looked into", () => {
    expect(whyNone(`${JSON.stringify(EVENTS.Send)}${" ".repeat(1024 * 1024)}`)).toBe(
      "longer than a message of SQS can be",
    );
  });
});
