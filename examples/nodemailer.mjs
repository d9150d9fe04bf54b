// Submits one mail with nodemailer: node examples/nodemailer.mjs [TASK-ID]. The second time is a repeat.
import { randomUUID } from "node:crypto";
import { createTransport } from "nodemailer";

const task = process.argv[2] ?? randomUUID();
const port = Number(process.env.MAILONCE_SMTP_PORT ?? 2525);
const transport = createTransport({ host: "127.0.0.1", port, secure: false, ignoreTLS: true });

const { response } = await transport.sendMail({
  from: "news@sender.example",
  to: "ada@example.com",
  subject: "News",
  text: "Hello Ada, this is our newsletter.",
  headers: { "X-Task-Id": task }, // In BullMQ: integrations/bullmq
});
console.log(response);
