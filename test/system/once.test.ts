// The promise in one place: one task's mails, submitted twice in every way that queues do, are relayed once.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readMaildir, valuesOf } from "../support/maildir.ts";
import { type GatewayProcess, makeFolder, startProcess } from "../support/process.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

const RECIPIENTS = Array.from({ length: 20 }, (_, n) => `user${n}@example.com`);

let folder: ReturnType<typeof makeFolder>;
let gateway: GatewayProcess;
const start = async (): Promise<GatewayProcess> => {
  gateway = await startProcess({ DATA_DIR: join(folder.path, "data"), SPOOL_RETRY_MIN: "100ms" });
  return gateway;
};
const relayed = (): string[] => readMaildir(join(folder.path, "data", "outbox"));

beforeEach(async () => {
  folder = makeFolder();
  await start();
});
afterEach(async () => {
  await gateway.kill();
  folder.remove();
});

/** As a Celery task that mails every subscriber: one mail transaction each. */
async function runTask(task: string, recipients: readonly string[] = RECIPIENTS): Promise<string[]> {
  const client = await connectSmtp(gateway.port);
  const answers: string[] = [];
  for (const recipient of recipients) {
    answers.push(await client.submit({ to: [recipient], content: taskMail(task) }));
  }
  await client.quit();
  return answers;
}

const allRelayedOnce = async (): Promise<void> => {
  expect(await gateway.stop()).toBe(0);
  const messages = relayed();
  expect(valuesOf(messages, "Delivered-To").sort()).toEqual([...RECIPIENTS].sort());
  expect(new Set(valuesOf(messages, "Message-ID")).size).toBe(RECIPIENTS.length);
};

test("twice one after the other: 40 submissions, 20 relayed", async () => {
  const task = randomUUID();
  const first = await runTask(task);
  const second = await runTask(task);
  expect(first.every((reply) => /^250 2\.0\.0 queued as [a-z2-7]{16}$/.test(reply))).toBe(true);
  expect(second.every((reply) => /^250 2\.0\.0 repeat of <\S+>, not relayed again$/.test(reply))).toBe(true);
  await gateway.logged("transmission.relayed", 20);
  await allRelayedOnce();
});

test("from 8 connections at the same instant", async () => {
  const task = randomUUID();
  const answers = await Promise.all(Array.from({ length: 8 }, () => runTask(task)));
  const queued = answers.flat().filter((reply) => reply.includes("queued as"));
  expect(answers.flat().every((reply) => reply.startsWith("250 2.0.0 "))).toBe(true);
  expect(queued).toHaveLength(20);
  await gateway.logged("transmission.relayed", 20);
  await allRelayedOnce();
});

test("from 50 connections, each with all recipients in another order", async () => {
  const task = randomUUID();
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, n) => {
      const client = await connectSmtp(gateway.port);
      const to = [...RECIPIENTS.slice(n % 20), ...RECIPIENTS.slice(0, n % 20)];
      const reply = await client.submit({ to: n % 2 === 0 ? to : to.reverse(), content: taskMail(task) });
      await client.quit();
      return reply;
    }),
  );
  expect(answers.every((reply) => reply.startsWith("250 2.0.0 "))).toBe(true);
  await gateway.logged("transmission.relayed", 20);
  await allRelayedOnce();
});

test("with a restart between the two", async () => {
  const task = randomUUID();
  await runTask(task);
  expect(await gateway.stop()).toBe(0);
  await start();
  expect((await runTask(task)).every((reply) => reply.includes("repeat of"))).toBe(true);
  await allRelayedOnce();
});

test("with SIGKILL between the two, after everything was relayed", async () => {
  const task = randomUUID();
  await runTask(task);
  await gateway.logged("transmission.relayed", 20);
  await gateway.kill();
  await start();
  expect((await runTask(task)).every((reply) => reply.includes("repeat of"))).toBe(true);
  await allRelayedOnce();
});

test("with SIGKILL at once after the last 250, while mails are on their way", async () => {
  const task = randomUUID();
  await runTask(task);
  await gateway.kill();
  await start();
  expect((await runTask(task)).every((reply) => reply.includes("repeat of"))).toBe(true);
  // An attempt that the kill cut off is doubtful and made again; a Maildir takes the same name once.
  const recovered = gateway.lines.find((line) => line.event === "spool.recovered")?.transmissions ?? 0;
  await gateway.logged("transmission.relayed", recovered as number);
  await allRelayedOnce();
});

test("one mail to 20 recipients is stored once and relayed with 20 ids", async () => {
  const task = randomUUID();
  const client = await connectSmtp(gateway.port);
  expect(await client.submit({ to: RECIPIENTS, content: taskMail(task) })).toMatch(/^250 2\.0\.0 queued as/);
  const half = RECIPIENTS.slice(0, 10);
  const mixed = [...half, "other@example.com"];
  expect(await client.submit({ to: mixed, content: taskMail(task) })).toMatch(
    /^250 2\.0\.0 1 queued as \S+, 10 repeats not relayed again$/,
  );
  expect(await client.submit({ to: half, content: taskMail(task) })).toBe(
    "250 2.0.0 10 repeats, not relayed again",
  );
  await client.quit();
  await gateway.logged("transmission.relayed", 21);
  expect(await gateway.stop()).toBe(0);
  expect(new Set(valuesOf(relayed(), "X-Mailonce-ID")).size).toBe(21);
});

test("ENVID carries the task id where a header field can't", async () => {
  const client = await connectSmtp(gateway.port);
  const content = "From: a@sender.example\r\nSubject: x\r\n\r\nbody\r\n";
  const mail = { to: ["user@example.com"], content, parameters: `ENVID=${randomUUID()}` };
  expect(await client.submit(mail)).toContain("queued as");
  expect(await client.submit(mail)).toContain("repeat of");
  await client.quit();
});

test("parts keep two mails of one task to one recipient apart", async () => {
  const task = randomUUID();
  const client = await connectSmtp(gateway.port);
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
