// The file for Rails in a Rails application: Active Job on Sidekiq and on adapters without a broker, Sidekiq's own
// jobs, and what runs outside of both. One Sidekiq with one thread runs all jobs, so an id that outlives its job shows.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { copyFileSync, cpSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { describe, expect } from "vitest";
import { messageId } from "../../src/index.ts";
import { findProgram } from "../support/peers.ts";
import { test as base } from "../support/place.ts";
import {
  has,
  hasRedis,
  INTEGRATIONS,
  type Mail,
  PROGRAMS,
  type Submitted,
  startMails,
  startProgram,
  startRedis,
} from "./jobs.ts";

/** Chosen by somebody, or computed of something. */
const CHOSEN = [
  "daily",
  createHash("md5").update("daily").digest("hex"),
  "74738ff5-5367-5958-9aee-98fffdcd1876",
];

const RUBY = "ruby";
const sidekiq = findProgram("sidekiq");
const installed =
  hasRedis &&
  sidekiq !== undefined &&
  has("Rails", RUBY, ["-e", "require 'rails'; require 'action_mailer'; require 'sidekiq'"]);

interface Job {
  /** The job_id of Active Job, or the jid of Sidekiq. */
  readonly id: string;
  readonly payload: { readonly jid: string; readonly [key: string]: unknown };
}

const newJid = (): string => randomBytes(12).toString("hex");

/** A job of Active Job as its Sidekiq adapter writes it; `data` is what Active Job itself writes. */
function activeJob(job: string, args: readonly unknown[], id: string = randomUUID()) {
  const data = {
    ...{ job_class: job, job_id: id, queue_name: "default", arguments: args },
    ...{ executions: 0, exception_executions: {}, locale: "en" },
  };
  const wrapper = "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper";
  const payload = {
    class: wrapper,
    wrapped: job,
    queue: "default",
    jid: newJid(),
    args: [data],
    retry: true,
  };
  return { id, data, payload };
}

/** A job of Sidekiq's own. */
const sidekiqJob = (worker: string, args: readonly unknown[], id = newJid()): Job => ({
  id,
  payload: { class: worker, queue: "default", jid: id, args, retry: true },
});

const test = base
  .extend("shop", { scope: "file" }, async ({ shared }) => {
    const [mails, { url }] = await Promise.all([startMails(shared), startRedis(shared)]);
    const folder = join(shared.folder, "shop");
    cpSync(join(PROGRAMS, "rails"), folder, { recursive: true });
    copyFileSync(join(INTEGRATIONS, "rails/mailonce.rb"), join(folder, "config/initializers/mailonce.rb"));
    const start = (program: string, args: readonly string[], locale: string) =>
      startProgram(shared, program, args, {
        cwd: folder,
        environment: { REDIS_URL: url, MAIL_PORT: String(mails.gateway.port), LC_ALL: locale },
      });
    const worker = start(sidekiq as string, ["-c", "1", "-r", folder], "C.UTF-8");
    const outside = start(RUBY, ["outside.rb"], "C");
    await Promise.all([worker.said(/Booted Rails/), outside.said(/outside: ready/)]);
    const redis = new Redis(url);
    shared.atEnd(() => redis.disconnect());
    return { mails, redis, worker, outside };
  })
  .extend("run", async ({ shop: { mails, redis, outside, worker } }) => {
    /** Does the work and waits for so many submissions: what became of each, in order. */
    const submits = async (count: number, work: () => Promise<unknown>): Promise<Submitted[]> => {
      const before = mails.submissions().length;
      await work();
      await mails.answered(before + count);
      return mails.submissions().slice(before);
    };
    return {
      submits,
      jobs: (count: number, ...jobs: Job[]) =>
        submits(count, () =>
          redis.lpush("queue:default", ...jobs.map(({ payload }) => JSON.stringify(payload))),
        ),
      outside: (count: number, ...call: readonly unknown[]) =>
        submits(count, async () => {
          const done = new RegExp(`outside: ${call[0]} done`);
          const times = [...outside.output().matchAll(new RegExp(done, "g"))].length;
          await redis.rpush("outside", JSON.stringify(call));
          await outside.said(done, times + 1);
        }),
      /** Lets Sidekiq retry at once what it would retry after a while. */
      retry: async ({ payload: { jid } }: Job) => {
        await worker.said(new RegExp(`Job raised exception.*"jid":"${jid}"`));
        for (const job of await redis.zrange("retry", 0, -1)) await redis.zadd("retry", "XX", 0, job);
      },
    };
  })
  .extend(
    "mailsTo",
    ({ shop: { mails } }) =>
      (address: string) =>
        mails.mails().flatMap((mail) => (mail.to.includes(address) ? [{ ...mail, text: textOf(mail) }] : [])),
  );

const to = (): string => `${randomUUID()}@example.com`;
const textOf = ({ content }: Mail): string => content.split("\r\n\r\n")[1]?.trim() ?? "";

const tasks = (submissions: readonly Submitted[]) => submissions.map(({ task }) => task);
const became = (submissions: readonly Submitted[]) => submissions.map(({ became }) => became);
const QUEUED_THEN_REPEAT = ["queued", "repeat"];

describe.skipIf(!installed)("Rails", () => {
  test("a job that the queue delivers twice mails once, with its job_id as the task", async ({ run }) => {
    const job = activeJob("ThanksJob", [to()]);
    expect(await run.jobs(2, job, job)).toEqual([
      { task: job.id, became: "queued" },
      { task: job.id, became: "repeat" },
    ]);
  });

  test("a job that Active Job retries after half mails the rest", async ({ run, shop, mailsTo }) => {
    const [first, second] = [to(), to()];
    const job = activeJob("HalfJob", [first, second]);
    const submissions = await run.jobs(3, job);
    expect(became(submissions)).toEqual(["queued", "repeat", "queued"]);
    expect(new Set(tasks(submissions))).toEqual(new Set([job.id]));
    const jids = [...shop.worker.output().matchAll(new RegExp(`half of ${first} as (\\S+)`, "g"))];
    expect(new Set(jids.map(([, jid]) => jid)).size).toBe(2);
    expect([mailsTo(first).length, mailsTo(second).length]).toEqual([1, 1]);
  });

  test("a job that Sidekiq retries after half mails the rest", async ({ run }) => {
    for (const job of [activeJob("SidekiqHalfJob", [to(), to()]), sidekiqJob("HalfWorker", [to(), to()])]) {
      const submissions = await run.submits(3, async () => {
        await run.jobs(1, job);
        await run.retry(job);
      });
      expect(became(submissions)).toEqual(["queued", "repeat", "queued"]);
      expect(new Set(tasks(submissions))).toEqual(new Set([job.id]));
    }
  });

  test("two jobs with the same arguments are two tasks, also on one thread", async ({ run }) => {
    const address = to();
    const jobs = [
      ...[activeJob("ThanksJob", [address]), activeJob("ThanksJob", [address])],
      ...[sidekiqJob("ThanksWorker", [address]), sidekiqJob("ThanksWorker", [address])],
    ];
    const submissions = await run.jobs(4, ...jobs);
    expect(became(submissions)).toEqual(["queued", "queued", "queued", "queued"]);
    expect(tasks(submissions)).toEqual(jobs.map(({ id }) => id));
  });

  test("mails of one job to one person differ by action, arguments and params, alike in each process", async ({
    run,
    mailsTo,
  }) => {
    const address = to();
    const job = activeJob("DunningJob", [address]);
    expect(became(await run.jobs(8, job))).toEqual(Array(8).fill("queued"));
    expect(became(await run.outside(8, "execute", job.data))).toEqual(Array(8).fill("repeat"));
    expect(mailsTo(address).map(({ subject }) => subject)).toEqual([
      ...["Your invoice is overdue", "Your invoice is overdue", "A reminder", "A reminder"],
      ...["Your invoice is paid", "Your invoice is paid", "A notice", "A notice"],
    ]);
  });

  test("the fields are there while the mail is delivered, and not afterwards", async ({ run, shop }) => {
    await run.outside(0, "fields", to());
    await run.outside(0, "fields", to(), "mine");
    const uuid = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
    const added = `"X-Task-Id: ${uuid}", "X-Task-Part: InvoiceMailer#thanks-[0-9a-f]{16}"`;
    const own = `"X-Task-Part: mine", "X-Task-Id: ${uuid}"`;
    for (const fields of [added, own]) {
      expect(shop.outside.output()).toMatch(new RegExp(`fields: \\[${fields}\\]`));
    }
    expect(shop.outside.output()).toContain("afterwards: [[]]");
    const signed = [...shop.outside.output().matchAll(/signed: (.*)/g)].map(([, fields]) => fields);
    expect(signed).toEqual(["[]", "[]", '["X-Task-Part: mine"]', "[]"]);
  });

  describe("jobs that jobs enqueue", () => {
    test("deliver_later is a job of its own, which the queue may deliver twice", async ({ run, shop }) => {
      const address = to();
      const seen = await run.outside(1, "later", address);
      expect(seen).toEqual([{ task: expect.stringMatching(/^[0-9a-f-]{36}$/), became: "queued" }]);
      const job = activeJob("ActionMailer::MailDeliveryJob", [
        ...["InvoiceMailer", "thanks", "deliver_now"],
        { args: [to()], _aj_ruby2_keywords: ["args"] },
      ]);
      expect(became(await run.jobs(2, job, job))).toEqual(QUEUED_THEN_REPEAT);
      expect(shop.worker.output()).not.toContain("Error performing ActionMailer::MailDeliveryJob");
    });

    test("enqueued again by a retry, they mail once", async ({ run, mailsTo }) => {
      const address = to();
      const submissions = await run.jobs(4, activeJob("LaterJob", [address]));
      expect(became(submissions)).toEqual(["queued", "queued", "repeat", "repeat"]);
      expect(mailsTo(address).map(({ text }) => text)).toEqual(["Invoice 1", "Invoice 2"]);
    });

    test("a retry that enqueues only the second mails it", async ({ run, mailsTo }) => {
      const address = to();
      const submissions = await run.jobs(2, activeJob("NotingJob", [address]));
      expect(became(submissions)).toEqual(["queued", "queued"]);
      expect(new Set(tasks(submissions)).size).toBe(2);
      expect(mailsTo(address).map(({ text }) => text)).toEqual(["Invoice 1", "Invoice 2"]);
    });

    test("a retry of theirs, and of the job that enqueued them, mails nothing twice", async ({
      run,
      mailsTo,
    }) => {
      const [first, second] = [to(), to()];
      // The second HalfJob has another job_id, so it fails too.
      const submissions = await run.jobs(6, activeJob("LaterHalfJob", [first, second]));
      expect(new Set(tasks(submissions)).size).toBe(1);
      expect([mailsTo(first).length, mailsTo(second).length]).toEqual([1, 1]);
    });

    test("two equal ones are two mails, also after a retry", async ({ run, mailsTo }) => {
      const address = to();
      const submissions = await run.jobs(4, activeJob("TwiceJob", [address]));
      expect(became(submissions)).toEqual(["queued", "queued", "repeat", "repeat"]);
      expect(mailsTo(address)).toHaveLength(2);
    });

    test("a job that enqueues itself for later mails each time", async ({ run, mailsTo }) => {
      const address = to();
      const submissions = await run.jobs(3, activeJob("NextJob", [address]));
      expect(became(submissions)).toEqual(["queued", "queued", "queued"]);
      expect(new Set(tasks(submissions)).size).toBe(3);
      expect(mailsTo(address)).toHaveLength(3);
    });

    test("so does one that enqueues its own object again, while its retries are repeats", async ({
      run,
      mailsTo,
    }) => {
      const address = to();
      const submissions = await run.jobs(3, activeJob("AgainJob", [address]));
      expect(became(submissions).sort()).toEqual(["queued", "queued", "repeat"]);
      expect(new Set(tasks(submissions)).size).toBe(2);
      expect(mailsTo(address)).toHaveLength(2);
    });

    test("Sidekiq's own jobs have theirs in every way of enqueuing", async ({ run, mailsTo }) => {
      const address = to();
      const job = sidekiqJob("ParentWorker", [address]);
      const submissions = await run.submits(12, async () => {
        await run.jobs(6, job);
        await run.retry(job);
      });
      expect(became(submissions)).toEqual([...Array(6).fill("queued"), ...Array(6).fill("repeat")]);
      expect(mailsTo(address)).toHaveLength(6);
    });

    test("a retry of Sidekiq's own that enqueues only the second mails it", async ({ run }) => {
      const job = sidekiqJob("NotingWorker", [to()]);
      const submissions = await run.submits(2, async () => {
        await run.jobs(1, job);
        await run.retry(job);
      });
      expect(became(submissions)).toEqual(["queued", "queued"]);
    });
  });

  describe("jobs that jobs call with perform_now", () => {
    test("the outer's retry mails nothing twice", async ({ run }) => {
      const submissions = await run.jobs(2, activeJob("OuterJob", ["ThanksJob", to()]));
      expect(became(submissions)).toEqual(QUEUED_THEN_REPEAT);
    });

    test("the inner's retry is a job, and mails the rest only", async ({ run, mailsTo }) => {
      const [first, second] = [to(), to()];
      // The outer fails too, and its retry calls the inner again.
      const job = activeJob("OuterJob", ["HalfJob", first, second]);
      await run.jobs(6, job);
      expect([mailsTo(first).length, mailsTo(second).length]).toEqual([1, 1]);
    });

    test("two calls with other arguments are two mails", async ({ run, mailsTo }) => {
      const address = to();
      const submissions = await run.jobs(4, activeJob("ReportsJob", [address]));
      expect(became(submissions)).toEqual(["queued", "queued", "repeat", "repeat"]);
      expect(mailsTo(address)).toHaveLength(2);
    });

    test("called outside a job, its retry mails the rest only", async ({ run }) => {
      const submissions = await run.outside(3, "perform_now", to(), to());
      expect(became(submissions)).toEqual(["queued", "repeat", "queued"]);
      expect(new Set(tasks(submissions)).size).toBe(1);
    });
  });

  test("fibers of the job and threads that carry it are in it, other threads are not", async ({ run }) => {
    const job = activeJob("FibersJob", [to(), to()]);
    expect(tasks(await run.jobs(4, job))).toEqual([job.id, job.id, job.id, undefined]);
  });

  test("a fiber that outlives its job is in none", async ({ run }) => {
    const [inside, after] = await run.outside(2, "leaving", to());
    expect(inside?.task).toBeDefined();
    expect(after).toEqual({ became: "queued" });
  });

  test("mail outside a job is left alone", async ({ run }) => {
    expect(await run.outside(1, "mail", to())).toEqual([{ became: "queued" }]);
  });

  test("an adapter that runs jobs in place: the inner job's mail is its own, and none is left behind", async ({
    run,
  }) => {
    const [inner, outer, after] = await run.outside(3, "inline", to());
    expect(inner?.task).toBeDefined();
    expect(outer?.task).toBeDefined();
    expect(inner?.task).not.toBe(outer?.task);
    expect(after).toEqual({ became: "queued" });
  });

  test("an adapter with threads: two jobs on one are two tasks", async ({ run }) => {
    const submissions = await run.outside(2, "async", to());
    expect(became(submissions)).toEqual(["queued", "queued"]);
    expect(new Set(tasks(submissions)).size).toBe(2);
  });

  test("one job object that is enqueued twice outside a job is two tasks", async ({ run }) => {
    const submissions = await run.outside(2, "enqueue_twice", to());
    expect(became(submissions)).toEqual(["queued", "queued"]);
  });

  test("a job whose id somebody chose has no task, since it may have been used before", async ({ run }) => {
    for (const job of CHOSEN.flatMap((id) => [
      activeJob("ThanksJob", [to()], id),
      sidekiqJob("ThanksWorker", [to()], id),
    ]))
      expect(await run.jobs(1, job)).toEqual([{ became: "queued" }]);
  });

  test("a copy of a job's data under another id is a task of its own", async ({ run }) => {
    const foreign = { mailonce: { [randomUUID()]: randomUUID(), [newJid()]: randomUUID() } };
    const active = activeJob("ThanksJob", [to()]);
    Object.assign(active.data, foreign);
    const own = sidekiqJob("ThanksWorker", [to()]);
    Object.assign(own.payload, foreign);
    for (const job of [active, own]) expect(tasks(await run.jobs(1, job))).toEqual([job.id]);
  });

  test("a mail that has a task field already is left alone", async ({ run }) => {
    const fields = ["X-Task-Id", "Idempotency-Key", "Resend-Idempotency-Key", "X-EE-Idempotency-Key"];
    for (const field of fields) {
      const own = randomUUID();
      const job = activeJob("ThanksJob", [to(), { [field]: own }]);
      expect(tasks(await run.jobs(1, job))).toEqual([own]);
    }
  });

  test("one mail object that two jobs deliver is a mail of each", async ({ run }) => {
    const address = to();
    const jobs = [activeJob("KeptJob", [address]), activeJob("KeptJob", [address])];
    const submissions = await run.jobs(2, ...jobs);
    expect(submissions).toEqual(jobs.map(({ id }) => ({ task: id, became: "queued" })));
  });

  test("a mail that is sent again as an observer stored it is no repeat", async ({ run }) => {
    const [first, again] = await run.outside(2, "resend", to());
    expect(first?.task).toBeDefined();
    expect(again).toEqual({ became: "queued" });
  });

  test("an argument that no job can have is told apart by its class alone", async ({ run, shop }) => {
    const job = activeJob("DraftsJob", [to()]);
    const submissions = await run.jobs(4, job, job);
    expect(became(submissions)).toEqual(["queued", "queued", "repeat", "repeat"]);
    await shop.worker.said(/no job for a draft/, 2);
  });

  test("mails that no argument tells apart are both mailed, the second without a task", async ({
    run,
    mailsTo,
  }) => {
    const address = to();
    const job = activeJob("TwoDraftsJob", [address]);
    const submissions = await run.jobs(2, job);
    expect(submissions).toEqual([{ became: "queued", task: job.id }, { became: "queued" }]);
    expect(mailsTo(address).map(({ text }) => text)).toEqual(["one", "two"]);
  });

  test("where each has a part of its own, both have the task", async ({ run }) => {
    const job = activeJob("PartsJob", [to()]);
    const submissions = await run.jobs(4, job, job);
    expect(became(submissions)).toEqual(["queued", "queued", "repeat", "repeat"]);
    expect(new Set(tasks(submissions))).toEqual(new Set([job.id]));
  });

  test("mails that differ in what the gateway overlooks are all mailed", async ({ run }) => {
    const job = activeJob("AlikeJob", [to(), to(), to(), to()]);
    const [first, second] = [{ became: "queued", task: job.id }, { became: "queued" }];
    expect(await run.jobs(8, job)).toEqual(Array(4).fill([first, second]).flat());
  });

  test("an argument that can't be written down stops no mail", async ({ run }) => {
    expect(await run.jobs(1, activeJob("CircularJob", [to()]))).toEqual([{ became: "queued" }]);
    expect(became(await run.jobs(1, activeJob("CallingJob", [to()])))).toEqual(["queued"]);
  });

  test("a job that enqueues itself for the next day is another task, also where this day failed", async ({
    run,
  }) => {
    const submissions = await run.jobs(2, activeJob("DailyJob", [to(), 1]));
    expect(became(submissions)).toEqual(["queued", "queued"]);
    expect(new Set(tasks(submissions)).size).toBe(2);
  });

  test("mail without ActionMailer has the task and no part", async ({ run, shop }) => {
    const address = to();
    const job = activeJob("MailJob", [address]);
    expect(tasks(await run.jobs(1, job))).toEqual([job.id]);
    const id = messageId({ task: job.id, to: address, from: "billing@shop.example" });
    expect(shop.mails.upstream.taken.map(({ messageId: one }) => one)).toContain(id);
  });

  test("what a handler of errors mails is about the attempt, and has no task", async ({ run }) => {
    expect(await run.jobs(2, activeJob("AlarmJob", [to()]))).toEqual([
      { became: "queued" },
      { became: "queued" },
    ]);
  });

  test("so it is for a job that another one calls", async ({ run }) => {
    const job = activeJob("OuterAlarmJob", [to()]);
    expect(await run.jobs(2, job)).toEqual([{ became: "queued" }, { became: "queued", task: job.id }]);
  });
});
