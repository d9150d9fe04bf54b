// Values of clients that want out of their place: into another line of the log, another field of a header, a
// reply, a notification or a call of SES. What is taken stays where it belongs; the rest is refused.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { describe, expect } from "vitest";
import { type FuzzConnection, openConnection } from "../fuzz/connection.ts";
import { stuffed } from "../fuzz/messages.ts";
import type { FuzzReply } from "../fuzz/replies.ts";
import { freePort } from "../support/peers.ts";
import { sesAt, smtpAt, test as testWithPlace } from "../support/place.ts";
import { environmentOf, MAIN, type Settings } from "../support/process.ts";

const MARK = "Injected";

/** Ends of lines, fields, comments, brackets and quotes, and what terminals take for commands. */
const PAYLOADS: readonly Buffer[] = [
  ...[
    `\r\n${MARK}: yes`,
    `\r${MARK}: yes`,
    `\n${MARK}: yes`,
    `\r\n ${MARK}: yes`,
    `\0${MARK}`,
    `\x08\x7f${MARK}`,
  ],
  ...[
    `\x1b]0;${MARK}\x07`,
    `\x1b[31m${MARK}`,
    `\u0085${MARK}: yes`,
    `\u009b31m${MARK}`,
    `\u2028${MARK}: yes`,
  ],
  ...[
    `\u202e${MARK}`,
    `+0D+0A${MARK}:+20yes`,
    `+0A${MARK}:+20yes`,
    `+00${MARK}`,
    `+1B[31m${MARK}`,
    `+C2+85${MARK}`,
  ],
  ...[
    `%0d%0a${MARK}: yes`,
    `\\r\\n${MARK}: yes`,
    `") (${MARK}`,
    `>${MARK}`,
    `<${MARK}>`,
    `;${MARK}=1`,
    `,${MARK}=1`,
  ],
  ...[`${"x".repeat(290)}${MARK}`, `${"x".repeat(900)}${MARK}`, `"},{"event":"${MARK}"`, `\u{1f4a9}${MARK}`],
]
  .map((text) => Buffer.from(text))
  .concat([Buffer.from(`\xff\xfe${MARK}`, "latin1"), Buffer.from(`\xed\xa0\x80${MARK}`, "latin1")]);

const KNOWN = "reader@example.com";
/** To the upstream, which refuses it. */
const UNKNOWN = "gone@example.com";

const test = testWithPlace.extend("upstream", ({ place }) => {
  // What it says is no more to be trusted than a client's word.
  const refusal = `550 5.1.1 no \x1b[31m such \u0085user\r${MARK}: yes\0 \xff`;
  const refuse = (recipient: string) => (recipient === UNKNOWN ? refusal : undefined);
  return place.smtp({ keepContents: true, refuse });
});

const settings = (upstream: Settings): Settings => ({
  ...{ HOSTNAME: "gateway.example", LOG_LEVEL: "debug", LOG_ADDRESSES: "true" },
  ...upstream,
});

type Value = string | Uint8Array;

const octetsOf = (...values: readonly Value[]): Buffer =>
  Buffer.concat(values.map((value) => Buffer.from(value)));

/** Says one line, which may have become several, and hears as many replies. */
async function say(connection: FuzzConnection, line: Buffer): Promise<FuzzReply[]> {
  const octets = octetsOf(line, "\r\n");
  await connection.send(octets);
  const replies: FuzzReply[] = [];
  for (let due = octets.filter((octet) => octet === 0x0a).length; due > 0; due--) {
    const reply = await connection.next();
    if (reply === "end") break;
    replies.push(reply);
  }
  return replies;
}

interface Places {
  readonly helo?: Buffer;
  readonly reversePath?: Buffer;
  readonly envid?: Buffer;
  readonly recipient?: Buffer;
  readonly orcpt?: Buffer;
  /** On top of the message. */
  readonly fields?: Buffer;
}

interface Submitted {
  /** Those that refused a value, after which the mail went on without it. */
  readonly refusals: readonly FuzzReply[];
  readonly last: FuzzReply | "end";
}

/** Submits a mail with values in places, and without those that are refused. */
async function submit(port: number, places: Places): Promise<Submitted> {
  const connection = await openConnection(port);
  const refusals: FuzzReply[] = [];
  await connection.next();
  /** Says the line with the value; when that is refused, without it. False when the server has hung up. */
  const either = async (
    value: Buffer | undefined,
    line: (value: Value) => Buffer,
    plain: Buffer,
  ): Promise<boolean> => {
    const replies = value === undefined ? [] : await say(connection, line(value));
    if (replies.length > 0 && replies.every(({ code }) => code < 400)) return true;
    refusals.push(...replies.filter(({ code }) => code >= 400));
    if (replies.some(({ text }) => text.startsWith("5.5.0 "))) return false;
    // A first line of several may have been taken.
    if (replies.some(({ code, text }) => code === 250 && /^2\.1\./.test(text))) return true;
    for (const reply of await say(connection, plain)) expect(reply.code, reply.text).toBe(250);
    return true;
  };
  const hello = octetsOf("EHLO client.example");
  if (!(await either(places.helo, (value) => octetsOf("EHLO ", value), hello))) {
    expect(await connection.next()).toBe("end");
    connection.destroy();
    return { refusals, last: "end" };
  }
  const mail = octetsOf("MAIL FROM:<app@sender.example>");
  if (places.envid !== undefined) {
    await either(places.envid, (value) => octetsOf(mail, " SMTPUTF8 ENVID=a", value), mail);
  } else {
    await either(
      places.reversePath,
      (value) => octetsOf("MAIL FROM:<a", value, "@sender.example> SMTPUTF8"),
      mail,
    );
  }
  const rcpt = octetsOf(`RCPT TO:<${UNKNOWN}>`);
  if (places.recipient !== undefined) {
    await say(connection, octetsOf("RCPT TO:<a", places.recipient, "@example.com>"));
  }
  await either(places.orcpt, (value) => octetsOf(rcpt, " ORCPT=rfc822;a", value), rcpt);
  await say(connection, octetsOf(`RCPT TO:<${KNOWN}>`));
  const data = await say(connection, Buffer.from("DATA"));
  expect(data.map(({ code }) => code)).toEqual([354]);
  const header = `From: App <app@sender.example>\r\nSubject: x\r\nX-Task-Part: ${randomUUID()}\r\n\r\n`;
  await connection.send(
    stuffed(octetsOf(places.fields ?? `X-Task-Id: ${randomUUID()}\r\n`, header, "Hello.\r\n")),
  );
  const last = await connection.next();
  expect(connection.faults).toEqual([]);
  connection.destroy();
  return { refusals, last };
}

const PLACES = ["helo", "reversePath", "envid", "recipient", "orcpt"] as const;
/** Fields that the gateway reads, moves or removes. */
const FIELDS = [
  ...["X-Task-Id", "X-Task-Part", "Message-ID", "Date", "From", "X-Mailonce-ID", "Bcc", "Return-Path"],
  ...["X-SES-MESSAGE-TAGS", "X-SES-CONFIGURATION-SET", "X-SES-SOURCE-ARN", "DKIM-Signature"],
];

/** Every payload in every place of the envelope, then in fields. */
async function submitAll(port: number): Promise<Submitted[]> {
  const submitted: Submitted[] = [];
  for (const payload of PAYLOADS) {
    submitted.push(...(await Promise.all(PLACES.map((place) => submit(port, { [place]: payload })))));
    // A line end there is the client's own field, and nobody is kept from writing those.
    if (/[\r\n]/.test(payload.toString("latin1")) && !payload.includes("\r\n ")) continue;
    const fields = FIELDS.map((name) => octetsOf(`${name}: a`, payload, "\r\n"));
    submitted.push(...(await Promise.all(fields.map((field) => submit(port, { fields: field })))));
  }
  return submitted;
}

/** A raw control character that is none of a line end. */
const CONTROL = /[\p{Cc}]/u;

function expectHeaderInOrder(header: string): void {
  expect(header).not.toMatch(new RegExp(`^${MARK}`, "m"));
  const received = /^Received: ((?:.|\r\n\t)*)\r\n/.exec(header)?.[1]?.replace(/\r\n\t/g, " ");
  expect(received).toMatch(
    /^from [\w.:[\]?-]{1,301} \(\[127\.0\.0\.1\]\) by gateway\.example \(mailonce [a-z2-7]{16}\) with E?SMTP\w* id [a-z2-7]+; [\w,: +]+$/,
  );
}

function expectNoticeInOrder(notice: string): void {
  expect(notice).toMatch(/^[\x20-\x7e\t\r\n]*$/);
  expect(notice).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
  expect(notice).not.toMatch(new RegExp(`^${MARK}`, "m"));
  expect(Math.max(...notice.split("\r\n").map((line) => line.length))).toBeLessThanOrEqual(998);
  // Each once: nothing has made a second one of itself.
  for (const name of ["Reporting-MTA", "Final-Recipient", "Action", "Status", "Diagnostic-Code"]) {
    expect(notice.match(new RegExp(`^${name}:`, "gm"))?.length, name).toBe(1);
  }
}

describe("towards an SMTP upstream", () => {
  test("replies, Received, notifications and a log of JSON", async ({ place, upstream }) => {
    const gateway = await place.start(settings(smtpAt(upstream.port)));
    const submitted = await submitAll(gateway.port);
    const taken = submitted.filter(({ last }) => last !== "end" && last.code === 250).length;
    expect(taken).toBeGreaterThan(PAYLOADS.length * PLACES.length);
    expect(submitted.flatMap(({ refusals }) => refusals).length).toBeGreaterThan(PAYLOADS.length);
    await gateway.logged("transmission.reported", taken);
    await gateway.logged("transmission.relayed", taken);
    const noticesTaken = () => upstream.taken.filter(({ reversePath }) => reversePath === "").length;
    while (noticesTaken() < taken) await upstream.waitFor(upstream.taken.length + 1);
    expect(await gateway.stop()).toBe(0);

    const texts = upstream.taken.map(({ octets, reversePath }) => ({
      text: Buffer.from(octets).toString("latin1"),
      isNotice: reversePath === "",
    }));
    const notices = texts.filter(({ isNotice }) => isNotice);
    expect(notices.length).toBe(taken);
    expect(texts.length).toBeGreaterThanOrEqual(2 * taken);
    for (const { text } of notices) expectNoticeInOrder(text);
    for (const { text, isNotice } of texts) {
      if (!isNotice) expectHeaderInOrder(text.slice(0, text.indexOf("\r\n\r\n")));
    }
    // Each line was one document, or it would not have been read; none of its texts has a control character.
    for (const line of gateway.lines) expect(JSON.stringify(line)).not.toMatch(CONTROL);
    for (const line of gateway.lines) expect(line.event).not.toContain(MARK);
    // What an upstream is told is a command.
    for (const command of upstream.commands) expect(command).not.toMatch(CONTROL);
  });

  test("a log for people", async ({ place, upstream }) => {
    const port = await freePort();
    const pretty = { LOG_FORMAT: "pretty", SMTP_PORT: port, HTTP_PORT: 0, DATA_DIR: place.data };
    const env = environmentOf(settings({ ...smtpAt(upstream.port), ...pretty }));
    const child = spawn(process.execPath, [MAIN, "serve"], { env });
    let log = "";
    const listening = new Promise<void>((done) => {
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        log += text;
        if (log.includes(" INFO: Ready on ")) done();
      });
    });
    try {
      await listening;
      await submitAll(port);
      child.kill("SIGTERM");
      expect(await once(child, "close")).toEqual([0, null]);
    } finally {
      child.kill("SIGKILL");
    }
    const block = /^mailonce \S+ listens on .*\n(?: {2}.*\n)+/m.exec(log)?.[0] ?? "";
    expect(block.split("\n").length).toBe(8);
    const lines = log.replace(block, "").split("\n");
    expect(lines.length).toBeGreaterThan(PAYLOADS.length * PLACES.length);
    for (const line of lines) {
      expect(line).not.toMatch(CONTROL);
      expect(line).toMatch(/^$|^\d\d:\d\d:\d\d (?:DEBUG|INFO|WARN|ERROR): \S/);
    }
  });
});

test("towards SES: tags that SES takes, the id first, one recipient, no field of authorization", async ({
  place,
}) => {
  const ses = await place.ses();
  const gateway = await place.start(settings(sesAt(ses)));
  const tagFields = [
    ...PAYLOADS.filter((payload) => !/[\r\n]/.test(payload.toString("latin1"))),
    ...["=b, mailonce-id=evil", "=b,\r\n mailonce-id=evil, c=d", "=b\r\nX-SES-Source-ARN : arn:evil"],
  ];
  let calls = 0;
  for (const field of tagFields) {
    const fields = octetsOf("X-SES-MESSAGE-TAGS: a", field, `\r\nX-Task-Id: ${randomUUID()}\r\n`);
    const { last } = await submit(gateway.port, { fields });
    if (last === "end" || last.code !== 250) continue;
    calls += 2;
    await ses.waitFor(calls);
    const call = ses.lastCall();
    const content = Buffer.from(ses.taken.at(-1)?.octets ?? []).toString("latin1");
    const id = /^X-Mailonce-ID: <([a-z2-7]{32})@/m.exec(content)?.[1];
    expect(call?.Destination?.ToAddresses?.map((one) => [KNOWN, UNKNOWN].includes(one))).toEqual([true]);
    expect(call?.EmailTags?.[0]).toEqual({ Name: "mailonce-id", Value: id });
    expect(call?.EmailTags?.filter(({ Name }) => Name === "mailonce-id").length).toBe(1);
    for (const { Name, Value } of call?.EmailTags ?? [])
      expect(`${Name}=${Value}`).toMatch(/^[\w-]+=[\w-]+$/);
    expect(call).not.toHaveProperty("FromEmailAddressIdentityArn");
    expect(content).not.toMatch(/^x-ses-[a-z-]*-arn/im);
  }
  expect(calls).toBeGreaterThan(10);
});
