// What old clients, printers and job queues say at MAIL, RCPT and EHLO: taken as Postfix takes it.
import { describe, expect } from "vitest";
import { canonicalRecipient } from "../../src/address/recipient.ts";
import { readMaildir, valuesOf } from "../support/maildir.ts";
import { findProgram, startPostfix } from "../support/peers.ts";
import { test } from "../support/place.ts";
import type { GatewayProcess } from "../support/process.ts";
import { connectSmtp, openSmtp, taskMail } from "../support/smtp-client.ts";

const postfixProgram = process.getuid?.() === 0 ? findProgram("postfix") : undefined;

let gateway: GatewayProcess;
let strict: GatewayProcess;

test.beforeAll(async ({ shared }) => {
  gateway = await shared.start({ SMTP_REFUSALS_MAX: 5, SMTP_ERRORS_MAX: 1000 });
  strict = await shared.start({ DATA_DIR: `${shared.folder}/strict`, SMTP_STRICT: "true" });
});

/** The first digit of the reply to the last line, each line on a connection of its own that has said EHLO. */
async function verdict(port: number, ...lines: string[]): Promise<string> {
  const client = await openSmtp(port);
  let reply = await client.reply();
  for (const line of lines) reply = await client.command(line);
  client.destroy();
  return reply.slice(0, 1);
}

const HELLO = "EHLO client.example";
const SENDER = "MAIL FROM:<shop@example.com>";

describe("addresses that identity takes are taken at the door", () => {
  const taken = [
    "a..b@d.example",
    "a.@d.example",
    ".a@d.example",
    '"a..b"@d.example',
    '"a b"@x.example',
    '"a@b"@x.example',
  ];
  const more = ["u@web_1.local", "u@_x.example", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "Postmaster"];

  test.each([...taken, ...more])("%s", async (address) => {
    expect(canonicalRecipient(address).ok).toBe(true);
    expect(await verdict(gateway.port, HELLO, SENDER, `RCPT TO:<${address}>`)).toBe("2");
    expect(await verdict(gateway.port, HELLO, `MAIL FROM:<${address}>`)).toBe("2");
  });

  test.each([
    "a",
    "a b@x.example",
    "a@",
    "@x.example",
    "a@b@x.example",
    "a@x..example",
    "a\u{200b}b@x.example",
  ])("%s is none", async (address) => {
    expect(await verdict(gateway.port, HELLO, SENDER, `RCPT TO:<${address}>`)).toBe("5");
  });

  test("the mail arrives under the address as it was written", async ({ shared }) => {
    const client = await connectSmtp(gateway.port);
    const to = ["dots..in.a.row.@d.example", '"two words"@x.example'];
    expect(await client.submit({ to, content: taskMail("odd-addresses") })).toContain("queued as");
    await client.quit();
    await gateway.logged("transmission.relayed", 2);
    expect(valuesOf(readMaildir(shared.outbox), "Delivered-To").sort()).toEqual(to.sort());
  });
});

/** With what Postfix says of each where it isn't strict, and with RFC 5321's word where this is. */
const DIALOGUES: readonly (readonly [lines: string[], relaxed: string, strict: string])[] = [
  [["EHLO My Printer"], "2", "5"],
  [["HELO My Printer 2nd floor"], "2", "5"],
  [["EHLO "], "5", "5"],
  [["HELO web_1"], "2", "2"],
  [["EHLO [127.0.0.1]"], "2", "2"],
  [[HELLO, "MAIL FROM:a@example.com"], "2", "5"],
  [[HELLO, "MAIL FROM: <a@example.com>"], "2", "2"],
  [[HELLO, "MAIL FROM:<a@example.com> SIZE=100"], "2", "2"],
  [[HELLO, "MAIL FROM:a@example.com SIZE=100"], "2", "5"],
  [[HELLO, SENDER, "RCPT TO:user1@example.com"], "2", "5"],
  [[HELLO, SENDER, "RCPT TO:<user1@example.com>"], "2", "2"],
  [[HELLO, SENDER, "RCPT TO:<@a.example:user1@example.com>"], "2", "2"],
  [[HELLO, "MAIL FROM:<a@example.com"], "5", "5"],
  [[HELLO, "MAIL FROM:<>"], "2", "2"],
  [[HELLO, "MAIL FROM:< >"], "2", "5"],
  [[HELLO, "MAIL FROM:< a@example.com >"], "2", "5"],
  [[HELLO, SENDER, "RCPT TO:<user1@example.com\t>"], "2", "5"],
  [[HELLO, "MAIL  FROM:<a@example.com>"], "2", "2"],
];

describe("forms of the dialogue", () => {
  test.each(DIALOGUES)("%j", async (lines, relaxed, byTheBook) => {
    expect(await verdict(gateway.port, ...lines)).toBe(relaxed);
    expect(await verdict(strict.port, ...lines)).toBe(byTheBook);
  });

  test("the name that a printer gives stands in the trace, and begins nothing there", async ({ shared }) => {
    const client = await openSmtp(gateway.port);
    await client.reply();
    expect(await client.command("EHLO My (Printer)")).toMatch(/^250/);
    expect(await client.submit({ to: ["printer@example.com"], content: taskMail("printer") })).toContain(
      "queued as",
    );
    await client.quit();
    await gateway.logged("transmission.relayed", 3);
    const traces = valuesOf(readMaildir(shared.outbox), "Received");
    expect(traces.filter((trace) => trace?.startsWith("from my??printer? "))).toHaveLength(1);
  });
});

test.skipIf(postfixProgram === undefined)("Postfix says the same of each", async ({ place }) => {
  const postfix = await startPostfix(place.folder, {
    settings: { virtual_mailbox_domains: "example.com" },
  });
  place.atEnd(() => postfix.stop());
  const differing: string[] = [];
  for (const [lines, relaxed] of DIALOGUES) {
    const said = await verdict(postfix.port, ...lines);
    if (said !== relaxed) differing.push(`${lines.join(" / ")}: Postfix ${said}, here ${relaxed}`);
  }
  expect(differing).toEqual([]);
});

test("a path with an angle bracket in quotes, which no client hands on, is refused at once", async () => {
  const client = await connectSmtp(gateway.port);
  expect(await client.command('MAIL FROM:<"a<b"@sender.example>')).toMatch(/^501 5\.1\.7 /);
  await client.command(SENDER);
  expect(await client.command('RCPT TO:<"a>b"@example.com>')).toMatch(/^501 5\.1\.3 /);
  expect(await client.command('RCPT TO:<"a b"@example.com>')).toMatch(/^250 /);
  await client.quit();
});

describe("refused recipients", () => {
  test("who tries one after the other is sent away", async () => {
    const client = await connectSmtp(gateway.port);
    await client.command(SENDER);
    for (let n = 0; n < 4; n++) expect(await client.command(`RCPT TO:<bad${n}>`)).toMatch(/^553 /);
    expect(await client.command("RCPT TO:<bad>")).toMatch(/^553 /);
    expect(await client.reply()).toMatch(/^421 4\.7\.0 too many errors/);
    await gateway.logged("connection.ended");
    expect(gateway.lines.filter(({ event }) => event === "connection.ended").at(-1)?.reason).toBe(
      "refusals_max",
    );
  });

  test("a mail that was taken forgives them", async () => {
    const client = await connectSmtp(gateway.port);
    for (let round = 0; round < 3; round++) {
      await client.command(SENDER);
      for (let n = 0; n < 4; n++) expect(await client.command(`RCPT TO:<bad${n}>`)).toMatch(/^553 /);
      await client.command("RSET");
      expect(await client.submit({ to: ["a@example.com"], content: taskMail(`forgiven-${round}`) })).toMatch(
        /^250 /,
      );
    }
    await client.quit();
  });
});
