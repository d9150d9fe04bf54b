// The content of a call that gives subject and texts: written at once, it is what the composer's own streams give, and it says
// what the call said.
import fc from "fast-check";
import { simpleParser } from "mailparser";
import { expect, test } from "vitest";
import type { MailCall, SimpleContent } from "../../../src/listeners/ses-api/call.ts";
import { compose, messageOf, octetsOf } from "../../../src/listeners/ses-api/compose.ts";

const callOf = (content: SimpleContent): MailCall => ({
  ...{
    from: "Jürgen <app@sender.example>",
    reversePath: undefined,
    to: ["Ann <a@example.net>"],
    cc: [],
    bcc: [],
  },
  ...{
    replyTo: ["help@sender.example"],
    content,
    tags: [],
    configurationSet: undefined,
    tenant: undefined,
    list: undefined,
  },
});

const contentOf = (content: Partial<SimpleContent>): SimpleContent => ({
  ...{ kind: "simple", subject: "News", text: undefined, html: undefined, headers: [], attachments: [] },
  ...content,
});

const composed = async (content: SimpleContent): Promise<string> =>
  Buffer.from(await compose(callOf(content), content)).toString("utf8");

/**
 * Words, long lines, line ends of each kind and characters of each script. White space at the very end is left out: there
 * the streams may break a line elsewhere, which a reader doesn't see.
 */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "word",
        " ",
        "\t",
        "\r\n",
        "\n",
        "\r",
        ".",
        "=",
        "=3D",
        "é",
        "日本語",
        "\u{1f600}",
        "From ",
        "\0",
      ),
      fc.string({ unit: "binary", maxLength: 8 }),
      fc.nat(200).map((octets) => "x".repeat(octets)),
    ),
    { maxLength: 60 },
  )
  .map((pieces) => pieces.join("").replace(/[ \t]+$/, ""));

const attachment = fc.record({
  content: fc.uint8Array({ maxLength: 300 }),
  fileName: fc.constantFrom("a.txt", "Grüße.pdf", "mail.eml", 'a"b\\c', "", "noext"),
  contentType: fc.constantFrom(
    undefined,
    "text/plain",
    "image/png",
    "message/rfc822",
    "multipart/mixed",
    "application/pdf",
  ),
  inline: fc.boolean(),
  contentId: fc.constantFrom(undefined, "logo@sender.example"),
  description: fc.constantFrom(undefined, "what it is, schön"),
});

const header = fc.record({
  name: fc.constantFrom(
    "X-Task-Id",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "References",
    "X-Grüße",
  ),
  value: fc.constantFrom(
    "<https://sender.example/u?a=1>, <mailto:u@sender.example>",
    "List-Unsubscribe=One-Click",
    "<1@a>",
    "schön",
    "",
  ),
});

const content = fc
  .record({
    subject: fc.oneof(
      fc.constantFrom("", "News", "Grüße aus Köln", "\u{1f600}".repeat(40)),
      fc.string({ maxLength: 200 }),
    ),
    text: fc.option(text, { nil: undefined }),
    html: fc.option(text, { nil: undefined }),
    headers: fc.array(header, { maxLength: 4 }),
    attachments: fc.array(attachment, { maxLength: 3 }),
  })
  .map(contentOf);

test("written at once, a message has the octets that its streams give", async () => {
  await fc.assert(
    fc.asyncProperty(content, async (one) => {
      const message = messageOf(callOf(one), one);
      expect(Buffer.from(octetsOf(message)).toString("latin1")).toBe(
        (await message.build()).toString("latin1"),
      );
    }),
    { numRuns: 400 },
  );
});

test("a mail says what the call says, whether it is short or long", async () => {
  for (const times of [1, 4_000]) {
    const said = "Grüße, 日本語 \u{1f600}.  Trailing \r\n=20 ".repeat(times);
    const html = `<p>${said}</p><img src="cid:logo@sender.example">`;
    const octets = Buffer.alloc(300, "\0\xff\r\n.", "latin1");
    const attached = {
      fileName: "Grüße.bin",
      inline: false,
      contentType: undefined,
      contentId: undefined,
      description: "Schön",
    };
    const logo = { ...attached, fileName: "logo.png", inline: true, contentId: "logo@sender.example" };
    const one = contentOf({
      ...{ subject: `Grüße ${"an alle ".repeat(20)}`.trim(), text: said, html },
      headers: [{ name: "List-Unsubscribe", value: "<https://sender.example/u>" }],
      attachments: [attached, logo].map((other) => ({ ...other, content: octets })),
    });
    const mail = await simpleParser(Buffer.from(await compose(callOf(one), one)));
    expect(mail.subject).toBe(one.subject);
    expect(mail.from?.value).toEqual([{ name: "Jürgen", address: "app@sender.example" }]);
    expect(mail.text?.replace(/\n$/, "")).toBe(said.replaceAll("\r\n", "\n"));
    expect(mail.html).toContain(`<p>${said.replaceAll("\r\n", "\n")}</p>`);
    expect(mail.headers.get("list")).toEqual({ unsubscribe: { url: "https://sender.example/u" } });
    expect(mail.attachments.map(({ filename, cid }) => [filename, cid])).toEqual([
      ["logo.png", "logo@sender.example"],
      ["Grüße.bin", undefined],
    ]);
    for (const { content: received } of mail.attachments) expect(received).toEqual(octets);
  }
});

test("a mail has no Message-ID but that of the call", async () => {
  const ids = async (headers: SimpleContent["headers"]): Promise<string[]> =>
    (await composed(contentOf({ text: "Hello.", headers }))).match(/^message-id:.*$/gim) ?? [];
  expect(await ids([])).toEqual([]);
  expect(await ids([{ name: "message-id", value: "<1@sender.example>" }])).toEqual([
    "Message-ID: <1@sender.example>",
  ]);
});

test("two mails have no boundary in common", async () => {
  const boundary = async (): Promise<string | undefined> =>
    /boundary="([^"]+)"/.exec(await composed(contentOf({ text: "Hello.", html: "<p>Hello.</p>" })))?.[1];
  expect(await boundary()).not.toBe(await boundary());
  expect(await boundary()).toMatch(/^.{40,70}$/);
});
