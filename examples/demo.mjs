// One task mails three people, and its queue delivers it twice. Run `npm start` first, then `npm run demo`.
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { messageId } from "mailonce";
import { createTransport } from "nodemailer";

const host = process.env.MAILONCE_SMTP_HOST ?? "127.0.0.1";
const port = Number(process.env.MAILONCE_SMTP_PORT ?? 2525);
const outbox =
  process.env.MAILONCE_UPSTREAM_MAILDIR_PATH ?? join(process.env.MAILONCE_DATA_DIR ?? "data", "outbox");

const from = "Newsletter <news@sender.example>";
const people = ["ada@example.com", "grace@example.com", "edsger@example.com"];
const task = randomUUID();
const transport = createTransport({ host, port, secure: false, ignoreTLS: true });

/** What the worker does each time the queue hands it the task. */
async function runTask() {
  for (const to of people) {
    const { response } = await transport.sendMail({
      from,
      to,
      subject: "What is new",
      text: `Hello ${to}, this is our newsletter.`,
      headers: { "X-Task-Id": task },
    });
    console.log(`  ${to.padEnd(20)} ${response}`);
  }
}

/** Relayed mails of this task, by the ids that they must have. */
function relayed() {
  const ids = new Map(people.map((to) => [messageId({ task, to, from }), to]));
  const names = readdirSync(join(outbox, "new"));
  const contents = names.map((name) => readFileSync(join(outbox, "new", name), "latin1"));
  return contents.flatMap((content) => {
    const id = /^Message-ID: (<\S+>)/im.exec(content)?.[1];
    return ids.has(id) ? [`  ${ids.get(id).padEnd(20)} ${id}`] : [];
  });
}

try {
  console.log(`The queue delivers task ${task}:`);
  await runTask();
  console.log("The queue delivers the same task again, as queues do:");
  await runTask();
  console.log(`Relayed, as found in ${outbox}:`);
  const deadline = Date.now() + 10_000;
  while (relayed().length < people.length && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  console.log(relayed().join("\n"));
} catch (error) {
  console.error(
    error.code === "ESOCKET" || error.code === "ECONNECTION"
      ? `No gateway at ${host}:${port}. Start it in another terminal: npm start`
      : `The demo needs the gateway's Maildir upstream: ${error.message}`,
  );
  process.exitCode = 1;
} finally {
  transport.close();
}
