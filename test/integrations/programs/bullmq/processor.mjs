// A sandboxed processor: BullMQ runs it in a process or a thread of its own.
import nodemailer from "nodemailer";
import { inJob, taskId } from "../../../../integrations/bullmq/mailonce-jobs.mjs";

// biome-ignore lint/style/noDefaultExport: BullMQ calls the default export
export default inJob(async ({ data: { to, port } }) => {
  const transport = nodemailer.createTransport({ host: "127.0.0.1", port, ignoreTLS: true });
  transport.use("compile", taskId());
  await transport.sendMail({ from: "shop@example.com", to, subject: "Welcome", text: "Hello." });
});
