// One mail submitted by SMTP and by the API, as when a mailer moves from one to the other with its queue not empty: one
// id, and the second is a repeat, however either library writes From and Subject.
import { randomUUID } from "node:crypto";
import { chmodSync, copyFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { SESClient, SendEmailCommand as SendEmailV1 } from "@aws-sdk/client-ses";
import { SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import { createTransport } from "nodemailer";
import type SMTPTransport from "nodemailer/lib/smtp-transport";
import { describe, expect, vi } from "vitest";
import { messageId } from "../../src/index.ts";
import { trust, writeUsers } from "../support/doors.ts";
import { run } from "../support/process.ts";
import { mailsAt, openSite, type Site, surroundings, test } from "./place.ts";

interface Mail {
  readonly task: string;
  readonly from: string;
  readonly to: string;
  readonly subject: string;
}

const ADDRESS = "app@sender.example";

let count = 0;
const nextRecipient = (): string => `both${count++}@example.com`;

async function bySmtp(options: SMTPTransport.Options, { task, from, to, subject }: Mail): Promise<void> {
  const transport = createTransport({ host: "127.0.0.1", ignoreTLS: true, ...options });
  try {
    await transport.sendMail({ from, to, subject, text: "Hello.", headers: { "X-Task-Id": task } });
  } finally {
    transport.close();
  }
}

const byApi: Record<string, (mail: Mail) => Promise<{ MessageId?: string | undefined }>> = {
  "SendEmail of version 2, Simple": ({ task, from, to, subject }) =>
    new SESv2Client({}).send(
      new SendEmailCommand({
        FromEmailAddress: from,
        Destination: { ToAddresses: [to] },
        Content: {
          Simple: {
            Subject: { Data: subject },
            Body: { Text: { Data: "Hello." } },
            Headers: [{ Name: "X-Task-Id", Value: task }],
          },
        },
      }),
    ),
  "SendEmail of version 2, Raw, in UTF-8": ({ task, from, to, subject }) =>
    new SESv2Client({}).send(
      new SendEmailCommand({
        Content: {
          Raw: {
            Data: Buffer.from(
              `X-Task-Id: ${task}\r\nFrom: ${from}\r\nTo: ${to}\r\nSubject: ${subject}\r\n\r\nHello.\r\n`,
            ),
          },
        },
      }),
    ),
  "SendEmail of version 1": ({ task, from, to, subject }) =>
    new SESClient({}).send(
      new SendEmailV1({
        Source: from,
        Destination: { ToAddresses: [to] },
        Message: { Subject: { Data: subject }, Body: { Text: { Data: "Hello." } } },
        Tags: [{ Name: "task-id", Value: task }],
      }),
    ),
};

const WRITTEN = [
  ["plain", ADDRESS, "Your order 4711"],
  ["a name", `Shop <${ADDRESS}>`, "Your order"],
  ["a name in quotes", `"Shop, Inc." <${ADDRESS}>`, "Your order"],
  ["other letters", `Jörg Müller <${ADDRESS}>`, "Grüße aus Köln"],
  [
    "a long line of other letters",
    `"日本語, の店" <${ADDRESS}>`,
    `Ihre Bestellung ${"über viele Zeilen ".repeat(12)}`,
  ],
  ["what looks like an encoded word", ADDRESS, "=?utf-8?q?not_meant?= so"],
  ["no subject", ADDRESS, ""],
] as const;

/** Only the gateway's port is told to the SDK. */
function near(site: Site, key?: { id: string; secret: string }): void {
  for (const [name, value] of Object.entries(surroundings(site))) vi.stubEnv(name, value);
  if (key === undefined) return;
  vi.stubEnv("AWS_ACCESS_KEY_ID", key.id);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", key.secret);
}

const arrived = (site: Site, to: string): number =>
  mailsAt(site).filter(({ to: [first] }) => first === to).length;

describe.for(Object.entries(byApi))("%s", ([, send]) => {
  test.for(WRITTEN)("after SMTP is a repeat: %s", async ([, from, subject], { site }) => {
    near(site);
    const mail = { task: randomUUID(), from, to: nextRecipient(), subject };
    const id = messageId({ task: mail.task, to: mail.to, from: ADDRESS });
    await bySmtp({ port: site.ports[0] as number }, mail);
    expect((await send(mail)).MessageId).toBe(id.slice(1, -1));
    await site.gateway.logged("transmission.relayed", 1, (line) => line.messageId === id);
    expect(site.gateway.said("transmission.repeat").filter((line) => line.messageId === id)).toHaveLength(1);
    expect(arrived(site, mail.to)).toBe(1);
  });

  test("before SMTP too, and another subject is a conflict either way", async ({ site }) => {
    near(site);
    const mail = { task: randomUUID(), from: `Jörg <${ADDRESS}>`, to: nextRecipient(), subject: "Grüße" };
    const other = { ...mail, subject: "Grüsse" };
    const port = site.ports[0] as number;
    await send(mail);
    await bySmtp({ port }, mail);
    await expect(bySmtp({ port }, other)).rejects.toThrow(/X-Task-Part/);
    await expect(send(other)).rejects.toThrow(/X-Task-Part/);
    await site.gateway.logged("transmission.relayed", 1, ({ recipient }) => recipient === mail.to);
    expect(arrived(site, mail.to)).toBe(1);
  });
});

test("a user and a key of one name share the ids; another key has its own", async ({ place }) => {
  const [users, keys] = [join(place.folder, "users"), join(place.folder, "keys")];
  await writeUsers(users, { shop: "correct horse" });
  const keyOf = async (name: string) => {
    const { stdout } = await run(["key", "add", name, "--file", keys]);
    const [id = "", secret = ""] = stdout.split("\n").map((line) => line.slice(line.indexOf("=") + 1));
    return { id, secret };
  };
  const [shop, crm] = [await keyOf("shop"), await keyOf("crm")];
  for (const name of ["server.pem", "server-key.pem"]) {
    copyFileSync(resolve("fixtures/tls", name), join(place.folder, name));
    chmodSync(join(place.folder, name), 0o600);
  }
  const site = await openSite(
    place,
    {
      ...{ ACCESS_USERS_FILE: users, ACCESS_KEYS_FILE: keys },
      ...{
        TLS_CERT_FILE: join(place.folder, "server.pem"),
        TLS_KEY_FILE: join(place.folder, "server-key.pem"),
      },
    },
    '[[listeners]]\nport = 0\ntls = "required"\nauth = "everyone"\n',
  );
  const mail = { task: randomUUID(), from: ADDRESS, to: nextRecipient(), subject: "News" };
  await bySmtp(
    {
      ...{ host: "localhost", port: site.ports[2] as number, ignoreTLS: false, requireTLS: true },
      ...{ tls: { ca: trust.ca }, auth: { user: "shop", pass: "correct horse" } },
    },
    mail,
  );
  const send = byApi["SendEmail of version 2, Simple"] as (mail: Mail) => Promise<{ MessageId?: string }>;
  for (const [namespace, key] of Object.entries({ shop, crm })) {
    near(site, key);
    const id = messageId({ task: mail.task, to: mail.to, from: ADDRESS, namespace });
    expect((await send(mail)).MessageId).toBe(id.slice(1, -1));
  }
  await site.gateway.logged("transmission.relayed", 2);
  expect(arrived(site, mail.to)).toBe(2);

  near(site, { ...shop, secret: crm.secret });
  await expect(send(mail)).rejects.toThrow(/signature/i);
});
