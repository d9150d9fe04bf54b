// worker.mjs in CommonJS, with a job that mails once.
const { Worker } = require("bullmq");
const nodemailer = require("nodemailer");
const { inJob, taskId } = require("../../../../integrations/bullmq/mailonce-jobs.mjs");

const [queue, redis, smtp] = process.argv.slice(2);
const transport = nodemailer.createTransport({ host: "127.0.0.1", port: Number(smtp), ignoreTLS: true });
transport.use("compile", taskId());

const welcome = async ({ data: { to } }) => {
  await transport.sendMail({ from: "shop@example.com", to, subject: "Welcome", text: "Hello." });
};

const worker = new Worker(queue, inJob(welcome), { connection: { host: "127.0.0.1", port: Number(redis) } });
worker.on("completed", (job) => process.stdout.write(`done ${job.id}\n`));
