// The promise in one place: one task's mails, submitted twice in every way that queues do, are relayed once.
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { readMaildir, valuesOf } from "../support/maildir.ts";
import { type Place, test as testWithPlace } from "../support/place.ts";
import type { GatewayProcess } from "../support/process.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

/** Twenty people whom no other test mails. */
const people = (): string[] => {
  const domain = `${randomUUID()}.example`;
  return Array.from({ length: 20 }, (_, n) => `user${n}@${domain}`);
};

const start = (place: Place): Promise<GatewayProcess> => place.start({ SPOOL_RETRY_MIN: "100ms" });

/** `running` is one gateway for all tests that leave it running. */
const test = testWithPlace
  .extend("recipients", () => people())
  .extend("running", { scope: "file" }, ({ shared }) => start(shared));

/** As a Celery task that mails every subscriber: one mail transaction each. */
async function runTask(
  { port }: GatewayProcess,
  task: string,
  recipients: readonly string[],
): Promise<string[]> {
  const client = await connectSmtp(port);
  const answers: string[] = [];
  for (const recipient of recipients) {
    answers.push(await client.submit({ to: [recipient], content: taskMail(task) }));
  }
  await client.quit();
  return answers;
}

const isOf = (task: string) => (line: { readonly [field: string]: unknown }) => line.task === task;

/** Each of the recipients has one mail, and each mail its own id. */
function expectOnce({ outbox }: Place, recipients: readonly string[]): void {
  const domain = recipients[0]?.split("@")[1] ?? "";
  const messages = readMaildir(outbox).filter((message) => message.includes(`@${domain}`));
  expect(valuesOf(messages, "Delivered-To").sort()).toEqual([...recipients].sort());
  expect(new Set(valuesOf(messages, "Message-ID")).size).toBe(recipients.length);
}

async function stoppedAndOnce(
  place: Place,
  gateway: GatewayProcess,
  recipients: readonly string[],
): Promise<void> {
  expect(await gateway.stop()).toBe(0);
  expectOnce(place, recipients);
}

test("twice one after the other: 40 submissions, 20 relayed", async ({ shared, running, recipients }) => {
  const task = randomUUID();
  const first = await runTask(running, task, recipients);
  const second = await runTask(running, task, recipients);
  expect(first.every((reply) => /^250 2\.0\.0 queued as [a-z2-7]{16}$/.test(reply))).toBe(true);
  expect(second.every((reply) => /^250 2\.0\.0 repeat of <\S+>, not relayed again$/.test(reply))).toBe(true);
  await running.logged("transmission.relayed", 20, isOf(task));
  expectOnce(shared, recipients);
});

test("from 8 connections at the same instant", async ({ shared, running, recipients }) => {
  const task = randomUUID();
  const answers = await Promise.all(Array.from({ length: 8 }, () => runTask(running, task, recipients)));
  const queued = answers.flat().filter((reply) => reply.includes("queued as"));
  expect(answers.flat().every((reply) => reply.startsWith("250 2.0.0 "))).toBe(true);
  expect(queued).toHaveLength(20);
  await running.logged("transmission.relayed", 20, isOf(task));
  expectOnce(shared, recipients);
});

test("from 50 connections, each with all recipients in another order", async ({
  shared,
  running,
  recipients,
}) => {
  const task = randomUUID();
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, n) => {
      const client = await connectSmtp(running.port);
      const to = [...recipients.slice(n % 20), ...recipients.slice(0, n % 20)];
      const reply = await client.submit({ to: n % 2 === 0 ? to : to.reverse(), content: taskMail(task) });
      await client.quit();
      return reply;
    }),
  );
  expect(answers.every((reply) => reply.startsWith("250 2.0.0 "))).toBe(true);
  await running.logged("transmission.relayed", 20, isOf(task));
  expectOnce(shared, recipients);
});

test("with a restart between the two", async ({ place, recipients }) => {
  const task = randomUUID();
  let gateway = await start(place);
  await runTask(gateway, task, recipients);
  expect(await gateway.stop()).toBe(0);
  gateway = await start(place);
  expect((await runTask(gateway, task, recipients)).every((reply) => reply.includes("repeat of"))).toBe(true);
  await stoppedAndOnce(place, gateway, recipients);
});

test("with SIGKILL between the two, after everything was relayed", async ({ place, recipients }) => {
  const task = randomUUID();
  let gateway = await start(place);
  await runTask(gateway, task, recipients);
  await gateway.logged("transmission.relayed", 20);
  await gateway.kill();
  gateway = await start(place);
  expect((await runTask(gateway, task, recipients)).every((reply) => reply.includes("repeat of"))).toBe(true);
  await stoppedAndOnce(place, gateway, recipients);
});

test("with SIGKILL at once after the last 250, while mails are on their way", async ({
  place,
  recipients,
}) => {
  const task = randomUUID();
  let gateway = await start(place);
  await runTask(gateway, task, recipients);
  await gateway.kill();
  gateway = await start(place);
  expect((await runTask(gateway, task, recipients)).every((reply) => reply.includes("repeat of"))).toBe(true);
  // An attempt that the kill cut off is doubtful and made again; a Maildir takes the same name once.
  const recovered = gateway.said("spool.recovered")[0]?.transmissions ?? 0;
  await gateway.logged("transmission.relayed", recovered as number);
  await stoppedAndOnce(place, gateway, recipients);
});

test("one mail to 20 recipients is stored once and relayed with 20 ids", async ({
  shared,
  running,
  recipients,
}) => {
  const task = randomUUID();
  const client = await connectSmtp(running.port);
  expect(await client.submit({ to: recipients, content: taskMail(task) })).toMatch(/^250 2\.0\.0 queued as/);
  const half = recipients.slice(0, 10);
  const mixed = [...half, `other@${recipients[0]?.split("@")[1]}`];
  expect(await client.submit({ to: mixed, content: taskMail(task) })).toMatch(
    /^250 2\.0\.0 1 queued as \S+, 10 repeats not relayed again$/,
  );
  expect(await client.submit({ to: half, content: taskMail(task) })).toBe(
    "250 2.0.0 10 repeats, not relayed again",
  );
  await client.quit();
  await running.logged("transmission.relayed", 21, isOf(task));
  const domain = recipients[0]?.split("@")[1] ?? "";
  const messages = readMaildir(shared.outbox).filter((message) => message.includes(domain));
  expect(messages).toHaveLength(21);
  expect(new Set(valuesOf(messages, "X-Mailonce-ID")).size).toBe(21);
});

test("ENVID carries the task id where a header field can't", async ({ running }) => {
  const client = await connectSmtp(running.port);
  const content = "From: a@sender.example\r\nSubject: x\r\n\r\nbody\r\n";
  const mail = { to: ["user@example.com"], content, parameters: `ENVID=${randomUUID()}` };
  expect(await client.submit(mail)).toContain("queued as");
  expect(await client.submit(mail)).toContain("repeat of");
  await client.quit();
});

test("parts keep two mails of one task to one recipient apart", async ({ running }) => {
  const task = randomUUID();
  const client = await connectSmtp(running.port);
  const submit = (part: string, subject: string) =>
    client.submit({
      to: ["user@example.com"],
      content: taskMail(task, { subject, ...(part === "" ? {} : { fields: `X-Task-Part: ${part}` }) }),
    });
  expect(await submit("", "Welcome")).toContain("queued as");
  expect(await submit("", "Your invoice")).toMatch(/^554 5\.6\.0 .*X-Task-Part/);
  expect(await submit("invoice", "Your invoice")).toContain("queued as");
  expect(await submit("invoice", "Your invoice")).toContain("repeat of");
  await client.quit();
});

test("and the gateway that did all of it stops in order", async ({ running }) => {
  expect(await running.stop()).toBe(0);
});
