// The documented changes, one by one, on messages as mailers write them.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseHeader } from "../../src/message/header.ts";
import { identityFields, render, signedAndRemoved } from "../../src/message/rewrite.ts";
import { formatDate } from "../../src/message/trace.ts";
import { sesFieldsOf } from "../../src/upstream/ses/fields.ts";
import { idOf } from "../support/transmission.ts";
import { DERIVED, OPTIONS, pipe } from "./pipeline.ts";

const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../../fixtures/messages/${name}.eml`, import.meta.url));

const OWN = `Message-ID: ${DERIVED}\r\nX-Mailonce-ID: ${DERIVED}\r\n`;
const RECEIVED = `Received: ${OPTIONS.received}\r\n`;
const ADDED_DATE = "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\n";

/** The input with edits made by hand: each must apply. */
function edited(name: string, ...edits: [from: string, to: string][]): string {
  let text = fixture(name).toString("latin1");
  for (const [from, to] of edits) {
    expect(text).toContain(from);
    text = text.replace(from, () => to);
  }
  return RECEIVED + text;
}

const output = (name: string, options?: Parameters<typeof pipe>[1]): string =>
  pipe([fixture(name)], options).output.toString("latin1");

describe("nothing but the documented changes", () => {
  const cases: [string, ...[string, string][]][] = [
    [
      "django-plain",
      ["Message-ID: <2013", `${OWN}X-Original-Message-ID: <2013`],
      ["X-Task-Id: a9e5a73a-4d4a-4995-a91c-90295e27100a\r\n", ""],
    ],
    [
      "django-alternative-attachment",
      ["Message-ID: <1386", `${OWN}X-Original-Message-ID: <1386`],
      ["X-Task-Id: {A9E5A73A-4D4A-4995-A91C-90295E27100A}\r\n", ""],
      ["X-Task-Part: invoice\r\n", ""],
    ],
    [
      "rails",
      ["Message-ID: <", `${OWN}X-Original-Message-ID: <`],
      ["Idempotency-Key: ActionMailer::MailDeliveryJob/8f14e45f-ceea-467f-ab1d-3c1f7d3b2c77\r\n", ""],
    ],
    [
      "phpmailer",
      ["Message-ID: <", `${OWN}X-Original-Message-ID: <`],
      ["X-SES-SOURCE-ARN: arn:aws:ses:us-east-1:123456789012:identity/lists.example\r\n", ""],
      ["X-EE-Idempotency-Key: news-2013-12\r\n", ""],
    ],
    [
      "nodemailer",
      ["Message-ID: <", `${OWN}X-Original-Message-ID: <`],
      ["Resend-Idempotency-Key: receipt/2013-11/48211\r\n", ""],
    ],
    ["eight-bit", ["X-Task-Id: menu-2013-12-10\r\nMessage-ID: <", `${OWN}X-Original-Message-ID: <`]],
    [
      "dkim-message-id",
      ["Message-ID: <", `X-Mailonce-ID: ${DERIVED}\r\nMessage-ID: <`],
      ["X-Task-Id: signed-1\r\n", ""],
    ],
    [
      "dkim-other-fields",
      ["Message-ID: <", `${OWN}X-Original-Message-ID: <`],
      ["X-Task-Id: signed-1\r\n", ""],
    ],
    ["no-message-id", ["X-Task-Id: backup 2013-12-10 03:00\r\n", `${ADDED_DATE}${OWN}`]],
    [
      "several-message-ids",
      ["Message-Id: <first", `${OWN}X-Original-Message-ID: <first`],
      ["MESSAGE-ID :\r\n <second", "X-Original-Message-ID:\r\n <second"],
      ["X-Mailonce-ID: <forged@worker.example>\r\nX-Task-Id: two-ids\r\nX-Task-Id: two-ids\r\n", ""],
    ],
    [
      "bcc",
      ["Return-Path: <bounces@lists.example>\r\n", ""],
      ["Bcc: user@example.com,\r\n secret@example.net\r\n", ""],
      ["Message-ID: <", `${OWN}X-Original-Message-ID: <`],
      ["X-Task-ID: urn:uuid:a9e5a73a-4d4a-4995-a91c-90295e27100a\r\nBCC: third@example.net\r\n", ""],
    ],
    ["no-header", ["Disk usage", `${ADDED_DATE}${OWN}\r\nDisk usage`]],
    ["header-only", ["X-Task-Id: alive-1\r\n", `${ADDED_DATE}${OWN}\r\n`]],
  ];
  test.each(cases)("%s", (name, ...edits) => {
    expect(output(name)).toBe(edited(name, ...edits));
  });

  test("bare-lf", () => {
    expect(output("bare-lf")).toBe(
      `${RECEIVED}From: script@host.example\r\nTo: user@example.com\r\nSubject: bare line feeds\r\n folded\r\n` +
        `${OWN}X-Original-Message-ID: <lf@host.example>\r\nDate: Tue, 10 Dec 2013 10:13:06 +0000\r\n\r\n` +
        "line one\r\nline two\r\n.\r\nMAIL FROM:<smuggled@evil.example>\r\nend without a line end",
    );
  });
});

describe("unkeyed mail", () => {
  test("keeps every Message-ID that it has", () => {
    expect(output("nodemailer", { keepMessageId: true, taskFields: new Set() })).toBe(
      edited("nodemailer", ["Message-ID: <", `X-Mailonce-ID: ${DERIVED}\r\nMessage-ID: <`]),
    );
    expect(pipe([fixture("several-message-ids")], { keepMessageId: true }).prepared.setsMessageId).toBe(
      false,
    );
  });

  test("gets one where it has none", () => {
    expect(output("no-message-id", { keepMessageId: true })).toBe(output("no-message-id"));
  });
});

describe("a signature of the mailer", () => {
  const message = (fields: string, signed: string) =>
    pipe([Buffer.from(`DKIM-Signature: v=1; h=${signed}; b=x\r\n${fields}Subject: x\r\n\r\n`)]);

  test.each(["message-id", "from:Message-ID", "from :\r\n\tMESSAGE-ID : to"])(
    "h=%j keeps Message-ID",
    (signed) => {
      expect(message("Message-ID: <a@b>\r\n", signed).prepared.setsMessageId).toBe(false);
    },
  );

  test("that says that there is no Message-ID is not broken", () => {
    expect(message("", "from:message-id").output.toString()).not.toMatch(/^Message-ID:/m);
  });

  test("over other fields keeps nothing", () => {
    expect(message("Message-ID: <a@b>\r\n", "from:x-message-id").prepared.setsMessageId).toBe(true);
  });

  test("any one of several counts", () => {
    const second = "DKIM-Signature: v=1; h=message-id\r\nMessage-ID: <a@b>\r\n";
    expect(message(second, "from").prepared.setsMessageId).toBe(false);
  });
});

describe("the first Date", () => {
  const FIRST = "Tue, 10 Dec 2013 10:13:06 +0000";
  const fields = { messageId: DERIVED, firstDate: FIRST };
  const rendered = (header: string) => {
    const { prepared } = pipe([Buffer.from(header)]);
    return Buffer.from(render(prepared, fields)).toString();
  };

  test.each([
    ["after the slot", "Message-ID: <a@b>\r\nDate: Wed, 11 Dec 2013 01:00:00 +0100\r\nSubject: x\r\n\r\n"],
    [
      "before the slot",
      "DATE: Wed, 11 Dec 2013\r\n 01:00:00 +0100\r\nMessage-ID: <a@b>\r\nSubject: x\r\n\r\n",
    ],
    ["that was added", "Message-ID: <a@b>\r\nSubject: x\r\n\r\n"],
    ["that was added before the slot", "Subject: x\r\n\r\n"],
  ])("replaces a Date %s, and nothing else", (_name, header) => {
    const lines = rendered(header);
    expect(lines.match(/^Date: /gim)).toHaveLength(1);
    expect(lines).toContain("\r\nDate: Tue, 10 Dec 2013 10:13:06 +0000\r\n");
    const plain = pipe([Buffer.from(header)]).output.toString();
    expect(lines.replace(/^Date: .*\r\n/m, "")).toBe(plain.replace(/^date: .*\r\n(?: .*\r\n)?/im, ""));
  });

  test("not a Date that a signature covers", () => {
    const header = "DKIM-Signature: h=from:date\r\nDate: Wed, 11 Dec 2013 01:00:00 +0100\r\n\r\n";
    expect(rendered(header)).toContain("Date: Wed, 11 Dec 2013 01:00:00 +0100");
  });

  test("takes the place of one that was added; none is added where a signature says that there is none", () => {
    expect(rendered("Subject: x\r\n\r\n")).toContain("\r\nDate: Tue, 10 Dec 2013 10:13:06 +0000\r\n");
    expect(rendered("DKIM-Signature: h=from:date\r\nSubject: x\r\n\r\n")).not.toMatch(/^Date:/m);
    for (const signature of [
      "DKIM-Signature: h=date",
      "DKIM-Signature: v=1;H=from;h = From :\r\n\tDATE\t: Subject ;b=x",
      "DKIM-Signature: a=rsa-sha256; h=from:date:date; bh=a=; b=h=from",
      "ARC-Message-Signature: i=1; h=from:date; b=x",
    ]) {
      const made = pipe([Buffer.from(`${signature}\r\n\r\n`)]).output.toString();
      expect(made, signature).not.toMatch(/^Date:/m);
    }
  });

  test("is that of the first field where there are two", () => {
    const header = "Date: Tue, 10 Dec 2013 10:13:06 +0000\r\nDate: Wed, 11 Dec 2013 01:00:00 +0100\r\n\r\n";
    expect(pipe([Buffer.from(header)]).prepared.date).toBe(FIRST);
  });

  test("is told as the text that it is, and made where there is none that can be kept", () => {
    const date = (value: string) => pipe([Buffer.from(`Date: ${value}\r\n\r\n`)]).prepared.date;
    expect(date("Tue, 10 Dec 2013 12:13:06 +0200")).toBe("Tue, 10 Dec 2013 12:13:06 +0200");
    expect(date("Tue, 10 Dec 2013 10:13:06 -0000 (UTC)")).toBe("Tue, 10 Dec 2013 10:13:06 -0000 (UTC)");
    for (const unkept of ["", "\xe9t\xe9", "x".repeat(65)])
      expect(date(unkept)).toBe(formatDate(OPTIONS.acceptedAt));
  });
});

test("the slot takes the identity fields, so a dispatcher can insert them by itself", () => {
  const { prepared, output: all, body } = pipe([fixture("rails")]);
  const { octets, slot } = prepared;
  const inserted = [octets.subarray(0, slot), identityFields(DERIVED, prepared), octets.subarray(slot), body];
  expect(Buffer.concat(inserted).equals(all)).toBe(true);
});

test("an observed message: its own Message-ID and Date, no mark, and only the task's fields are gone", () => {
  const unmarked = { keepMessageId: true, isUnmarked: true };
  expect(output("django-plain", unmarked)).toBe(
    edited("django-plain", ["X-Task-Id: a9e5a73a-4d4a-4995-a91c-90295e27100a\r\n", ""]),
  );
  const again = { firstDate: "Thu, 01 Jan 2026 00:00:00 +0000" };
  const { prepared } = pipe([fixture("django-plain")], unmarked);
  const header = Buffer.from(render(prepared, { messageId: DERIVED, ...again })).toString("latin1");
  expect(header).not.toContain(again.firstDate);
  const without = pipe([Buffer.from("Subject: x\r\n\r\n")], unmarked);
  expect(without.output.toString("latin1")).toBe(
    `${RECEIVED}Subject: x\r\n${ADDED_DATE}Message-ID: ${DERIVED}\r\n\r\n`,
  );
});

test("a field that makes the upstream keep Message-ID: added once, and not where the mailer has it", () => {
  const keepIdFields = ["X-PM-KeepID"];
  expect(output("django-plain", { keepIdFields })).toBe(
    output("django-plain").replace(RECEIVED, `${RECEIVED}X-PM-KeepID: true\r\n`),
  );
  const own = Buffer.concat([Buffer.from("x-pm-keepid: true\r\n"), fixture("django-plain")]);
  expect(
    pipe([own], { keepIdFields })
      .output.toString("latin1")
      .match(/x-pm-keepid/gi),
  ).toHaveLength(1);
});

test("Bcc and Resent-Bcc are removed, the other Resent fields stay", () => {
  const header =
    "Bcc: a@b.example\r\nResent-To: c@d.example\r\nResent-Bcc: e@f.example,\r\n g@h.example\r\n\r\n";
  const made = pipe([Buffer.from(header)]).output.toString();
  expect(made).not.toMatch(/^(resent-)?bcc:/im);
  expect(made).not.toContain("g@h.example");
  expect(made).toContain("Resent-To: c@d.example\r\n");
});

test("fields that a signature covers and that are removed are named, once each", () => {
  const of = (header: string) => signedAndRemoved(parseHeader(Buffer.from(header)), OPTIONS.taskFields);
  const signature = "DKIM-Signature: v=1; h=From:Bcc:X-Task-Id:\r\n X-SES-Source-ARN : Subject; b=x\r\n";
  expect(
    of(`${signature}X-Task-Id: 1\r\nX-Task-Id: 1\r\nBcc: a@b.example\r\nX-SES-SOURCE-ARN: arn:x\r\n`),
  ).toEqual(["x-task-id", "bcc", "x-ses-source-arn"]);
  expect(of(`${signature}From: a@b.example\r\n`)).toEqual([]);
  const tagged = "DKIM-Signature: h=From:X-SES-Message-Tags; b=x\r\n";
  expect(of(`${tagged}X-SES-MESSAGE-TAGS: a=b, mailonce-id=x\r\n`)).toEqual(["x-ses-message-tags"]);
  expect(of(`${tagged}X-SES-MESSAGE-TAGS: a=mailonce-id\r\n`)).toEqual([]);
  expect(of("X-Task-Id: 1\r\n")).toEqual([]);
});

describe("an id that joins References", () => {
  const OWN_ID = "<own@mailer.example>";
  const made = (header: string, options: Parameters<typeof pipe>[1]): string =>
    pipe([Buffer.from(`${header}\r\nbody`)], options).output.toString();
  const references = (text: string): string | undefined =>
    /^References: ((?:[^\r]|\r\n[ \t])*)/m.exec(text)?.[1]?.replace(/\r\n/g, "");

  test.each([
    ["own", `Message-ID: ${OWN_ID}\r\n`, OWN_ID],
    [
      "own",
      `Message-ID: ${OWN_ID}\r\nReferences: <1@a>\r\n <2@a>\r\nSubject: x\r\n`,
      `<1@a> <2@a>\t${OWN_ID}`,
    ],
    ["own", "Subject: x\r\n", undefined],
    ["own", "Message-ID: none at all\r\n", undefined],
    ["derived", "Subject: x\r\n", DERIVED],
    ["derived", `References: <1@a>\r\nDate: x\r\nMessage-ID: ${OWN_ID}\r\n`, `<1@a>\t${DERIVED}`],
    ["none", `Message-ID: ${OWN_ID}\r\nReferences: <1@a>\r\n`, "<1@a>"],
  ] as const)("%s: %j", (policy, header, expected) => {
    for (const keepMessageId of [false, true]) {
      const text = made(header, { references: policy, keepMessageId });
      // The mailer's own joins what takes its place.
      const isReplaced = policy !== "own" || !keepMessageId;
      const plain = /^References: (.*(?:\r\n .*)*)/m.exec(header)?.[1]?.replace(/\r\n/g, "");
      expect(references(text)).toBe(isReplaced ? expected : plain);
      expect(text.split("\r\n\r\n")[1]).toBe("body");
    }
  });

  test("not where a signature covers it, and not in lines that grow", () => {
    const header = `DKIM-Signature: h=references\r\nMessage-ID: ${OWN_ID}\r\nReferences: <1@a>\r\n`;
    for (const policy of ["own", "derived"] as const) {
      expect(references(made(header, { references: policy }))).toBe("<1@a>");
    }
    const long = `References: ${"<aaaaaaaaaaaaaaa@a> ".repeat(49)}\r\n`;
    for (const line of made(long, { references: "derived" }).split("\r\n"))
      expect(line.length).toBeLessThan(999);
  });

  test("with a first Date and each id, every attempt is the same and differs in nothing else", () => {
    const { prepared } = pipe(
      [Buffer.from(`Date: x\r\nReferences: <1@a>\r\nMessage-ID: ${OWN_ID}\r\n\r\n`)],
      {
        references: "derived",
      },
    );
    const firstDate = "Tue, 10 Dec 2013 10:13:06 +0000";
    const one = render(prepared, { messageId: DERIVED, firstDate });
    expect(render(prepared, { messageId: DERIVED, firstDate })).toEqual(one);
    expect(Buffer.from(one).toString()).toBe(
      `${RECEIVED}Date: ${firstDate}\r\nReferences: <1@a>\r\n\t${DERIVED}\r\n${OWN}X-Original-Message-ID: ${OWN_ID}\r\n\r\n`,
    );
  });
});

describe("tags for SES that only mailonce may set", () => {
  const output = (fields: string): string =>
    pipe([Buffer.from(`${fields}Message-ID: <own@example.com>\r\n\r\nText\r\n`)])
      .output.toString("latin1")
      .split("Message-ID:", 1)[0]
      ?.replace(/^Received:.*?\r\n(?![ \t])/s, "") ?? "";

  test.each([
    ["none of them: not an octet changes", "x-ses-Message-Tags:a = b,c=d,\r\n\te=f\r\n", undefined],
    ["the only one", "X-SES-MESSAGE-TAGS: mailonce-id=aaaa\r\n", ""],
    ["both", "X-SES-MESSAGE-TAGS: mailonce-ledger=a, mailonce-id=b\r\n", ""],
    [
      "among others",
      "X-SES-MESSAGE-TAGS: a=b, mailonce-id=x, c=d\r\n",
      "X-SES-MESSAGE-TAGS: a=b,\r\n c=d\r\n",
    ],
    [
      "folded, in any case",
      "X-Ses-Message-Tags: a=b,\r\n MAILONCE-Id = x\r\n",
      "X-SES-MESSAGE-TAGS: a=b\r\n",
    ],
    [
      "folded within its name",
      "X-SES-MESSAGE-TAGS: mailonce-\r\n id=x, a=b\r\n",
      "X-SES-MESSAGE-TAGS: a=b\r\n",
    ],
    [
      "in the second field",
      "X-SES-MESSAGE-TAGS: a=b\r\nX-SES-MESSAGE-TAGS: mailonce-id=x\r\n",
      "X-SES-MESSAGE-TAGS: a=b\r\n",
    ],
    [
      "in another's name or value: not an octet changes",
      "X-SES-MESSAGE-TAGS: campaign=mailonce-ideas, not-mailonce-id=1,mailonce-id-2=1, a=mailonce-id\r\n",
      undefined,
    ],
    [
      "before a comma on a line of its own",
      "X-SES-MESSAGE-TAGS: a=b\r\n , mailonce-id=x,\r\n\tc=d\r\n ,\r\n \r\n",
      "X-SES-MESSAGE-TAGS: a=b\r\n ,\r\n c=d\r\n",
    ],
    ["no tags, but a text", "Subject: mailonce-id=x\r\n", undefined],
  ])("%s", (_, fields, left = fields) => {
    expect(output(fields)).toBe(left);
  });

  test("what SES would refuse keeps its octets: the upstream leaves it out, and says so", () => {
    const long = `${"n".repeat(970)}=1`;
    const tags = Buffer.from(
      `X-SES-MESSAGE-TAGS:${long},\r\n mailonce-id=x, a=caf\xe9, b=\xc3\xa0\r\n\r\n`,
      "latin1",
    );
    const made = pipe([tags]).output;
    expect(made.toString("latin1")).toContain(
      `\r\nX-SES-MESSAGE-TAGS:\r\n ${long},\r\n a=caf\xe9,\r\n b=\xc3\xa0\r\n`,
    );
    expect(sesFieldsOf(made, idOf(7)).badTags).toBe(3);
  });
});
