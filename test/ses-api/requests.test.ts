// Requests to the API of SES as they are: who may ask, what is understood, and what is answered.
import { randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import { messageId } from "../../src/index.ts";
import type { LogLine } from "../support/process.ts";
import { ask, mailsAt, NOBODY, openSite, rawCall, SEND, sign, test } from "./place.ts";

const FROM = "app@sender.example";
let count = 0;
const nextRecipient = (): string => `reader${count++}@example.com`;

const mailTo = (to: string, fields = "", subject = "News"): string =>
  `From: App <${FROM}>\r\nTo: ${to}\r\nSubject: ${subject}\r\n${fields}\r\nHello.\r\n`;

const idOf = (told: { body: string }): unknown => JSON.parse(told.body).MessageId;

describe("a mail", () => {
  test("twice is relayed once, and both answers have its Message-ID", async ({ site }) => {
    const [to, task] = [nextRecipient(), randomUUID()];
    const body = rawCall(mailTo(to, `X-Task-Id: ${task}\r\n`));
    const first = await ask(site.port, { path: SEND, body });
    const second = await ask(site.port, { path: SEND, body: `${body} ` });
    expect([first.status, second.status]).toEqual([200, 200]);
    const id = messageId({ task, to, from: FROM }).slice(1, -1);
    expect([idOf(first), idOf(second)]).toEqual([id, id]);
    await site.gateway.logged("transmission.relayed", 1, ({ messageId: of }) => of === `<${id}>`);
    expect(mailsAt(site).filter((mail) => mail.to[0] === to)).toHaveLength(1);
  });

  test.for([
    [
      "a header field of the mail",
      (task: string) => ({ fields: `X-Task-Id: ${task}\r\nX-Task-Part: bill\r\n` }),
    ],
    [
      "tags of the call",
      (task: string) => ({
        tags: [
          ["task-id", task],
          ["task-part", "bill"],
        ],
      }),
    ],
    [
      "a header of the request",
      (task: string) => ({ headers: { "X-Task-Id": task, "X-Task-Part": "bill" } }),
    ],
  ] as const)("may have its task in %s", async ([, of], { site }) => {
    const [to, task] = [nextRecipient(), randomUUID()];
    const {
      fields = "",
      tags = [],
      headers = {},
    } = of(task) as {
      fields?: string;
      tags?: [string, string][];
      headers?: Record<string, string>;
    };
    const EmailTags = [...tags, ["campaign", "summer"]].map(([Name, Value]) => ({ Name, Value }));
    const told = await ask(site.port, {
      path: SEND,
      headers,
      body: rawCall(mailTo(to, fields), { EmailTags }),
    });
    const id = messageId({ task, part: "bill", to, from: FROM });
    expect(idOf(told)).toBe(id.slice(1, -1));
    await site.gateway.logged("transmission.relayed", 1, ({ messageId: one }) => one === id);
    const [mail] = mailsAt(site).filter((one) => one.to[0] === to);
    // What only names the task is taken away.
    expect(mail?.content).not.toMatch(/task-?(id|part)/i);
    expect(mail?.content).toMatch(/^x-ses-message-tags: campaign=summer\r$/m);
  });

  test("of its own has precedence over the call's and the request's", async ({ site }) => {
    const [to, task] = [nextRecipient(), randomUUID()];
    const body = rawCall(mailTo(to, `Idempotency-Key: ${task}\r\n`), {
      EmailTags: [{ Name: "task-id", Value: randomUUID() }],
    });
    const told = await ask(site.port, { path: SEND, headers: { "X-Task-Id": randomUUID() }, body });
    expect(idOf(told)).toBe(messageId({ task, to, from: FROM }).slice(1, -1));
  });

  test("to several is one each, and the answer has the id of the first of To, Cc and Bcc", async ({
    site,
  }) => {
    const task = randomUUID();
    const [to, cc, bcc] = [nextRecipient(), nextRecipient(), nextRecipient()];
    const Destination = { ToAddresses: [`Ann <${to}>`], CcAddresses: [cc], BccAddresses: [bcc, to] };
    const Simple = {
      Subject: { Data: "Grüße" },
      Body: { Text: { Data: "täglich" }, Html: { Data: "<b>täglich</b>" } },
    };
    const body = JSON.stringify({ FromEmailAddress: `App <${FROM}>`, Destination, Content: { Simple } });
    for (const _ of [1, 2]) {
      const told = await ask(site.port, { path: SEND, headers: { "X-Task-Id": task }, body });
      expect(idOf(told)).toBe(messageId({ task, to, from: FROM }).slice(1, -1));
    }
    await site.gateway.logged("transmission.relayed", 3, ({ task: of }) => of === task);
    const mails = mailsAt(site).filter((mail) => [to, cc, bcc].includes(mail.to[0] ?? ""));
    // They leave side by side.
    expect(mails.map((mail) => mail.to).sort()).toEqual([[to], [cc], [bcc]].sort());
    for (const { content } of mails) {
      expect(content).toMatch(/^Subject: =\?UTF-8\?/m);
      expect(content).toContain(`To: Ann <${to}>`);
      expect(content).not.toContain(bcc);
      expect(content).toMatch(/text\/plain[\s\S]*text\/html/);
    }
  });

  test("without a destination goes to those whom it names, and Bcc is taken away", async ({ site }) => {
    const task = randomUUID();
    const [to, bcc] = [nextRecipient(), nextRecipient()];
    const told = await ask(site.port, {
      path: SEND,
      body: rawCall(mailTo(`Ann <${to}>`, `Bcc: ${bcc}\r\nX-Task-Id: ${task}\r\n`)),
    });
    expect(told.status).toBe(200);
    await site.gateway.logged("transmission.relayed", 2, ({ task: of }) => of === task);
    const mails = mailsAt(site).filter((mail) => [to, bcc].includes(mail.to[0] ?? ""));
    expect(mails).toHaveLength(2);
    expect(mails.some(({ content }) => content.includes(bcc))).toBe(false);
  });

  test("with names as encoded words, or from an mbox, is what its sender meant", async ({ site }) => {
    const [to, other] = [nextRecipient(), nextRecipient()];
    const Simple = { Subject: { Data: "News" }, Body: { Text: { Data: "Hello." } } };
    const named = {
      FromEmailAddress: `=?utf-8?q?J=C3=BCrgen?= <${FROM}>`,
      Destination: { ToAddresses: [`=?utf-8?q?K=C3=A4the?= <${to}>`] },
      Content: { Simple },
    };
    const mbox = rawCall(
      `From app Sat Nov 28 05:00:00 2026\n${mailTo(other, "X-Task-Id: mbox-12345678\r\n")}`,
      {
        FromEmailAddress: FROM,
      },
    );
    for (const body of [JSON.stringify(named), mbox]) {
      expect(
        (await ask(site.port, { path: SEND, headers: { "X-Task-Id": randomUUID() }, body })).status,
      ).toBe(200);
    }
    await site.gateway.logged(
      "transmission.relayed",
      2,
      ({ recipient }) => recipient === to || recipient === other,
    );
    const mails = mailsAt(site).filter((mail) => [to, other].includes(mail.to[0] ?? ""));
    const [first = "", second = ""] = mails.map(({ content }) => content);
    expect(first).toMatch(/^From: =\?UTF-8\?/m);
    expect(first).not.toContain('"=?');
    expect(second.match(/^From: /gm)).toHaveLength(1);
    expect(site.gateway.said("submission.accepted", ({ task }) => task === "mbox-12345678")).toHaveLength(1);
  });

  test("with bare line ends is taken, whatever SMTP clients may do", async ({ place }) => {
    const strict = await openSite(place, { SMTP_BARE_NEWLINE: "reject" });
    const told = await ask(strict.port, {
      path: SEND,
      body: rawCall(mailTo("a@example.com").replaceAll("\r", "")),
    });
    expect(told.status).toBe(200);
    await strict.gateway.logged("transmission.relayed");
    expect(mailsAt(strict)[0]?.content).toContain("Subject: News\r\n");
  });
});

describe("a mail without a task", () => {
  const body = (to: string) => rawCall(mailTo(to));

  test("is one for all tries of a call, and says so in the log", async ({ site }) => {
    const to = nextRecipient();
    const headers = { "amz-sdk-invocation-id": randomUUID() };
    for (const _ of [1, 2]) {
      expect((await ask(site.port, { path: SEND, headers, body: body(to) })).status).toBe(200);
    }
    // Another call, and another mail under the id of that call.
    await ask(site.port, { path: SEND, headers: { "amz-sdk-invocation-id": randomUUID() }, body: body(to) });
    await ask(site.port, { path: SEND, headers, body: rawCall(mailTo(to, "", "Other news")) });
    const isThis = ({ recipients }: LogLine) => (recipients as string[])[0] === to;
    await site.gateway.logged("submission.accepted", 3, isThis);
    expect(site.gateway.said("submission.accepted", isThis)).toMatchObject(
      [1, 2, 3].map(() => ({ unkeyed: true, identity: "sdk" })),
    );
    await site.gateway.logged("transmission.relayed", 3, ({ recipient }) => recipient === to);
    expect(mailsAt(site).filter((mail) => mail.to[0] === to)).toHaveLength(3);
  });

  test("has the same id in the answers to all tries", async ({ site }) => {
    const Simple = { Subject: { Data: "News" }, Body: { Text: { Data: "Hello." } } };
    const Destination = { ToAddresses: [nextRecipient()] };
    const headers = { "aws-sdk-invocation-id": randomUUID() };
    const call = { FromEmailAddress: FROM, Destination, Content: { Simple } };
    const again = { path: SEND, headers, body: JSON.stringify(call) };
    const ids = [idOf(await ask(site.port, again)), idOf(await ask(site.port, again))];
    expect(ids[0]).toMatch(/^[a-z2-7]{32}@sender\.example$/);
    expect(ids[1]).toBe(ids[0]);
  });

  test("is another one where nothing says that it is not, such as a signature that is made up once", async ({
    site,
  }) => {
    const to = nextRecipient();
    const { Authorization } = sign({ method: "POST", path: SEND, body: "", key: NOBODY, port: site.port });
    for (const _ of [1, 2]) {
      const headers = { Authorization, "X-Amz-Date": "20200101T000000Z" };
      expect((await ask(site.port, { path: SEND, headers, body: body(to) })).status).toBe(200);
    }
    await site.gateway.logged("transmission.relayed", 2, ({ recipient }) => recipient === to);
  });

  test("is one when the request comes again octet for octet", async ({ site }) => {
    const to = nextRecipient();
    const request = { method: "POST", path: SEND, body: body(to) };
    const headers = sign({ ...request, key: NOBODY, port: site.port });
    const ids = await Promise.all(
      [1, 2].map(async () => idOf(await ask(site.port, { ...request, headers }))),
    );
    expect(ids[0]).toBe(ids[1]);
    await site.gateway.logged("transmission.repeat", 1, ({ recipient }) => recipient === to);
    await site.gateway.logged("transmission.relayed", 1, ({ recipient }) => recipient === to);
    expect(mailsAt(site).filter((mail) => mail.to[0] === to)).toHaveLength(1);
  });

  test("is refused where every mail needs a task", async ({ place }) => {
    const strict = await openSite(place, { IDENTITY_UNKEYED: "reject" });
    const headers = { "amz-sdk-invocation-id": randomUUID() };
    const told = await ask(strict.port, { path: SEND, headers, body: body("a@example.com") });
    expect([told.status, told.headers["x-amzn-errortype"]]).toEqual([400, "MessageRejected"]);
    expect(JSON.parse(told.body).message).toBe("no task id: set the header field X-Task-Id");
  });
});
