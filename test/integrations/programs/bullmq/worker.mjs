// An app as users write it. Arguments: the queue, the ports of Redis and of the gateway. It says when each mail is taken,
// and when it has a job's mails behind it; a job with `stay` ends only with the process.
import { Worker } from "bullmq";
import nodemailer from "nodemailer";
import { inJob, taskId } from "../../../../integrations/bullmq/mailonce-jobs.mjs";

const [queue, redis, smtp] = process.argv.slice(2);
const transport = nodemailer.createTransport({ host: "127.0.0.1", port: Number(smtp), ignoreTLS: true });
transport.use("compile", taskId());

const say = (line) => process.stdout.write(`${line}\n`);

const newsletter = async (job) => {
  for (const to of job.data.to) {
    await transport.sendMail({ from: "shop@example.com", to, subject: "News", text: "Read." });
    say(`mailed ${to}`);
  }
  if (job.data.stay && job.stalledCounter === 0) await new Promise(() => setInterval(() => {}, 1000));
  say(`done ${job.id}`);
};

new Worker(queue, inJob(newsletter), {
  ...{ connection: { host: "127.0.0.1", port: Number(redis) } },
  ...{ lockDuration: 1000, stalledInterval: 300 },
});
say("ready");
