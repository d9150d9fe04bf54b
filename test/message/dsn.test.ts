// A foreign parser reads our notices: Python's email package, on octets that we composed.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { composeFailureNotice, type FailureFacts } from "../../src/message/dsn.ts";

const FACTS: FailureFacts = {
  reportingMta: "gateway.example",
  from: "MAILER-DAEMON@gateway.example",
  to: "bounces@shop.example",
  recipient: "user@example.com",
  reason: "refused",
  diagnostic: "550 5.1.1 <user@example.com>: user unknown",
  arrivedAt: Date.UTC(2013, 11, 10, 10, 13, 6),
  failedAt: Date.UTC(2013, 11, 10, 10, 18, 9),
  originalHeader: Buffer.from("From: Shop <orders@shop.example>\r\nSubject: Shipped\r\n\r\n"),
  messageId: "<notice@gateway.example>",
};

/** Prints what it finds in the notices that come in, base64, one a line. */
const READER = `
import sys, json, base64, email, email.policy
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
        "original": base64.b64encode(parts[2].get_payload(decode=True)).decode(),
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

const one = (change: Partial<FailureFacts> = {}): Read =>
  read([composeFailureNotice({ ...FACTS, ...change })])[0] as Read;
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

  test("an expiry, with the envelope's id", () => {
    const diagnostic = "not relayed within the lifetime of the spool";
    const notice = one({ reason: "expired", diagnostic, envid: "a9e5a73a 1" });
    expect(notice.message).toContainEqual(["original-envelope-id", "a9e5a73a 1"]);
    expect(notice.recipients[0]).toContainEqual(["status", "5.4.7"]);
    expect(notice.recipients[0]).toContainEqual(["diagnostic-code", `x-mailonce; ${diagnostic}`]);
    expect(notice.text).toContain("could not be delivered in time");
  });

  test("8-bit octets and long lines of the original header, whole", () => {
    const header = `Subject: caf\xe9 = caf\xe9 \r\nX-Long: ${"y".repeat(2000)}\r\n\tfolded\0\r\n`;
    const notice = one({ originalHeader: Buffer.from(`${header}\r\n`, "latin1") });
    expect(original(notice).trimEnd()).toBe(header.trimEnd());
  });

  test("a header that is too long for a notice, cut at a line", () => {
    const header = Buffer.from(`X-Many: ${"y".repeat(90)}\r\n`.repeat(2000));
    const notice = one({ originalHeader: header });
    const lines = original(notice).trimEnd().split("\r\n");
    expect(new Set(lines)).toEqual(new Set([`X-Many: ${"y".repeat(90)}`]));
    expect(lines.length).toBe(Math.floor((32 * 1024) / 100));
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
    originalHeader: value.map((text) => Buffer.from(text)),
    reason: fc.constantFrom("refused" as const, "expired" as const),
  });

  test("7-bit, CRLF, short lines, and the same fields whatever the values", () => {
    const notices: Uint8Array[] = [];
    fc.assert(
      fc.property(facts, (change) => {
        const notice = composeFailureNotice({ ...FACTS, ...change });
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
    const first = Buffer.from(composeFailureNotice(FACTS)).toString("latin1");
    const boundary = /boundary="([^"]+)"/.exec(first)?.[1];
    expect(original(one({ originalHeader: Buffer.from(`--${boundary}--: x\r\n`) }))).toContain(boundary);
  });

  test("the path of the fixture with 8-bit octets", () => {
    const message = readFileSync(new URL("../../fixtures/messages/eight-bit.eml", import.meta.url));
    const header = message.subarray(0, message.indexOf("\r\n\r\n") + 2);
    expect(original(one({ originalHeader: header })).trimEnd()).toBe(header.toString("latin1").trimEnd());
  });
});
