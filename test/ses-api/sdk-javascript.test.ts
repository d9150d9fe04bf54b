// AWS's own SDK of JavaScript, both versions of the API, and nodemailer with it. The endpoint is all that they are told.
import { randomUUID } from "node:crypto";
import {
  GetSendQuotaCommand,
  SESClient,
  SendEmailCommand as SendEmailV1,
  SendRawEmailCommand,
} from "@aws-sdk/client-ses";
import { GetAccountCommand, SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import { createTransport } from "nodemailer";
import { describe, expect, vi } from "vitest";
import { messageId } from "../../src/index.ts";
import { createScriptedSes } from "../support/scripted-ses.ts";
import { cuttingProxy } from "./cutting-proxy.ts";
import { mailsAt, type Site, surroundings, test } from "./place.ts";

const FROM = "app@sender.example";
let count = 0;
const nextRecipient = (): string => `sdk${count++}@example.com`;

/** A client that finds the gateway in its surroundings. */
function clientsOf(site: Pick<Site, "url">): { v1: SESClient; v2: SESv2Client } {
  for (const [name, value] of Object.entries(surroundings(site))) vi.stubEnv(name, value);
  return { v1: new SESClient({}), v2: new SESv2Client({}) };
}

const raw = (to: string, fields = ""): Uint8Array =>
  Buffer.from(`From: App <${FROM}>\r\nTo: ${to}\r\nSubject: News\r\n${fields}\r\nHello.\r\n`);

const to = (address: string) => ({ ToAddresses: [address] });

describe("a task twice is one mail", () => {
  const Simple = { Subject: { Data: "News" }, Body: { Text: { Data: "Hello." } } };
  test.for([
    [
      "SendEmail of version 2, Raw",
      (one: Task, { v2 }: Clients) =>
        v2.send(new SendEmailCommand({ Content: { Raw: { Data: raw(one.to, one.field) } } })),
    ],
    [
      "SendEmail of version 2, Simple",
      (one: Task, { v2 }: Clients) =>
        v2.send(
          new SendEmailCommand({
            FromEmailAddress: FROM,
            Destination: to(one.to),
            Content: { Simple: { ...Simple, Headers: [{ Name: "X-Task-Id", Value: one.id }] } },
          }),
        ),
    ],
    [
      "SendRawEmail",
      (one: Task, { v1 }: Clients) =>
        v1.send(new SendRawEmailCommand({ RawMessage: { Data: raw(one.to, one.field) } })),
    ],
    [
      "SendEmail of version 1",
      (one: Task, { v1 }: Clients) =>
        v1.send(
          new SendEmailV1({
            Source: FROM,
            Destination: to(one.to),
            Message: { Subject: { Data: "News" }, Body: { Text: { Data: "Hello." } } },
            Tags: [{ Name: "task-id", Value: one.id }],
          }),
        ),
    ],
    [
      "nodemailer",
      async (one: Task, { v2 }: Clients) => {
        const transport = createTransport({ SES: { sesClient: v2, SendEmailCommand } } as never);
        const sent = await transport.sendMail({
          from: FROM,
          to: one.to,
          subject: "News",
          text: "Hello.",
          headers: { "X-Task-Id": one.id },
        });
        return { MessageId: sent.messageId.slice(1, -1) };
      },
    ],
  ] as const)("%s", async ([, send], { site }) => {
    const task = { id: randomUUID(), to: nextRecipient() };
    const one = { ...task, field: `X-Task-Id: ${task.id}\r\n` };
    const clients = clientsOf(site);
    const ids = [(await send(one, clients)).MessageId, (await send(one, clients)).MessageId];
    const id = messageId({ task: one.id, to: one.to, from: FROM });
    expect(ids).toEqual([id.slice(1, -1), id.slice(1, -1)]);
    await site.gateway.logged("transmission.relayed", 1, (line) => line.messageId === id);
    expect(mailsAt(site).filter((mail) => mail.to[0] === one.to)).toHaveLength(1);
  });
});

interface Task {
  readonly id: string;
  readonly to: string;
  readonly field: string;
}

interface Clients {
  readonly v1: SESClient;
  readonly v2: SESv2Client;
}

test("what may be sent, and nodemailer's question whether it can", async ({ site }) => {
  const { v1, v2 } = clientsOf(site);
  expect(await v1.send(new GetSendQuotaCommand({}))).toMatchObject({ Max24HourSend: -1, MaxSendRate: 1000 });
  expect((await v2.send(new GetAccountCommand({}))).SendQuota).toMatchObject({ Max24HourSend: -1 });
  const transport = createTransport({ SES: { sesClient: v2, SendEmailCommand } } as never);
  expect(await transport.verify()).toBe(true);
});

test("an SDK whose answers are lost tries again by itself: one mail here, three at SES itself", async ({
  site,
  place,
}) => {
  const [withTask, without] = [nextRecipient(), nextRecipient()];
  for (const [address, fields] of [
    [withTask, `X-Task-Id: ${randomUUID()}\r\n`],
    [without, ""],
  ] as const) {
    const proxy = await cuttingProxy(site.port, 2);
    place.atEnd(() => proxy.close());
    const { v2 } = clientsOf(proxy);
    await v2.send(new SendEmailCommand({ Content: { Raw: { Data: raw(address, fields) } } }));
    await site.gateway.logged("transmission.repeat", 2, ({ recipient }) => recipient === address);
    await site.gateway.logged("transmission.relayed", 1, ({ recipient }) => recipient === address);
    expect(mailsAt(site).filter((mail) => mail.to[0] === address)).toHaveLength(1);
  }

  const ses = await createScriptedSes();
  place.atEnd(() => ses.close());
  const proxy = await cuttingProxy(Number(new URL(ses.endpoint).port), 2);
  place.atEnd(() => proxy.close());
  const { v2 } = clientsOf(proxy);
  await v2.send(new SendEmailCommand({ Content: { Raw: { Data: raw("bare@example.com") } } }));
  expect(ses.taken).toHaveLength(3);
});
