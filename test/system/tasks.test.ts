// How mailers name their tasks, right and wrong: two different mails are never one in silence.
import { randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import { messageId } from "../../src/index.ts";
import { readMaildir, valuesOf } from "../support/maildir.ts";
import { test } from "../support/place.ts";
import type { GatewayProcess, LogLine } from "../support/process.ts";
import { connectSmtp, submitMail, taskMail } from "../support/smtp-client.ts";

let count = 0;
let gateway: GatewayProcess;

test.beforeAll(async ({ shared }) => {
  gateway = await shared.start({ IDENTITY_ENVID: "true" });
});
test.afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
});

const nextRecipient = (): string => `task${count++}@example.com`;

const submit = (content: string, to = nextRecipient(), parameters = ""): Promise<string> =>
  submitMail(gateway.port, { to: [to], content, parameters });

const linesOf = (event: string): LogLine[] => gateway.said(event);

/** The line of the event that is so; waits for it. */
async function line(event: string, isWanted: (line: LogLine) => boolean): Promise<LogLine> {
  await gateway.logged(event, 1, isWanted);
  return gateway.said(event, isWanted)[0] as LogLine;
}

/** Without a task, and with a Message-ID of its own. */
const plainMail = (own: string, fields = "", body = "Hello.\r\n"): string =>
  `${fields}From: App <app@sender.example>\r\nSubject: News\r\nMessage-ID: ${own}\r\n\r\n${body}`;

describe("a task that names nothing is refused, and the reply says why", () => {
  test.each(["None", "undefined", "{{id}}", "[object Object]", "00000000000000000000000000000000"])(
    "%s",
    async (task) => {
      expect(await submit(taskMail(task))).toMatch(/^554 5\.6\.0 X-Task-Id .* names nothing$/);
    },
  );

  test("a part too", async () => {
    const reply = await submit(taskMail(randomUUID(), { fields: "X-Task-Part: undefined" }));
    expect(reply).toMatch(/^554 5\.6\.0 X-Task-Part .* names nothing$/);
  });
});

test("encoded words are the value that they stand for", async () => {
  const task = `campaign:summer-sale-2024:queue:mailers:${randomUUID()}`;
  const to = nextRecipient();
  const half = task.length / 2;
  const word = (text: string): string => `=?utf-8?q?${text.replaceAll(":", "=3A")}?=`;
  expect(await submit(taskMail(`${word(task.slice(0, half))}\r\n ${word(task.slice(half))}`), to)).toContain(
    "queued",
  );
  expect(await submit(taskMail(task), to)).toBe(
    `250 2.0.0 repeat of ${messageId({ task, to, from: "app@sender.example" })}, not relayed again`,
  );
});

test("true for ENVID is read as uuid, and the start says so", () => {
  expect(linesOf("config.warning")).toMatchObject([
    { level: "warn", key: "identity.envid", warning: expect.stringContaining('read as "uuid"') },
  ]);
});

test("an ENVID that is no UUID names no task; one line a day says so", async () => {
  const to = nextRecipient();
  for (const subject of ["One", "Two", "Two"]) {
    const content = taskMail("x", { subject }).replace(/X-Task-Id: x\r\n/, "");
    expect(await submit(content, to, "ENVID=some-constant")).toContain("queued as");
  }
  expect(linesOf("identity.envid_ignored")).toHaveLength(1);
});

test("another body under the same id is a warning with both times", async () => {
  const task = randomUUID();
  const to = nextRecipient();
  await submit(taskMail(task, { body: "one\r\n" }), to);
  await line("transmission.relayed", (one) => one.task === task);
  expect(await submit(taskMail(task, { body: "two\r\n" }), to)).toContain("repeat of");
  expect(linesOf("transmission.repeat").filter((line) => line.task === task)).toMatchObject([
    {
      level: "warn",
      bodyDiffers: true,
      standing: "relayed",
      firstAt: expect.stringMatching(/^\d{4}-.*Z$/),
      thisAt: expect.stringMatching(/^\d{4}-.*Z$/),
    },
  ]);
});

test("a task of few digits is taken, with one line a day", async () => {
  for (const task of ["1", "2", "1234567"]) expect(await submit(taskMail(task))).toContain("queued as");
  expect(linesOf("identity.weak_task")).toHaveLength(1);
});

describe("a task field that isn't read", () => {
  test("behind a From line it is: the line is dropped", async () => {
    const to = nextRecipient();
    const task = randomUUID();
    for (const line of ["From root@host Fri Nov 27 00:00:00 2026\r\n", ">From root\r\n"]) {
      expect(await submit(line + taskMail(task), to)).toMatch(/^250 /);
    }
    expect(linesOf("submission.accepted").filter((line) => line.task === task)).toHaveLength(1);
    expect(linesOf("transmission.repeat").filter((line) => line.task === task)).toHaveLength(1);
  });

  test.each([
    ["a byte order mark", (mail: string) => `\u{feff}${mail}`],
    ["an empty first line", (mail: string) => `\r\n${mail}`],
    ["a line that is no field", (mail: string) => `Subject: x\r\nno field\r\n${mail}`],
  ])("in the body, behind %s: one line says so", async (_, made) => {
    const before = linesOf("identity.field_in_body").length;
    expect(await submit(made(taskMail(randomUUID())))).toContain("queued as");
    // Said once a day, so by the first of the three.
    expect(linesOf("identity.field_in_body").length).toBe(Math.max(1, before));
    expect(linesOf("identity.field_in_body")[0]).toMatchObject({ level: "warn", field: "X-Task-Id" });
  });

  test.each(["X-TaskId", "X_Task_Id", "Task-ID"])("%s is nearly it", async (field) => {
    expect(await submit(plainMail("<a@b.example>", `${field}: ${randomUUID()}\r\n`))).toContain("queued as");
    const said = linesOf("identity.similar_field").filter((line) => line.field === field.toLowerCase());
    expect(said).toMatchObject([{ level: "warn", wanted: "X-Task-Id" }]);
  });

  test("a mail that only speaks of it in its body is not warned of", async () => {
    const before = linesOf("identity.field_in_body").length;
    await submit(plainMail("<a@b.example>", "", "X-Task-Id: is how to do it\r\n"));
    expect(linesOf("identity.field_in_body")).toHaveLength(before);
  });
});

test("unkeyed mail is logged under the Message-ID that it carries, which X-Mailonce-ID repeats", async ({
  shared,
}) => {
  const own = `<${randomUUID()}@mailer.example>`;
  await submit(plainMail(own));
  expect(await line("transmission.relayed", ({ messageId }) => messageId === own)).toMatchObject({
    unkeyed: true,
  });
  expect(linesOf("submission.accepted").at(-1)).toMatchObject({ unkeyed: true });
  const messages = readMaildir(shared.outbox).filter((message) => message.includes(own));
  expect(valuesOf(messages, "Message-ID")).toEqual([own]);
  expect(valuesOf(messages, "X-Mailonce-ID")).toEqual([own]);
});

test("under strict another body is refused, also while the first is on its way", async ({ place }) => {
  const strict = await place.start({ IDENTITY_CONFLICT: "strict" });
  const client = await connectSmtp(strict.port);
  const task = randomUUID();
  const mail = (body: string) => ({ to: ["a@example.com"], content: taskMail(task, { body }) });
  expect(await client.submit(mail("one\r\n"))).toContain("queued as");
  expect(await client.submit(mail("two\r\n"))).toMatch(/^554 5\.6\.0 .*X-Task-Part/);
  expect(await client.submit(mail("one\r\n"))).toContain("repeat of");
  await client.quit();
});

test("under keep the mailer's Message-ID stays, the repeat is dropped, and References name what is configured", async ({
  place,
}) => {
  const settings = { IDENTITY_MESSAGE_ID: "keep", IDENTITY_REFERENCES: "derived" };
  const keeping = await place.start(settings);
  const client = await connectSmtp(keeping.port);
  const task = randomUUID();
  const to = "a@example.com";
  const content = taskMail(task);
  expect(await client.submit({ to: [to], content })).toContain("queued as");
  // Another run of the task has another Message-ID.
  expect(await client.submit({ to: [to], content: taskMail(task) })).toContain("repeat of");
  await client.quit();
  await keeping.logged("transmission.relayed");
  const messages = readMaildir(place.outbox);
  const derived = messageId({ task, to, from: "app@sender.example" });
  expect(valuesOf(messages, "Message-ID")).toEqual([/^Message-ID: (.*)\r$/m.exec(content)?.[1]]);
  expect(valuesOf(messages, "X-Mailonce-ID")).toEqual([derived]);
  expect(valuesOf(messages, "References")).toEqual([derived]);
});

test("a signature that covers a field of the task is worth one line a day", async () => {
  for (let n = 0; n < 2; n++) {
    const fields = "DKIM-Signature: v=1; d=sender.example; h=From:X-Task-Id; b=x";
    await submit(taskMail(randomUUID(), { fields }));
  }
  expect(linesOf("submission.signature_broken")).toMatchObject([{ level: "warn", fields: ["x-task-id"] }]);
});
