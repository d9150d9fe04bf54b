// A queue with a million old events: how many a gateway reads in a second, what it holds in memory, and at what rate it takes
// and relays mail meanwhile. The queue and SES are in this process, the gateway has its own.
//
//   npm run bench:events [-- --messages 1000000 --mails 5000]
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createFloodedQueue } from "../test/support/flooded-queue.ts";
import { residentMemory } from "../test/support/large-mail.ts";
import { type GatewayProcess, makeFolder, startProcess } from "../test/support/process.ts";
import { CREDENTIALS, createScriptedSes, type ScriptedSes } from "../test/support/scripted-ses.ts";
import { connectSmtp, taskMail } from "../test/support/smtp-client.ts";
import { median } from "./support/statistics.ts";
import { busiestThread, threadTimes } from "./support/thread-time.ts";

const CONNECTIONS = 8;
const HOUR_MS = 3_600_000;
const MEMORY_EVERY_MS = 1_000;

const { values } = parseArgs({
  options: { messages: { type: "string", default: "1000000" }, mails: { type: "string", default: "5000" } },
});
const messages = Number(values.messages);
const mails = Number(values.mails);

Object.assign(process.env, CREDENTIALS);

/** Mails a second, from the first submission until SES has the last. */
async function rateOf({ port }: GatewayProcess, ses: ScriptedSes): Promise<number> {
  const before = ses.taken.length;
  const began = performance.now();
  const each = Math.ceil(mails / CONNECTIONS);
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const client = await connectSmtp(port);
      for (let n = 0; n < each; n++) {
        await client.submit({ to: ["person@example.net"], content: taskMail(randomUUID()) });
      }
      client.destroy();
    }),
  );
  await ses.waitFor(before + each * CONNECTIONS);
  return (each * CONNECTIONS * 1_000) / (performance.now() - began);
}

const mebibytes = (octets: number): string => `${(octets / 2 ** 20).toFixed(0)} MiB`;

const folder = makeFolder();
const ses = await createScriptedSes({
  quota: { MaxSendRate: 100_000, Max24HourSend: -1, SentLast24Hours: 0 },
});
const queue = await createFloodedQueue(HOUR_MS);
const settings = { UPSTREAM_KIND: "ses", UPSTREAM_SES_ENDPOINT: ses.endpoint };
const start = (name: string, more = {}): Promise<GatewayProcess> =>
  startProcess({ DATA_DIR: join(folder.path, name), ...settings, ...more });
try {
  const alone = await start("alone");
  await rateOf(alone, ses);
  const usual = [await rateOf(alone, ses), await rateOf(alone, ses), await rateOf(alone, ses)];
  console.log(
    `mail without events: ${median(usual).toFixed(0)} mails a second; ${mebibytes(residentMemory(alone.pid).now)}`,
  );
  await alone.stop();

  const gateway = await start("flooded", { UPSTREAM_SES_EVENTS_QUEUE_URL: queue.queueUrl });
  const warm = Math.min(10_000, messages / 10);
  await queue.untilRemoved(warm);
  const resident: number[] = [];
  const look = setInterval(() => resident.push(residentMemory(gateway.pid).now), MEMORY_EVERY_MS);
  const [began, times] = [performance.now(), threadTimes(gateway.pid)];
  await queue.untilRemoved(warm + messages);
  clearInterval(look);
  const seconds = (performance.now() - began) / 1_000;
  console.log(
    `${messages} old events in ${seconds.toFixed(0)} s: ${(messages / seconds).toFixed(0)} a second, ` +
      `each ${(busiestThread(gateway.pid, times) / messages).toFixed(0)} µs of the gateway's busiest thread`,
  );
  const tenth = Math.max(1, Math.floor(resident.length / 10));
  console.log(
    `resident: ${mebibytes(median(resident.slice(0, tenth)))} in the first tenth of that time, ` +
      `${mebibytes(median(resident.slice(-tenth)))} in the last, ${mebibytes(Math.max(...resident))} at most`,
  );
  await rateOf(gateway, ses);
  const meanwhile = [await rateOf(gateway, ses), await rateOf(gateway, ses), await rateOf(gateway, ses)];
  console.log(`mail beside them: ${median(meanwhile).toFixed(0)} mails a second`);
  queue.left(0);
  await gateway.logged("events.caught_up");
  await gateway.stop();
} finally {
  await queue.close();
  await ses.close();
  folder.remove();
}
