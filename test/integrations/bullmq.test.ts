// BullMQ with nodemailer: each mail of a job has the job's id, however often the job runs.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import {
  type ConnectionOptions,
  DelayedError,
  FlowProducer,
  type Job,
  type Processor,
  Queue,
  Worker,
  type WorkerOptions,
} from "bullmq";
import { createTransport, type SendMailOptions } from "nodemailer";
import { describe, expect, onTestFinished } from "vitest";
import { childIds, inJob, taskId, taskOf } from "../../integrations/bullmq/mailonce-jobs.mjs";
import { test as testWithPlace } from "../support/place.ts";
import {
  hasRedis,
  PROGRAMS,
  type Running,
  type Submitted,
  startMails,
  startProgram,
  startRedis,
} from "./jobs.ts";

const FROM = "shop@example.com";

/** One Redis and one gateway for all; each test has queues and people of its own. */
const test = testWithPlace.extend("site", { scope: "file" }, async ({ shared }, { onCleanup }) => {
  const redis = await startRedis(shared);
  const mails = await startMails(shared);
  const at = { host: "127.0.0.1", port: mails.gateway.port, ignoreTLS: true };
  const transport = createTransport(at).use("compile", taskId());
  const pooled = createTransport({ ...at, pool: true, maxConnections: 2 }).use("compile", taskId());
  onCleanup(() => pooled.close());
  let before = 0;
  return {
    ...{ redis, mails, transport, pooled },
    connection: { host: "127.0.0.1", port: redis.port },
    send: (to: string, subject = "News", more: SendMailOptions = {}) =>
      transport.sendMail({ from: FROM, to, subject, text: "Read.", ...more }),
    begin(): void {
      before = mails.submissions().length;
    },
    /** What became of the test's submissions, when there are so many. */
    async answered(count: number): Promise<Submitted[]> {
      await mails.answered(before + count);
      expect(mails.submissions()).toHaveLength(before + count);
      return mails.submissions().slice(before);
    },
    /** The subjects of what one person got, in order. */
    got: (to: string): string[] =>
      mails
        .mails()
        .filter((mail) => mail.to.includes(to))
        .map(({ subject }) => subject),
  };
});

test.beforeEach(({ site }) => site.begin());

let count = 0;
const person = (): string => `person${count++}@example.net`;

interface Shop {
  readonly queue: Queue;
  /** Starts a worker of the queue. */
  work(processor: Processor | string | URL, options?: Partial<WorkerOptions>): Work;
}

interface Work {
  readonly worker: Worker;
  /** Resolves when so many runs have ended, in either way. */
  ran(count: number): Promise<void>;
}

function openShop({ connection }: { connection: ConnectionOptions }, name: string = randomUUID()): Shop {
  const queue = new Queue(name, { connection });
  onTestFinished(() => queue.close());
  return {
    queue,
    work(processor, options = {}) {
      const worker = new Worker(name, processor, { connection, drainDelay: 1, ...options });
      onTestFinished(() => worker.close(true));
      let runs = 0;
      const ends = new EventEmitter();
      const ended = (): void => {
        runs++;
        ends.emit("end");
      };
      worker.on("completed", ended).on("failed", ended);
      return {
        worker,
        async ran(count) {
          while (runs < count) await once(ends, "end");
        },
      };
    },
  };
}

/** A gate that one side opens and the other waits for. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((done) => {
    open = done;
  });
  return { opened, open: () => open() };
}

const tasks = (answers: readonly Submitted[]): (string | undefined)[] => answers.map(({ task }) => task);
const became = (answers: readonly Submitted[]): string[] => answers.map(({ became }) => became);

describe.skipIf(!hasRedis)("a job's mails", () => {
  test("a job that two workers run at once mails each person once", async ({ site }) => {
    const people = [person(), person(), person()];
    const { queue, work } = openShop(site);
    const mailed = gate();
    const end = gate();
    let runs = 0;
    const newsletter = inJob(async () => {
      runs++;
      for (const to of people) await site.send(to);
      mailed.open();
      await end.opened;
    });
    // Nobody renews the first one's lock, so the job counts as stalled while it is still at work.
    const slow = work(newsletter, { lockDuration: 200, skipLockRenewal: true, skipStalledCheck: true });
    // Its lock is lost, which BullMQ may say at the end.
    slow.worker.on("error", () => {});
    const job = await queue.add("newsletter", {});
    await mailed.opened;
    const other = work(newsletter, { stalledInterval: 100 });
    // Both are at work still.
    const answers = await site.answered(6);
    end.open();
    await other.ran(1);
    await slow.worker.close();
    expect(runs).toBe(2);
    expect(new Set(tasks(answers))).toEqual(new Set([`bull:${queue.name}:${job.id}:${job.timestamp}`]));
    for (const to of people) expect(site.got(to)).toEqual(["News"]);
  });

  test("a worker that is killed: the next one's repeats are dropped", async ({ site, place }) => {
    const people = [person(), person()];
    const { queue } = openShop(site);
    const start = (): Running =>
      startProgram(place, process.execPath, [
        `${PROGRAMS}/bullmq/worker.mjs`,
        ...[queue.name, String(site.redis.port), String(site.mails.gateway.port)],
      ]);
    const first = start();
    await queue.add("newsletter", { to: people, stay: true });
    await first.said(/^mailed /m, 2);
    first.signal("SIGKILL");
    await start().said(/^done 1$/m);
    expect(became(await site.answered(4))).toEqual(["queued", "queued", "repeat", "repeat"]);
    for (const to of people) expect(site.got(to)).toEqual(["News"]);
  });

  test("a job that fails after half mails the rest only when it is tried again", async ({ site }) => {
    const people = [person(), person(), person()];
    const { queue, work } = openShop(site);
    const { ran } = work(
      inJob(async ({ attemptsMade }: Job) => {
        for (const [index, to] of people.entries()) {
          if (index === 2 && attemptsMade === 0) throw new Error("half");
          await site.send(to);
        }
      }),
    );
    await queue.add("newsletter", {}, { attempts: 2 });
    await ran(2);
    expect(became(await site.answered(5))).toEqual(["queued", "queued", "repeat", "repeat", "queued"]);
    for (const to of people) expect(site.got(to)).toEqual(["News"]);
  });

  test("retried by hand, the job is the same", async ({ site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    const { ran } = work(inJob(() => site.send(to)));
    const job = await queue.add("newsletter", {});
    await ran(1);
    await job.retry("completed");
    await ran(2);
    expect(became(await site.answered(2))).toEqual(["queued", "repeat"]);
  });

  test("put off, and limited by a rate, the job is the same", async ({ site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    let runs = 0;
    const { ran } = work(
      inJob(async (job: Job, token?: string) => {
        await site.send(to);
        runs++;
        if (runs === 1) {
          await job.moveToDelayed(Date.now() + 1, token);
          throw new DelayedError();
        }
        if (runs === 2) {
          await queue.rateLimit(1);
          throw Worker.RateLimitError();
        }
      }),
      { limiter: { max: 100, duration: 1000 } },
    );
    await queue.add("newsletter", {}, { delay: 1 });
    await ran(1);
    expect(became(await site.answered(3))).toEqual(["queued", "repeat", "repeat"]);
  });

  test("two mails to one person in one job: the second is refused, or has a part of its own", async ({
    site,
  }) => {
    const to = person();
    const { queue, work } = openShop(site);
    const { ran } = work(
      inJob(async () => {
        await site.send(to, "Order");
        await expect(site.send(to, "Invoice")).rejects.toThrow(/554 5/);
        await site.send(to, "Invoice", { headers: { "X-Task-Part": "invoice" } });
      }),
    );
    await queue.add("order", {});
    expect(became(await site.answered(3))).toEqual(["queued", "refused", "queued"]);
    await ran(1);
    await site.mails.gateway.until(() => site.got(to).length === 2, "both are relayed");
    expect(site.got(to)).toEqual(["Order", "Invoice"]);
  });

  test.for([
    ["text", () => ({ text: randomUUID() })],
    ["attachment", () => ({ attachments: [{ filename: "a.pdf", content: Buffer.from(randomUUID()) }] })],
    [
      "link",
      () =>
        ({
          template: "links",
          context: { link: new URL(`https://shop.example/${randomUUID()}`) },
        }) as SendMailOptions,
    ],
    ["file", () => ({ attachments: [{ path: import.meta.filename }] })],
    ["recipient beside", () => ({ cc: person(), text: randomUUID() })],
    ["stream", () => ({ attachments: [{ filename: "a.pdf", content: Readable.from([randomUUID()]) }] })],
  ] as const)(
    "two mails under one subject with another %s: both arrive, the second without a task",
    async ([_, more], { site }) => {
      const to = person();
      const { queue, work } = openShop(site);
      const { ran } = work(
        inJob(async () => {
          await site.send(to, "Invoice", more());
          await site.send(to, "Invoice", more());
        }),
      );
      const job = await queue.add("invoices", {});
      await ran(1);
      expect(tasks(await site.answered(2))).toEqual([taskOf(job), undefined]);
      expect(site.got(to)).toEqual(["Invoice", "Invoice"]);
    },
  );

  test("a mail that the file can't read goes out", async ({ site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    // A row of a database.
    const row = { name: "Ann", address: to, id: 1n };
    const { ran } = work(inJob(() => site.send(to, "News", { cc: row as never })));
    await queue.add("newsletter", {});
    await ran(1);
    expect(became(await site.answered(1))).toEqual(["queued"]);
  });

  test("a mail that the job itself sends again is a repeat", async ({ site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    const mail = { attachments: [{ filename: "a.pdf", content: Buffer.alloc(100_000, "a") }] };
    const { ran } = work(
      inJob(async () => {
        for (const _ of "12") await site.send(to, "Invoice", mail);
      }),
    );
    await queue.add("invoice", {});
    await ran(1);
    expect(became(await site.answered(2))).toEqual(["queued", "repeat"]);
  });

  test("a mail that another job's call sends is not lost", async ({ site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    const waiting: (() => Promise<unknown>)[] = [];
    const pushed = gate();
    const sent = gate();
    const { ran } = work(
      inJob(async ({ data }: Job<string>) => {
        if (data === "sender") {
          await pushed.opened;
          for (const send of waiting) await send();
          await site.send(to, "New order", { text: "Of the sender." });
          sent.open();
        } else {
          waiting.push(() => site.send(to, "New order"));
          pushed.open();
          await sent.opened;
        }
      }),
      { concurrency: 2 },
    );
    await queue.addBulk(["sender", "other"].map((data) => ({ name: "order", data })));
    await ran(2);
    expect(became(await site.answered(2))).toEqual(["queued", "queued"]);
  });

  test("a template of nodemailer is the part", async ({ site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    const templates = ["order", "rechnung für alle", "x".repeat(300)];
    const { ran } = work(
      inJob(async () => {
        for (const template of templates) await site.send(to, "Your order", { template } as SendMailOptions);
      }),
    );
    const job = await queue.add("order", {});
    await ran(1);
    await job.retry("completed");
    await ran(2);
    expect(became(await site.answered(6))).toEqual([...Array(3).fill("queued"), ...Array(3).fill("repeat")]);
  });

  test("a mail outside a job has nothing added", async ({ site }) => {
    const to = person();
    await site.send(to);
    await site.send(to);
    expect(tasks(await site.answered(2))).toEqual([undefined, undefined]);
    expect(site.got(to)).toEqual(["News", "News"]);
  });

  test("ids that begin again at 1 are other jobs", async ({ site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    const { ran, worker } = work(inJob(() => site.send(to)));
    expect((await queue.add("newsletter", {})).id).toBe("1");
    await ran(1);
    await worker.close();
    await queue.obliterate({ force: true });
    expect((await queue.add("newsletter", {})).id).toBe("1");
    await work(inJob(() => site.send(to))).ran(1);
    expect(became(await site.answered(2))).toEqual(["queued", "queued"]);
  });

  test("each time of a job scheduler is a job", async ({ site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    const { ran } = work(inJob(() => site.send(to)));
    await queue.upsertJobScheduler("daily", { every: 100, limit: 3 });
    await ran(3);
    expect(new Set(tasks(await site.answered(3))).size).toBe(3);
    expect(site.got(to)).toEqual(["News", "News", "News"]);
  });

  test.for([
    ["long", "x".repeat(300)],
    ["not ASCII", "Bestellung-für-Jürgen"],
    ["of several words", "order of 2026"],
  ] as const)("a custom id, %s, is taken; as is a new job with the same id", async ([_, jobId], { site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    const { ran } = work(inJob(() => site.send(to)));
    const job = await queue.add("order", {}, { jobId });
    await ran(1);
    await job.retry("completed");
    await ran(2);
    await job.remove();
    await queue.add("order", {}, { jobId });
    await ran(3);
    expect(became(await site.answered(3))).toEqual(["queued", "repeat", "queued"]);
  });

  test.for(["transport", "pooled"] as const)(
    "jobs that run at once keep their ids apart (%s)",
    async (kind, { site }) => {
      const { queue, work } = openShop(site);
      const people = Array.from({ length: 10 }, () => [person(), person(), person()]);
      const { ran } = work(
        inJob(async ({ data }: Job<string[]>) => {
          const mails = data.map(async (to, index) => {
            for (let turn = 0; turn < index; turn++) await new Promise(setImmediate);
            await site[kind].sendMail({ from: FROM, to, subject: `for ${to}`, text: "Read." });
          });
          await Promise.all(mails);
        }),
        { concurrency: 10 },
      );
      const jobs = await queue.addBulk(people.map((data) => ({ name: "newsletter", data })));
      await ran(10);
      const answers = await site.answered(30);
      for (const job of jobs) expect(answers.filter(({ task }) => task === taskOf(job))).toHaveLength(3);
      for (const to of people.flat()) expect(site.got(to)).toEqual([`for ${to}`]);
    },
  );

  test("what the job began and did not await, and sends after its end, is no mail of the job", async ({
    site,
  }) => {
    const to = person();
    const { queue, work } = openShop(site);
    const end = gate();
    const late: Promise<unknown>[] = [];
    const { ran } = work(
      inJob(async () => {
        await site.send(to);
        late.push(end.opened.then(() => site.send(to, "Later")));
      }),
    );
    await queue.add("newsletter", {});
    await ran(1);
    end.open();
    await Promise.all(late);
    const [first, second] = await site.answered(2);
    expect(first?.task).toBeDefined();
    expect(second).toEqual({ became: "queued" });
    expect(site.got(to)).toEqual(["News", "Later"]);
  });

  test("a worker and a pool that a job opens do not take the job's id along", async ({ site }) => {
    const to = person();
    const outer = openShop(site);
    const inner = openShop(site);
    const end = gate();
    let opened: Work | undefined;
    const { ran } = outer.work(
      inJob(async () => {
        opened = inner.work(inJob(() => site.pooled.sendMail({ from: FROM, to, subject: "News" })));
        await site.pooled.sendMail({ from: FROM, to, subject: "News" });
        await inner.queue.add("newsletter", {});
        await opened.ran(1);
        end.open();
      }),
    );
    await outer.queue.add("newsletter", {});
    await ran(1);
    await inner.queue.add("newsletter", {});
    await opened?.ran(2);
    expect(became(await site.answered(3))).toEqual(["queued", "queued", "queued"]);
    expect(site.got(to)).toHaveLength(3);
  });

  test("a batch of several jobs, as BullMQ Pro has, is no job; each job in it may be", async ({ site }) => {
    const people = [person(), person()];
    const { queue, work } = openShop(site);
    const mail = inJob(async ({ data }: Job<string>) => void (await site.send(data)));
    const { ran } = work(async (job) => {
      const { data } = job as Job<string[]>;
      const batch = data.map((to, number) =>
        Object.assign(Object.create(job), { id: `b${number}`, data: to }),
      );
      await inJob(async () => {
        await site.send(people[0] as string, "To all");
        for (const one of batch) await mail(one as Job<string>);
      })(Object.assign(Object.create(job), { getBatch: () => batch }));
    });
    const { timestamp } = await queue.add("batch", people);
    await ran(1);
    const each = [0, 1].map((number) => `bull:${queue.name}:b${number}:${timestamp}`);
    expect(tasks(await site.answered(3))).toEqual([undefined, ...each]);
  });

  test("a mail that is given as raw has nothing added", async ({ site }) => {
    const to = person();
    const raw = `From: ${FROM}\r\nTo: ${to}\r\nSubject: Raw\r\n\r\nRead.\r\n`;
    const { queue, work } = openShop(site);
    const { ran } = work(inJob(() => site.transport.sendMail({ envelope: { from: FROM, to }, raw })));
    await queue.add("newsletter", {});
    await ran(1);
    expect(tasks(await site.answered(1))).toEqual([undefined]);
    expect(site.got(to)).toEqual(["Raw"]);
  });

  test("one object of options in two jobs stays as it is", async ({ site }) => {
    const mail = { from: FROM, to: person(), subject: "News", headers: { "X-Shop": "1" } };
    const before = structuredClone(mail);
    const { queue, work } = openShop(site);
    const { ran } = work(inJob(() => site.transport.sendMail(mail)));
    await queue.add("newsletter", {});
    await queue.add("newsletter", {});
    await ran(2);
    expect(new Set(tasks(await site.answered(2))).size).toBe(2);
    expect(mail).toEqual(before);
    expect(site.got(mail.to)).toEqual(["News", "News"]);
  });

  test.for([
    { "x-task-id": "mine" },
    { "Idempotency-Key": "mine" },
    { "Resend-Idempotency-Key": { prepared: true, value: "mine" } },
    [{ key: "X-EE-Idempotency-Key", value: "mine" }],
    { key: "X-Task-ID", value: "mine" },
  ] as SendMailOptions["headers"][])("a mail that has a task keeps it: %o", async (headers, { site }) => {
    const task = randomUUID();
    const mine = JSON.parse(JSON.stringify(headers).replace("mine", task));
    const to = person();
    const { queue, work } = openShop(site);
    const { ran } = work(inJob(() => site.send(to, "News", { headers: mine })));
    await queue.add("newsletter", {});
    await ran(1);
    expect(tasks(await site.answered(1))).toEqual([task]);
  });

  test.for([
    undefined,
    { "X-Shop": "1", "X-Task-Id": "" },
    { "X-Shop": ["1", "2"] },
    [{ key: "X-Shop", value: "1" }],
    { key: "X-Shop", value: "1" },
  ] as SendMailOptions["headers"][])("a mail with other fields keeps them: %o", async (headers, { site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    const { ran } = work(inJob(() => site.send(to, "News", headers === undefined ? {} : { headers })));
    const job = await queue.add("newsletter", {});
    await ran(1);
    expect(tasks(await site.answered(1))).toEqual([taskOf(job)]);
    const mail = site.mails.mails().find((one) => one.to.includes(to));
    expect(mail?.field("X-Shop")).toBe(headers === undefined ? undefined : "1");
    expect(mail?.field("X-Task-Id")).toBeUndefined();
  });

  test("a DKIM signature of nodemailer stays valid", async ({ site }) => {
    const { privateKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    const to = person();
    const dkim = { domainName: "example.com", keySelector: "a", privateKey };
    const { queue, work } = openShop(site);
    const { ran } = work(inJob(() => site.send(to, "News", { dkim })));
    const job = await queue.add("newsletter", {});
    await ran(1);
    expect(tasks(await site.answered(1))).toEqual([taskOf(job)]);
    expect(site.mails.gateway.said("submission.signature_broken")).toEqual([]);
  });

  test.for([false, true])("a sandboxed processor (threads: %o)", async (useWorkerThreads, { site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    const processor = pathToFileURL(`${PROGRAMS}/bullmq/processor.mjs`);
    const { ran } = work(processor, { useWorkerThreads });
    const job = await queue.add("welcome", { to, port: site.mails.gateway.port });
    await ran(1);
    await job.retry("completed");
    await ran(2);
    const answers = await site.answered(2);
    expect(became(answers)).toEqual(["queued", "repeat"]);
    expect(tasks(answers)[0]).toBe(taskOf(job));
  });

  test("a processor that takes a signal gets one, and no other does", async ({ site }) => {
    const { queue, work } = openShop(site);
    const started = gate();
    const cancelled = gate();
    const withSignal = work(
      inJob(async (_job: Job, _token?: string, signal?: AbortSignal) => {
        signal?.addEventListener("abort", cancelled.open);
        started.open();
        await cancelled.opened;
      }),
    );
    const job = await queue.add("long", {});
    await started.opened;
    withSignal.worker.cancelJob(job.id as string);
    await withSignal.ran(1);
    await withSignal.worker.close();
    const rest: unknown[] = [];
    const without = work(inJob(async (_job: Job, ...more: unknown[]) => void rest.push(...more)));
    await queue.add("long", {});
    await without.ran(1);
    expect(rest).toEqual([expect.any(String), undefined]);
  });

  test("a processor that calls another with its job stays in one run", async ({ site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    const mail = inJob(async () => void (await site.send(to)));
    const { ran } = work(
      inJob(async (job: Job) => {
        await mail(job);
        await mail({} as Job);
        await site.send(to, "After", { headers: { "X-Task-Part": "after" } });
      }),
    );
    const job = await queue.add("newsletter", {});
    await ran(1);
    expect(tasks(await site.answered(3))).toEqual(Array(3).fill(taskOf(job)));
  });

  test("an app in CommonJS", async ({ site, place }) => {
    const to = person();
    const { queue } = openShop(site);
    const app = startProgram(place, process.execPath, [
      `${PROGRAMS}/bullmq/worker.cjs`,
      ...[queue.name, String(site.redis.port), String(site.mails.gateway.port)],
    ]);
    const job = await queue.add("welcome", { to });
    await app.said(/^done 1$/m);
    await job.retry("completed");
    await app.said(/^done 1$/m, 2);
    expect(became(await site.answered(2))).toEqual(["queued", "repeat"]);
  });
});

describe.skipIf(!hasRedis)("a job's jobs", () => {
  /** Mails one person for each child, with one subject for all. */
  const invoice = (site: { send(to: string, subject: string): Promise<unknown> }): Processor =>
    inJob((job: Job<{ to: string }>) => site.send(job.data.to, "Your invoice"));

  test("a parent that is tried again, and adds only what it had not added, loses no mail", async ({
    site,
  }) => {
    const to = person();
    const [parents, invoices] = [openShop(site), openShop(site)];
    const queue = childIds(invoices.queue);
    const parent = parents.work(
      inJob(async ({ attemptsMade }: Job) => {
        if (attemptsMade === 1) return await queue.add("invoice", { to, number: 2 });
        await queue.add("invoice", { to, number: 1 });
        throw new Error("before the second");
      }),
    );
    const children = invoices.work(invoice(site));
    await parents.queue.add("month", {}, { attempts: 2 });
    await parent.ran(2);
    await children.ran(2);
    expect(became(await site.answered(2))).toEqual(["queued", "queued"]);
  });

  test("a parent that runs twice adds all its children twice, and each mails once", async ({ site }) => {
    const to = person();
    const [parents, invoices] = [openShop(site), openShop(site)];
    const queue = childIds(invoices.queue);
    const flows = childIds(new FlowProducer({ connection: site.connection }));
    onTestFinished(() => flows.close());
    const data = { to };
    const parent = parents.work(
      inJob(async () => {
        await queue.add("invoice", data);
        await queue.add("invoice", data);
        await queue.addBulk([
          { name: "reminder", data },
          { name: "invoice", data, opts: { delay: 1 } },
        ]);
        const queueName = queue.name;
        await flows.add({
          ...{ name: "flow", queueName, data },
          children: [1, 2].map((step) => ({ name: "step", queueName, data: { to, step } })),
        });
        await flows.addBulk([{ name: "bulk", queueName, data }]);
      }),
    );
    const children = invoices.work(invoice(site), { concurrency: 3 });
    const job = await parents.queue.add("month", {});
    await parent.ran(1);
    await children.ran(8);
    const first = await site.answered(8);
    expect(new Set(tasks(first)).size).toBe(8);
    await job.retry("completed");
    await parent.ran(2);
    await children.ran(16);
    const second = (await site.answered(16)).slice(8);
    expect(new Set(became(second))).toEqual(new Set(["repeat"]));
    expect(new Set(tasks(second))).toEqual(new Set(tasks(first)));
    expect(data).toEqual({ to });
  });

  test("a processor that calls another counts equal children on; a queue is wrapped once", async ({
    site,
  }) => {
    const to = person();
    const [parents, invoices] = [openShop(site), openShop(site)];
    const queue = childIds(invoices.queue);
    const { add } = queue;
    expect(childIds(queue).add).toBe(add);
    const one = inJob(async (_job: Job) => void (await queue.add("invoice", { to })));
    const parent = parents.work(
      inJob(async (job: Job) => {
        await one(job);
        await one(job);
      }),
    );
    await parents.queue.add("month", {});
    await parent.ran(1);
    await invoices.work(invoice(site)).ran(2);
    expect(became(await site.answered(2))).toEqual(["queued", "queued"]);
  });

  test("a child's child, and a child that is tried again", async ({ site }) => {
    const to = person();
    const { queue, work } = openShop(site);
    childIds(queue);
    const { ran } = work(
      inJob(async ({ name, attemptsMade }: Job) => {
        if (name === "a") await queue.add("b", {}, { attempts: 2 });
        else if (name === "b") {
          await queue.add("c", {});
          if (attemptsMade === 0) throw new Error("after the child");
        } else await site.send(to);
      }),
    );
    await queue.add("a", {});
    await ran(5);
    expect(became(await site.answered(2))).toEqual(["queued", "repeat"]);
  });

  test("a job that is added with a child's own options is another job", async ({ site }) => {
    const to = person();
    const [parents, invoices] = [openShop(site), openShop(site)];
    const plain = new Queue(invoices.queue.name, { connection: site.connection });
    onTestFinished(() => plain.close());
    const queue = childIds(invoices.queue);
    const parent = parents.work(inJob(() => queue.add("invoice", { to })));
    const children = invoices.work(
      inJob(async (job: Job) => {
        await site.send(to);
        // Every day again, as long as there are days.
        if (job.id !== "3") await plain.add(job.name, job.data, job.opts);
      }),
    );
    await parents.queue.add("month", {});
    await parent.ran(1);
    await children.ran(3);
    // An operator who wants the first one sent again, seconds later.
    const first = (await plain.getJob("1")) as Job;
    expect(first.opts).toHaveProperty("mailonce");
    await plain.add(first.name, first.data, {
      ...first.opts,
      timestamp: first.timestamp + 2000,
      jobId: "again",
    });
    await children.ran(4);
    expect(new Set(tasks(await site.answered(4))).size).toBe(4);
    expect(site.got(to)).toHaveLength(4);
  });

  test("a job scheduler that a job makes, and what is added outside a job, is none's child", async ({
    site,
  }) => {
    const to = person();
    const [parents, invoices] = [openShop(site), openShop(site)];
    const queue = childIds(invoices.queue);
    const parent = parents.work(
      inJob(() =>
        queue.upsertJobScheduler("daily", { every: 100, limit: 2 }, { name: "invoice", data: { to } }),
      ),
    );
    const children = invoices.work(invoice(site));
    await parents.queue.add("month", {});
    await parent.ran(1);
    await children.ran(2);
    expect((await queue.add("invoice", { to })).opts).not.toHaveProperty("mailonce");
    await queue.add("invoice", { to });
    await children.ran(4);
    expect(new Set(tasks(await site.answered(4))).size).toBe(4);
    expect(site.got(to)).toHaveLength(4);
  });
});
