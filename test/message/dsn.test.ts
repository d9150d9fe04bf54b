// A foreign parser reads our notices: Python's email package, on octets that we composed.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canAttach, composeNotice, ORIGINAL_MESSAGE_MAX } from "../../src/message/dsn.ts";
import { type FlatNotice, factsOf } from "../support/notice-facts.ts";

function header(octets: string | Uint8Array): FlatNotice["original"] {
  return { kind: "header", octets: typeof octets === "string" ? Buffer.from(octets, "latin1") : octets };
}

const FACTS: FlatNotice = {
  reportingMta: "gateway.example",
  from: "MAILER-DAEMON@gateway.example",
  to: "bounces@shop.example",
  recipient: "user@example.com",
  reason: "refused",
  diagnostic: "550 5.1.1 <user@example.com>: user unknown",
  arrivedAt: Date.UTC(2013, 11, 10, 10, 13, 6),
  lastAttemptAt: Date.UTC(2013, 11, 10, 10, 18, 9),
  original: header("From: Shop <orders@shop.example>\r\nSubject: Shipped\r\n\r\n"),
  messageId: "<notice@gateway.example>",
};

/** Prints what it finds in the notices that come in, base64, one a line. */
const READER = `
import sys, json, base64, email, email.policy
def original(part):
    if part.get_content_type() != "message/rfc822":
        return part.get_payload(decode=True)
    return part.get_payload(0).as_bytes(policy=email.policy.SMTP)
for line in sys.stdin:
    raw = base64.b64decode(line)
    mail = email.message_from_bytes(raw, policy=email.policy.SMTP)
    parts = list(mail.iter_parts())
    report = parts[1].get_payload()
    print(json.dumps({
        "type": mail.get_content_type(),
        "reportType": mail.get_param("report-type"),
        "fields": [key.lower() for key in mail.keys()],
        "from": mail["From"].addresses[0].addr_spec,
        "to": [address.addr_spec for address in mail["To"].addresses],
        "date": mail["Date"].datetime.isoformat(),
        "parts": [part.get_content_type() for part in parts],
        "text": parts[0].get_content(),
        "message": [[key.lower(), str(value)] for key, value in report[0].items()],
        "recipients": [[[key.lower(), str(value)] for key, value in block.items()] for block in report[1:]],
        "original": base64.b64encode(original(parts[2])).decode(),
        "defects": [str(defect) for part in mail.walk() for defect in part.defects],
    }))
`;

interface Read {
  type: string;
  reportType: string;
  fields: string[];
  from: string;
  to: string[];
  date: string;
  parts: string[];
  text: string;
  message: [string, string][];
  recipients: [string, string][][];
  original: string;
  defects: string[];
}

function read(notices: readonly Uint8Array[]): Read[] {
  const input = notices.map((notice) => Buffer.from(notice).toString("base64")).join("\n");
  const output = execFileSync("python3", ["-c", READER], { input, encoding: "utf8", maxBuffer: 1 << 28 });
  return output
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Read);
}

const one = (change: Partial<FlatNotice> = {}): Read =>
  read([composeNotice(factsOf({ ...FACTS, ...change }))])[0] as Read;
const original = (notice: Read): string => Buffer.from(notice.original, "base64").toString("latin1");

describe("Python's email package reads", () => {
  test("a refusal", () => {
    const notice = one();
    expect(notice).toMatchObject({
      type: "multipart/report",
      reportType: "delivery-status",
      from: "MAILER-DAEMON@gateway.example",
      to: ["bounces@shop.example"],
      date: "2013-12-10T10:18:09+00:00",
      parts: ["text/plain", "message/delivery-status", "text/rfc822-headers"],
      message: [
        ["reporting-mta", "dns; gateway.example"],
        ["arrival-date", "Tue, 10 Dec 2013 10:13:06 +0000"],
      ],
      recipients: [
        [
          ["final-recipient", "rfc822; user@example.com"],
          ["action", "failed"],
          ["status", "5.1.1"],
          ["diagnostic-code", "smtp; 550 5.1.1 <user@example.com>: user unknown"],
          ["last-attempt-date", "Tue, 10 Dec 2013 10:18:09 +0000"],
        ],
      ],
      defects: [],
    });
    expect(notice.fields).toContain("auto-submitted");
    expect(notice.text).toContain("was refused and will not be tried again:\r\n\r\n    user@example.com\r\n");
    expect(original(notice).trimEnd()).toBe("From: Shop <orders@shop.example>\r\nSubject: Shipped");
  });

  test("several recipients, each with what became of its mail", () => {
    const facts = factsOf(FACTS);
    const [first] = facts.recipients;
    const expired = {
      ...first,
      recipient: "late@example.com",
      reason: "expired",
      diagnostic: "too late",
    } as const;
    const relayed = {
      ...first,
      recipient: "b@example.com",
      reason: "relayed",
      diagnostic: "queued",
    } as const;
    const [notice] = read([composeNotice({ ...facts, recipients: [first, expired, relayed] })]);
    expect(notice?.recipients.map((block) => Object.fromEntries(block))).toMatchObject([
      { "final-recipient": "rfc822; user@example.com", action: "failed", status: "5.1.1" },
      { "final-recipient": "rfc822; late@example.com", action: "failed", status: "5.4.7" },
      { "final-recipient": "rfc822; b@example.com", action: "relayed", status: "2.0.0" },
    ]);
    expect(notice?.defects).toEqual([]);
    expect(notice?.text).toMatch(
      /refused[\s\S]*user@example\.com[\s\S]*in time[\s\S]*late@[\s\S]*was handed[\s\S]*b@example/,
    );
  });

  test("an expiry, with the envelope's id", () => {
    const diagnostic = "not relayed within the lifetime of the spool";
    const notice = one({ reason: "expired", diagnostic, envid: "a9e5a73a 1" });
    expect(notice.message).toContainEqual(["original-envelope-id", "a9e5a73a 1"]);
    expect(notice.recipients[0]).toContainEqual(["status", "5.4.7"]);
    expect(notice.recipients[0]).toContainEqual(["diagnostic-code", `x-mailonce; ${diagnostic}`]);
    expect(notice.text).toContain("could not be delivered in time");
  });

  test("8-bit octets and long lines of the original header, whole", () => {
    const text = `Subject: caf\xe9 = caf\xe9 \r\nX-Long: ${"y".repeat(2000)}\r\n\tfolded\0\r\n`;
    const notice = one({ original: header(`${text}\r\n`) });
    expect(original(notice).trimEnd()).toBe(text.trimEnd());
  });

  test("a header that is too long for a notice, cut at a line", () => {
    const notice = one({ original: header(`X-Many: ${"y".repeat(90)}\r\n`.repeat(2000)) });
    const lines = original(notice).trimEnd().split("\r\n");
    expect(new Set(lines)).toEqual(new Set([`X-Many: ${"y".repeat(90)}`]));
    expect(lines.length).toBe(Math.floor((32 * 1024) / 100));
  });

  test("one that has to be encoded is cut sooner, so that a notice stays below 50 kB", () => {
    const long = header(`X-Many: ${"\u00e4".repeat(90)}\r\n`.repeat(2000));
    expect(composeNotice(factsOf({ ...FACTS, original: long })).length).toBeLessThan(50_000);
    expect(
      original(one({ original: long }))
        .trimEnd()
        .split("\r\n").length,
    ).toBeGreaterThan(100);
  });

  test("a delay: nothing has failed, and until when it is tried", () => {
    const diagnostic = "451 4.7.1 greylisted";
    const notice = one({ reason: "delayed", diagnostic, willRetryUntil: Date.UTC(2013, 11, 12, 10, 13, 6) });
    expect(notice.recipients[0]).toEqual([
      ["final-recipient", "rfc822; user@example.com"],
      ["action", "delayed"],
      ["status", "4.7.1"],
      ["diagnostic-code", "smtp; 451 4.7.1 greylisted"],
      ["last-attempt-date", "Tue, 10 Dec 2013 10:18:09 +0000"],
      ["will-retry-until", "Thu, 12 Dec 2013 10:13:06 +0000"],
    ]);
    expect(notice.text).toContain("could not be delivered yet");
  });

  test("a success further than which nobody reports", () => {
    const notice = one({ reason: "relayed", diagnostic: "250 2.0.0 queued as 4711" });
    expect(notice.recipients[0]).toContainEqual(["action", "relayed"]);
    expect(notice.recipients[0]).toContainEqual(["status", "2.0.0"]);
  });

  test("a status of another class than the action is not taken over", () => {
    expect(one({ diagnostic: "451 4.7.1 later" }).recipients[0]).toContainEqual(["status", "5.0.0"]);
    expect(one({ diagnostic: "550 4.7.1 odd" }).recipients[0]).toContainEqual(["status", "5.0.0"]);
  });

  test("the recipient as the sender named it", () => {
    const notice = one({ orcpt: "rfc822;Alias+tag@example.com" });
    expect(notice.recipients[0]?.[0]).toEqual(["original-recipient", "rfc822; Alias+tag@example.com"]);
  });

  test("the whole message, where it was asked for", () => {
    const message = Buffer.from("Subject: Shipped\r\n\r\nHello.\r\n--\r\n.\r\n");
    const notice = one({ original: { kind: "message", octets: message } });
    expect(notice.parts).toEqual(["text/plain", "message/delivery-status", "message/rfc822"]);
    expect(notice.text).toContain("The message is attached.");
    expect(original(notice)).toBe(message.toString());
    expect(notice.defects).toEqual([]);
  });

  test("a recipient outside ASCII, as RFC 6533 writes it", () => {
    const notice = one({ recipient: "jürgen@xn--bcher-kva.example" });
    expect(notice.recipients[0]?.[0]).toEqual([
      "final-recipient",
      "utf-8; j\\x{FC}rgen@xn--bcher-kva.example",
    ]);
  });
});

describe("no value can leave its place", () => {
  const value = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          "\r\n",
          "\n",
          "\r",
          "\0",
          "--",
          "\r\n\r\n",
          "\r\nAction: delivered\r\n",
          "Bcc: x@y.example",
          ">",
          "<",
        ),
        fc.constantFrom(" ", "(", '"', ";", "ü", "\u2028", "\x85", "😀", "a@b.example", "550 5.7.1 "),
        fc.string({ maxLength: 40 }),
      ),
      { maxLength: 30 },
    )
    .map((parts) => parts.join(""));
  const facts = fc.record({
    reportingMta: value,
    from: value,
    to: value,
    recipient: value.map((text) => text.slice(0, 320)),
    diagnostic: value,
    envid: value,
    messageId: value,
    original: value.map((text) => header(Buffer.from(text))),
    orcpt: value,
    reason: fc.constantFrom("refused" as const, "expired" as const),
  });

  test("7-bit, CRLF, short lines, and the same fields whatever the values", () => {
    const notices: Uint8Array[] = [];
    fc.assert(
      fc.property(facts, (change) => {
        const notice = composeNotice(factsOf({ ...FACTS, ...change }));
        const text = Buffer.from(notice).toString("latin1");
        expect(text).toMatch(/^(?:[\t\x20-\x7e]{0,998}\r\n)*$/);
        notices.push(notice);
      }),
      { numRuns: 300 },
    );
    for (const notice of read(notices)) {
      expect(notice.fields).toEqual([
        "from",
        "to",
        "subject",
        "date",
        "message-id",
        "auto-submitted",
        "mime-version",
        "content-type",
      ]);
      expect(notice.parts).toEqual(["text/plain", "message/delivery-status", "text/rfc822-headers"]);
      expect(notice.message.map(([name]) => name)).toEqual([
        "reporting-mta",
        "original-envelope-id",
        "arrival-date",
      ]);
      expect(notice.recipients.length).toBe(1);
      expect(notice.recipients[0]?.filter(([name]) => name === "action")).toEqual([["action", "failed"]]);
    }
  });

  test("a header that guesses at a boundary", () => {
    const first = Buffer.from(composeNotice(factsOf(FACTS))).toString("latin1");
    const boundary = /boundary="([^"]+)"/.exec(first)?.[1];
    expect(original(one({ original: header(`--${boundary}--: x\r\n`) }))).toContain(boundary);
  });

  test("the path of the fixture with 8-bit octets", () => {
    const message = readFileSync(new URL("../../fixtures/messages/eight-bit.eml", import.meta.url));
    const octets = message.subarray(0, message.indexOf("\r\n\r\n") + 2);
    expect(original(one({ original: header(octets) })).trimEnd()).toBe(octets.toString("latin1").trimEnd());
  });
});

test("what can be attached whole: 7-bit, lines within the limit, not too large", () => {
  const can = (text: string) => canAttach(Buffer.from(text, "latin1"));
  expect(can("Subject: x\r\n\r\nHello.\r\n")).toBe(true);
  for (const bad of ["\xe9", "\0", "a\nb", "a\rb", "y".repeat(999), "\r"])
    expect(can(`A: b\r\n\r\n${bad}`)).toBe(false);
  expect(can("y\r\n".repeat(ORIGINAL_MESSAGE_MAX / 3))).toBe(true);
  expect(can("y\r\n".repeat(ORIGINAL_MESSAGE_MAX / 3 + 1))).toBe(false);
});
