// The same inputs to this gateway and to a real Postfix: the same verdicts, or a difference that docs/evidence/peers.md gives the
// reason of. A difference that is not in the table fails, and so does one that is no more.
import { join } from "node:path";
import { describe, expect } from "vitest";
import { readMaildir } from "../support/maildir.ts";
import { findProgram, type Postfix, startPostfix } from "../support/peers.ts";
import { smtpAt, test } from "../support/place.ts";
import type { GatewayProcess } from "../support/process.ts";
import { openSmtp, submitMail } from "../support/smtp-client.ts";

const hasPostfix = process.getuid?.() === 0 && findProgram("postfix") !== undefined;

const HELLO = "EHLO client.example";
const SENDER = "MAIL FROM:<shop@example.com>";
const from = (path: string): string[] => [HELLO, `MAIL FROM:${path}`];
const to = (path: string): string[] => [HELLO, SENDER, `RCPT TO:${path}`];

/** Taken by both, or refused by both. */
const SAME: readonly string[][] = [
  ...["a_b", "a b", "a/b", "a:b", "<a>", "[127.0.0.1", "m\u00fcller", "HP LaserJet (Room 5)"].map((name) => [
    `EHLO ${name}`,
  ]),
  ...["EHLO", "EHLO ", "HELO "].map((line) => [line]),
  ...["a@b.example", " <a@b.example>", "< a@b.example >", "< >", "<>", "a@b.example SIZE=10"].map(from),
  ...["", "<a@b.example", "<a@b.example>SIZE=10", "Joe <a@b.example>", "<a@b.example> SIZE=x"].map(from),
  ...['<"a b"@b.example>', '<"a@b"@b.example>', "<a..b@b.example>", "<.a@b.example>", "<u@web_1.local>"].map(
    to,
  ),
  ...["<@a,@b:u@b.example>", "<a\\@b@b.example>", "<|cat@b.example>", "<Postmaster>", "<u@b.exam_ple>"].map(
    to,
  ),
  ...["<u@>", "<u@-b.example>", "<u@b..example>", "<a;b@b.example>", "<u@b.example:25>", "<u@b>"].map(to),
];

/** Here, and by Postfix. */
const DIFFERENT: readonly (readonly [lines: string[], here: string, postfix: string])[] = [
  // What a path means is not guessed.
  [from("<<a@b.example>>"), "5", "2"],
  [from("a@b.example>"), "5", "2"],
  [from("<a @b.example>"), "5", "2"],
  // Postfix appends its own domain. An id needs one that is the same everywhere.
  [from("<a>"), "5", "2"],
  [to("<u>"), "5", "2"],
  [to("<@b.example>"), "5", "2"],
  // The obsolete forms of RFC 5322, comments, and a domain that ends in a dot have no canonical form.
  [to('<"a".b@b.example>'), "5", "2"],
  [to("<a(b)@b.example>"), "5", "2"],
  [to("<a@b@b.example>"), "5", "2"],
  [to("<u@b.example.>"), "5", "2"],
  // No SMTP client hands such a path on.
  [to('<"a>b"@b.example>'), "5", "2"],
  // A parameter that nobody offers is passed over.
  [from("<a@b.example> FOO=bar"), "2", "5"],
  // A recipient is looked at by whoever delivers to it.
  [to("<-f@b.example>"), "2", "5"],
  [to("<u@127.0.0.1>"), "2", "5"],
  [["MAIL FROM :<a@b.example>"].flatMap((line) => [HELLO, line]), "2", "5"],
];

async function verdict(port: number, lines: readonly string[]): Promise<string> {
  const client = await openSmtp(port);
  await client.reply();
  let reply = "";
  for (const line of lines) reply = await client.command(line);
  client.destroy();
  return reply.slice(0, 1);
}

describe.skipIf(!hasPostfix)("beside Postfix (needs root, and Debian's postfix)", () => {
  let here: GatewayProcess;
  let sink: GatewayProcess;
  let postfix: Postfix;
  let outbox: string;

  test.beforeAll(async ({ shared }) => {
    const settings = { SMTP_ERRORS_MAX: 1_000, SMTP_CONNECTIONS_PER_ADDRESS_MAX: 1_000 };
    sink = await shared.start({ POLICY_DENIED_RECIPIENTS: "bad.example", ...settings });
    outbox = shared.outbox;
    here = await shared.start({ DATA_DIR: join(shared.folder, "here"), ...smtpAt(sink.port), ...settings });
    postfix = await startPostfix(shared.folder, { relayPort: sink.port });
    shared.atEnd(() => postfix.stop());
  });

  test("what both take, and what both refuse", async () => {
    const differing: string[] = [];
    for (const lines of SAME) {
      const [ours, theirs] = [await verdict(here.port, lines), await verdict(postfix.port, lines)];
      if (ours !== theirs) differing.push(`${lines.at(-1)}: ${ours} here, ${theirs} by Postfix`);
    }
    expect(differing).toEqual([]);
  });

  test.each(DIFFERENT)("%j: %s here, %s by Postfix", async (lines, ours, theirs) => {
    expect(await verdict(here.port, lines)).toBe(ours);
    expect(await verdict(postfix.port, lines)).toBe(theirs);
  });

  const submit = (port: number, content: string, to = ["user@good.example"]): Promise<string> =>
    submitMail(port, { from: "sender@good.example", to, content });

  test("Received fields: Postfix counts its own too, and stops at 50", async () => {
    const received = "Received: from a by b; Fri, 27 Nov 2026 00:00:00 +0000\r\n";
    for (const [count, ours, theirs] of [
      [30, "250", "250"],
      [48, "250", "250"],
      [49, "250", "554"],
      [50, "250", "554"],
      [51, "554", "554"],
      [200, "554", "554"],
    ] as const) {
      const content = `${received.repeat(count)}Subject: x\r\n\r\nx\r\n`;
      expect((await submit(here.port, content)).slice(0, 3), `${count}`).toBe(ours);
      expect((await submit(postfix.port, content)).slice(0, 3), `${count}`).toBe(theirs);
    }
  });

  test("several failed recipients of one submission are one report that names them all", async () => {
    const bad = [1, 2, 3, 4, 5].map((n) => `user${n}@bad.example`);
    for (const [name, port] of [
      ["here", here.port],
      ["postfix", postfix.port],
    ] as const) {
      const reports = (): string[] =>
        readMaildir(outbox).filter(
          (message) => message.includes("multipart/report") && message.includes(`X-From: ${name}`),
        );
      let relayed = sink.said("transmission.relayed").length;
      await submit(port, `X-From: ${name}\r\nSubject: x\r\n\r\n${"y".repeat(70)}\r\n`, [
        ...bad,
        `${name}@good.example`,
      ]);
      while (reports().length === 0) await sink.logged("transmission.relayed", ++relayed);
      expect(reports(), name).toHaveLength(1);
      for (const recipient of bad) expect(reports()[0], name).toContain(recipient);
      expect(reports()[0], name).not.toContain(`${name}@good.example`);
      // Postfix attaches the whole message of this size, as RET=FULL asks of us.
      expect(reports()[0]?.includes("y".repeat(70)), name).toBe(name === "postfix");
    }
  });
});
