// The outbox of a gateway that relays into a Maildir: mails of nodemailer, as a browser gets to see them.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createTransport, type SendMailOptions } from "nodemailer";
import { expect } from "vitest";
import { askAt, bearer, type Reply } from "../support/http-place.ts";
import { type Place, test } from "../support/place.ts";
import { type GatewayProcess, run } from "../support/process.ts";

interface Looking {
  readonly gateway: GatewayProcess;
  get(path: string): Promise<Reply>;
  /** Submits a mail and waits until it is relayed. @returns the path of its page */
  send(mail: SendMailOptions): Promise<string>;
}

async function lookAt(place: Place): Promise<Looking> {
  const file = join(place.folder, "tokens");
  const added = await run(["token", "add", "ann", "--role", "read", "--file", file]);
  const gateway = await place.start({ HTTP_TOKENS_FILE: file });
  const port = Number(String(gateway.said("gateway.listening")[0]?.http).split(":").at(-1));
  const transport = createTransport({ host: "127.0.0.1", port: gateway.port, ignoreTLS: true });
  place.atEnd(() => transport.close());
  return {
    gateway,
    get: (path) => askAt(port, path, { headers: bearer(added.stdout.trim()) }),
    async send(mail) {
      const task = randomUUID();
      const headers = { "X-Task-Id": task };
      const envelope = { from: "app@sender.example", to: "user@example.com" };
      // A mail that is given as it is has its fields in it.
      const whole =
        mail.raw === undefined ? { headers, ...mail } : { raw: `X-Task-Id: ${task}\r\n${mail.raw}` };
      await transport.sendMail({ envelope, ...whole });
      await gateway.logged("transmission.relayed", 1, (line) => line.task === task);
      const [relayed] = gateway.said("transmission.relayed", (line) => line.task === task);
      return `/outbox/${relayed?.upstreamId}`;
    },
  };
}

const MAIL: SendMailOptions = { from: "Zoë <app@sender.example>", to: "user@example.com" };

test("the first minute: where the mail is, what it says, and what happened to it", async ({ place }) => {
  const { get, send } = await lookAt(place);
  expect((await get("/")).body).toContain(
    'Relayed mail goes into a folder and nowhere else. <a href="/outbox">Look at it in the outbox.</a>',
  );
  expect((await get("/outbox")).body).toContain(`No mail is in <code>${place.outbox}</code> yet.`);
  const attachment = Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * 7) % 256));
  const path = await send({
    ...MAIL,
    ...{
      cc: "Third <third@example.org>",
      subject: "Grüße 👋",
      text: "Guten Tag",
      html: "<p>Guten <b>Tag</b></p>",
    },
    attachments: [
      { filename: "rechnung für märz.pdf", content: attachment, contentType: "application/pdf" },
      { filename: "empty.txt", content: "" },
    ],
  });
  const list = await get("/outbox");
  expect(list.body).toContain(`1 mail is in <code>${place.outbox}</code>; it went nowhere else.`);
  expect(list.body).toContain('<a href="/outbox" aria-current="page">Outbox</a>');
  expect(list.body).toContain(`href="${path}">Grüße 👋</a>`);
  expect(list.body).toContain('<td data-title="from">Zoë &lt;app@sender.example&gt;</td>');
  expect(list.body).toContain('<td data-title="to">user@example.com</td>');
  const id = path.slice("/outbox/".length).split(".")[0];
  expect(list.body).toContain(`href="/mails/${id}"`);

  expect((await get(`/mails/${id}`)).body).toContain(`<a href="${path}">Look at it in the outbox</a>`);

  const { status, body } = await get(path);
  expect(status).toBe(200);
  for (const shown of [
    "<h1>Grüße 👋</h1>",
    "<p>Relayed to user@example.com at <time",
    "<dt>From</dt><dd>Zoë &lt;app@sender.example&gt;</dd>",
    "<dt>Cc</dt><dd>Third &lt;third@example.org&gt;</dd>",
    `<dt>Message-ID</dt><dd><a href="/mails/${id}">&lt;${id}@`,
    "<pre>Guten Tag",
    '<th scope="row">rechnung für märz.pdf</th><td data-title="type">application/pdf</td>',
    '<td class="number" data-title="size">100.0 kB</td>',
    '<td class="number" data-title="size">0 octets</td>',
  ]) {
    expect(body).toContain(shown);
  }
  expect((await get(`${path}?show=html`)).body).toContain(
    `sandbox title="The mail as HTML" src="${path}/html"`,
  );
  expect((await get(`${path}/html`)).body).toContain("<p>Guten <b>Tag</b></p>");
  const part = await get(`${path}/parts/1`);
  expect(part.body).toBe(attachment.toString("utf8"));
  expect((await get(`${path}/parts/2`)).body).toBe("");
  const source = await get(`${path}/source`);
  expect(source.body).toMatch(/^Return-Path: <app@sender.example>\r\nDelivered-To: user@example.com\r\n/);
  expect((await get(`${path}?show=source`)).body).toContain("<pre>Return-Path: &lt;app@sender.example&gt;");
});

test("charsets, an empty mail, one with HTML only", async ({ place }) => {
  const { get, send } = await lookAt(place);
  const raw = (charset: string, subject: string, body: string) =>
    [
      ...["From: app@sender.example", `Subject: =?${charset}?B?${subject}?=`, "MIME-Version: 1.0"],
      ...[`Content-Type: text/plain; charset=${charset}`, "Content-Transfer-Encoding: base64", "", body, ""],
    ].join("\r\n");
  const japanese = Buffer.from("\x1b$BF|K\\8l\x1b(B", "latin1").toString("base64");
  const russian = Buffer.from([0xcf, 0xf0, 0xe8, 0xe2, 0xe5, 0xf2]).toString("base64");
  for (const [charset, octets, text] of [
    ["ISO-2022-JP", japanese, "日本語"],
    ["windows-1251", russian, "Привет"],
  ] as const) {
    const { body } = await get(await send({ raw: raw(charset, octets, octets) }));
    expect(body).toContain(`<h1>${text}</h1>`);
    expect(body).toContain(`<pre>${text}`);
    expect((await get("/outbox")).body).toContain(`>${text}</a>`);
  }
  const empty = await get(await send({ ...MAIL, subject: "" }));
  expect(empty.body).toContain("<h1>(no subject)</h1>");
  expect(empty.body).toContain("<p>This mail has no text.</p>");
  // There is nothing to choose from.
  const only = await get(await send({ ...MAIL, html: "<p>only</p>" }));
  expect(only.body).toContain('<iframe class="foreign" sandbox');
});

test("a mail of 20 MB, while the gateway relays others", async ({ place }) => {
  const { get, send } = await lookAt(place);
  const content = Buffer.alloc(15_000_000, "0123456789abcdef");
  const path = await send({
    ...MAIL,
    subject: "large",
    text: "see there",
    attachments: [{ filename: "a.bin", content }],
  });
  const [page, part, small] = await Promise.all([
    get(path),
    get(`${path}/parts/1`),
    send({ ...MAIL, subject: "small" }),
  ]);
  expect(page.body).toContain("This mail is large: its first 8.4 MB are shown. Downloads are whole.");
  expect(page.body).toContain("<pre>see there");
  expect(part.body === content.toString()).toBe(true);
  expect((await get(small)).body).toContain("<h1>small</h1>");
});
