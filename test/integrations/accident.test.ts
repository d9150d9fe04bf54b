// The accident for which mailonce is made: Celery on Redis delivers a task to a second worker while the first one is still at
// work on it. The tasks say nothing of mailonce.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Redis } from "ioredis";
import { describe, expect } from "vitest";
import { hasDovecot, startDovecot } from "../receivers/dovecot.ts";
import { deliver } from "../receivers/lmtp.ts";
import { bySes } from "../receivers/second-copy.ts";
import { type Place, sesAt, smtpAt, test } from "../support/place.ts";
import type { GatewayProcess } from "../support/process.ts";
import {
  has,
  hasRedis,
  INTEGRATIONS,
  PROGRAMS,
  PYTHON,
  type Running,
  startProgram,
  startRedis,
} from "./jobs.ts";

const APP = `${PROGRAMS}/accident`;
const hasCelery = hasRedis && has("Celery with Django", PYTHON, ["-c", "import celery, django, redis"]);

const customers = Array.from({ length: 20 }, (_, number) => `customer${number}`);

/** Has the newsletter sent to all customers by two workers at once, and resolves when each has submitted all of it. */
async function haveAccident(place: Place, gateway: GatewayProcess): Promise<void> {
  const { port, url } = await startRedis(place);
  const environment = {
    ...{ REDIS_URL: url, SMTP_PORT: String(gateway.port), C_FORCE_ROOT: "1" },
    ...{ PYTHONPATH: `${APP}:${INTEGRATIONS}/python`, PYTHONDONTWRITEBYTECODE: "1" },
  };
  const startWorker = (name: string): Running =>
    startProgram(
      place,
      PYTHON,
      [
        ...["-m", "celery", "-A", "shop", "worker", "-n", name, "-c", "1", "-l", "info"],
        ...["--without-gossip", "--without-mingle", "--without-heartbeat"],
      ],
      { environment },
    );
  const first = startWorker("first");
  await first.said(/ ready\./);
  expect(await startProgram(place, PYTHON, [`${APP}/shop.py`], { environment }).exited).toBe(0);
  await first.said(/half of the newsletter is out/);
  // It looks for messages that count as lost when it starts, and every ten seconds.
  const second = startWorker("second");
  await second.said(/half of the newsletter is out/);
  const redis = new Redis(port);
  place.atEnd(() => redis.disconnect());
  await redis.rpush("go on", "first", "second");
  for (const worker of [first, second]) await worker.said(/Task shop\.newsletter\[.*\] succeeded/);
  const queued = () => gateway.said("submission.accepted");
  const repeats = () => gateway.said("transmission.repeat");
  const isAnswered = () => queued().length + repeats().length >= 2 * customers.length;
  await gateway.until(isAnswered, "all of it was answered, twice");
  expect(queued()).toHaveLength(customers.length);
  expect(new Set([...queued(), ...repeats()].map(({ task }) => task)).size).toBe(1);
}

describe.skipIf(!hasCelery)("a newsletter that two workers send at once", () => {
  test("the tasks do not know of mailonce", () => {
    expect(readFileSync(`${APP}/shop.py`, "utf8").replace(/^""".*"""$/m, "")).not.toMatch(
      /mailonce|task.id/i,
    );
  });

  test("each customer has it once", async ({ place }) => {
    const upstream = await place.smtp({ keepContents: true });
    const gateway = await place.start(smtpAt(upstream.port));
    await haveAccident(place, gateway);
    await upstream.waitFor(customers.length);
    const recipients = upstream.taken.flatMap(({ recipients }) => recipients);
    expect(recipients.sort()).toEqual(customers.map((name) => `${name}@example.com`).sort());
  });

  test.skipIf(!hasDovecot)(
    "each mailbox behind an SES that loses an answer has it once",
    async ({ place }) => {
      const dovecot = await startDovecot(place, { sieve: resolve("examples/receivers/mailonce.sieve") });
      const deliveries: Promise<string[]>[] = [];
      const ses = await place.ses({
        // SES has the fourth mail, and the gateway does not hear so.
        script: (number) => (number === 3 ? "drop-before-reply" : "accept"),
        onTaken: ({ call, content }) => {
          const mail = bySes(Buffer.from(content).toString("latin1"));
          deliveries.push(deliver(dovecot.lmtpPort, call.Destination?.ToAddresses ?? [], mail));
        },
      });
      const gateway = await place.start({ ...sesAt(ses), SPOOL_RETRY_MIN: "20ms", SPOOL_RETRY_MAX: "50ms" });
      await haveAccident(place, gateway);
      await ses.waitFor(customers.length + 1);
      const replies = (await Promise.all(deliveries)).flat();
      expect(replies).toHaveLength(customers.length + 1);
      for (const reply of replies) expect(reply).toMatch(/^250 /);
      for (const name of customers) {
        const mails = dovecot.mailbox(name);
        expect(mails, name).toHaveLength(1);
        expect(mails[0]).toMatch(/^Message-ID: <.*@eu-west-1\.amazonses\.com>$/m);
      }
    },
  );
});
