// Celery and Django over Redis: a mail of a task is the task's, however the task is run, and other mail is not.
import { Redis as RedisClient } from "ioredis";
import { describe, expect } from "vitest";
import { test as base, type Place } from "../support/place.ts";
import {
  has,
  hasRedis,
  INTEGRATIONS,
  type Mail,
  type Mails,
  PROGRAMS,
  PYTHON,
  type Running,
  type Submitted,
  startMails,
  startProgram,
  startRedis,
} from "./jobs.ts";

const hasAll = hasRedis && has("Celery with Django", PYTHON, ["-c", "import celery, django, redis"]);

interface Answer {
  readonly id?: string;
  readonly result?: unknown;
  readonly error?: string;
}

/** A shop with a worker, and a desk that publishes its tasks. */
interface Shop {
  readonly mails: Mails;
  readonly redis: RedisClient;
  /** Starts another worker, with options of Celery. */
  startWorker(options?: readonly string[], environment?: Record<string, string>): Promise<Running>;
  /** Publishes a task and waits for its result. */
  run(task: string, args: readonly unknown[], options?: object): Promise<Answer>;
  /** Publishes a task. */
  publish(task: string, args: readonly unknown[], options?: object): Promise<Answer>;
  /** Calls a function in a process that is no worker. */
  call(name: string, args: readonly unknown[]): Promise<Answer>;
  /** What comes of what `work` does: the mails of the recipients that are new, and all submissions. */
  during(submissions: number, work: () => Promise<unknown>): Promise<Outcome>;
}

interface Outcome {
  readonly mails: readonly Mail[];
  readonly submitted: readonly Submitted[];
}

async function startShop(place: Place, environment: Record<string, string> = {}): Promise<Shop> {
  const broker = await startRedis(place);
  const mails = await startMails(place);
  const redis = new RedisClient(broker.port);
  place.atEnd(() => redis.disconnect());
  const python = {
    REDIS_URL: broker.url,
    SMTP_PORT: String(mails.gateway.port),
    PYTHONPATH: `${INTEGRATIONS}/python:${PROGRAMS}/python`,
    PYTHONDONTWRITEBYTECODE: "1",
    C_FORCE_ROOT: "1",
    ...environment,
  };
  const desk = startProgram(place, PYTHON, [`${PROGRAMS}/python/celery_desk.py`], {
    // What the desk finds unacknowledged, Redis delivers again at once; workers have an hour.
    environment: { ...python, VISIBILITY_TIMEOUT: "0" },
  });
  const ask = async (asked: object): Promise<Answer> => {
    await redis.rpush("asked", JSON.stringify(asked));
    const answer = await Promise.race([
      redis.blpop("answered", 0),
      desk.exited.then(() => Promise.reject(new Error(`the desk has ended: ${desk.output()}`))),
    ]);
    return JSON.parse(answer?.[1] ?? "{}") as Answer;
  };
  await desk.said(/the desk is open/);
  return {
    ...{ mails, redis },
    async startWorker(options = [], more = {}) {
      const worker = startProgram(
        place,
        PYTHON,
        [
          ...["-m", "celery", "-A", "celery_shop", "worker", "-l", "info", "-c", "2"],
          ...["--without-gossip", "--without-mingle", ...options],
        ],
        { environment: { ...python, ...more } },
      );
      await worker.said(/ ready\./);
      return worker;
    },
    run: (task, args, options = {}) => ask({ task, args, options, wait: true }),
    publish: (task, args, options = {}) => ask({ task, args, options, wait: false }),
    call: (call, args) => ask({ call, args }),
    async during(submissions, work) {
      const before = { mails: mails.mails().length, submissions: mails.submissions().length };
      await work();
      await mails.answered(before.submissions + submissions);
      return {
        mails: mails.mails().slice(before.mails),
        submitted: mails.submissions().slice(before.submissions),
      };
    },
  };
}

const test = base.extend("shop", { scope: "file" }, async ({ shared }) => {
  const shop = await startShop(shared);
  await shop.startWorker();
  return shop;
});

const receivers = ({ mails }: Outcome) => mails.map(({ to }) => to.join()).sort();
const became = ({ submitted }: Outcome) => submitted.map(({ became }) => became);
const tasks = ({ submitted }: Outcome) => submitted.map(({ task }) => task);

describe.skipIf(!hasAll)("Celery with Django", () => {
  test("a mail has its task's id, and without the fields", async ({ shop }) => {
    const { id } = await shop.run("welcome", ["one@example.net", "Welcome"]);
    const outcome = await shop.during(1, () =>
      shop.run("welcome", ["one@example.net", "Welcome"], { task_id: id }),
    );
    expect(outcome.submitted).toEqual([{ task: id, became: "repeat" }]);
  });

  test("mail outside a task stays as it is", async ({ shop }) => {
    const outcome = await shop.during(2, async () => {
      for (const _ of "12") await shop.call("mail", ["outside@example.net", "Outside"]);
    });
    expect(receivers(outcome)).toEqual(["outside@example.net", "outside@example.net"]);
    expect(tasks(outcome)).toEqual([undefined, undefined]);
  });

  test("a retry mails those that are left", async ({ shop }) => {
    const people = ["a", "b", "c", "d"].map((name) => `${name}@retry.example`);
    const outcome = await shop.during(6, () => shop.run("newsletter", [people, "News", "retry"]));
    expect(receivers(outcome)).toEqual(people);
    expect(became(outcome)).toEqual(["queued", "queued", "repeat", "repeat", "queued", "queued"]);
    expect(new Set(tasks(outcome)).size).toBe(1);
  });

  test("autoretry_for mails each once", async ({ shop }) => {
    const people = ["a@auto.example", "b@auto.example"];
    const outcome = await shop.during(5, () => shop.run("invoices_by_autoretry", [people, "auto"]));
    expect(receivers(outcome)).toEqual(people);
  });

  test("mail_admins and Django's password-reset mails are the task's too", async ({ shop }) => {
    await shop.call("add_user", ["customer@example.net"]);
    const outcome = await shop.during(4, async () => {
      for (const [task, argument] of [
        ["mail_to_admins", "Stock is low"],
        ["password_reset", "customer@example.net"],
      ] as const) {
        const { id } = await shop.run(task, [argument]);
        await shop.run(task, [argument], { task_id: id });
      }
    });
    expect(became(outcome)).toEqual(["queued", "repeat", "queued", "repeat"]);
    expect(outcome.mails.map(({ subject }) => subject)).toEqual([
      "[Django] Stock is low",
      "Password reset on shop.example",
    ]);
  });

  test("a second mail to one person is refused aloud, and taken under another part", async ({ shop }) => {
    const refused = await shop.during(2, async () => {
      expect((await shop.run("two_subjects", ["two@example.net"])).result).toEqual([null, 554]);
    });
    expect(became(refused)).toEqual(["queued", "refused"]);
    const parts = await shop.during(2, () => shop.run("two_parts", ["parts@example.net"]));
    expect(parts.mails.map(({ subject }) => subject)).toEqual(["Your order", "Your invoice"]);
  });

  test("a common Bcc: refused where the subjects differ, left out where they are equal", async ({ shop }) => {
    const differing = await shop.during(2, async () => {
      const { result } = await shop.run("with_archive", [
        ["a@bcc.example", "b@bcc.example"],
        ["Bill 1", "Bill 2"],
      ]);
      expect(result).toEqual([null, 554]);
    });
    expect(receivers(differing)).toEqual(["a@bcc.example", "archive@example.net"]);
    const equal = await shop.during(2, async () => {
      const { result } = await shop.run("with_archive", [
        ["c@bcc.example", "d@bcc.example"],
        ["News", "News"],
      ]);
      expect(result).toEqual([null, null]);
    });
    expect(receivers(equal)).toEqual(["archive@example.net", "c@bcc.example", "d@bcc.example"]);
  });

  test("a mail that has one of the fields keeps it", async ({ shop }) => {
    const names = ["X-Task-Id", "Idempotency-Key", "Resend-Idempotency-Key", "X-EE-Idempotency-Key"];
    const outcome = await shop.during(4, async () => {
      for (const name of names) await shop.run("with_field", ["own@example.net", name, `own-${name}`]);
    });
    expect(tasks(outcome)).toEqual(names.map((name) => `own-${name}`));
  });

  test("what a logging handler mails in a task is no mail of the task", async ({ shop }) => {
    const outcome = await shop.during(2, () => shop.run("logs_errors", [["Away", "Away"]]));
    expect(tasks(outcome)).toEqual([undefined, undefined]);
  });

  test("a task that is called in a task, in whatever way, is part of it", async ({ shop }) => {
    for (const task of ["calls_another", "applies_another", "applies_itself"]) {
      const outcome = await shop.during(2, async () => {
        const { id } = await shop.run(task, ["called@example.net"]);
        await shop.run(task, ["called@example.net"], { task_id: id });
      });
      expect(became(outcome)).toEqual(["queued", "repeat"]);
    }
  });

  test("an eager task that no worker runs has no id", async ({ shop }) => {
    const outcome = await shop.during(2, async () => {
      for (const _ of "12") await shop.call("eager", ["eager@example.net", "Eager"]);
    });
    expect(tasks(outcome)).toEqual([undefined, undefined]);
  });

  test("a thread mails for the task where it is told to, a forked process never", async ({ shop }) => {
    let id: string | undefined;
    const threads = await shop.during(3, async () => {
      const { id: first } = await shop.run("in_threads", [
        ["a@thread.example", "b@thread.example"],
        ["c@thread.example"],
      ]);
      id = first;
    });
    expect(new Set(tasks(threads))).toEqual(new Set([id, undefined]));
    expect(threads.submitted.filter(({ task }) => task === id)).toHaveLength(2);
    const forked = await shop.during(1, () => shop.run("forks", ["fork@example.net"]));
    expect(tasks(forked)).toEqual([undefined]);
  });

  test("a message that is sent in two tasks, and outside, has the id of each", async ({ shop }) => {
    const { result } = await shop.call("one_message_in_two_jobs", ["same@example.net"]);
    expect(result).toEqual(["job-1", "job-2", null, {}]);
  });
});

describe.skipIf(!hasAll)("tasks that a task publishes", () => {
  test("the retry publishes only the second of two bills to one person, and both are mailed once", async ({
    shop,
  }) => {
    const orders = [
      ["buyer@example.net", 1],
      ["buyer@example.net", 2],
    ];
    const outcome = await shop.during(3, () => shop.run("bills", [orders, "bills"]));
    expect(outcome.mails).toHaveLength(2);
    expect(became(outcome).sort()).toEqual(["queued", "queued", "repeat"]);
  });

  test("equal arguments for two tenants are two tasks, whichever are left", async ({ shop }) => {
    const outcome = await shop.during(3, () =>
      shop.run("tenant_bills", ["ceo@example.net", ["red", "blue"], "tenants"]),
    );
    expect(outcome.mails.map(({ subject }) => subject).sort()).toEqual(["Bill of blue", "Bill of red"]);
    expect(became(outcome).sort()).toEqual(["queued", "queued", "repeat"]);
  });

  test("members and callbacks of chains, groups and chords are the same in the parent's retry", async ({
    shop,
  }) => {
    const outcome = await shop.during(20, () => shop.run("canvases", ["canvas@example.net", "canvases"]));
    expect(outcome.mails.map(({ subject }) => subject).sort()).toEqual([
      ...["callback: 7", "chain's end: 3", "chain: 3", "chord 0: 0", "chord 1: 1", "chord 2: 2"],
      ...["chord's body: [0, 1, 2]", "group 0: 0", "group 1: 1", "group 2: 2"],
    ]);
    expect(became(outcome).filter((what) => what === "repeat")).toHaveLength(10);
  });

  test("a task that replaces another mails the same person anew, and once over its retry", async ({
    shop,
  }) => {
    const outcome = await shop.during(3, () => shop.run("replaced", ["replaced@example.net"]));
    expect(became(outcome)).toEqual(["queued", "queued", "repeat"]);
  });

  test("headers that are handed on carry no id to another task", async ({ shop }) => {
    const outcome = await shop.during(2, () => shop.run("bills_with_headers", ["handed@example.net"]));
    expect(outcome.mails).toHaveLength(2);
  });

  test("what an eager task publishes is published by the outer one", async ({ shop }) => {
    const outcome = await shop.during(2, async () => {
      const { id } = await shop.run("eager_publishes", ["published@example.net"]);
      await shop.run("eager_publishes", ["published@example.net"], { task_id: id });
    });
    expect(became(outcome)).toEqual(["queued", "repeat"]);
  });

  test("an id that somebody chose is of two tasks when it is used twice", async ({ shop }) => {
    const outcome = await shop.during(4, async () => {
      await shop.run("welcome", ["daily@example.net", "Daily"], { task_id: "daily report" });
      await shop.run("newsletter", [["x@example.net", "daily@example.net"], "Daily", "chosen"], {
        task_id: "daily report",
      });
    });
    expect(receivers(outcome)).toEqual(["daily@example.net", "daily@example.net", "x@example.net"]);
  });
});

describe.skipIf(!hasAll)("a task that is delivered twice", () => {
  const people = (domain: string) => ["a", "b", "c", "d"].map((name) => `${name}@${domain}`);
  const own = (queue: string, name: string) => ["-Q", queue, "-n", `${queue}-${name}`, "-c", "1"];

  test("to two workers at once, after the visibility time-out: each person gets one mail", async ({
    shop,
  }) => {
    const first = await shop.startWorker(own("accident", "first"));
    const outcome = await shop.during(8, async () => {
      await shop.publish("slow_newsletter", [people("twice.example"), "News", "twice"], {
        queue: "accident",
      });
      await first.said(/in the middle of twice, run 1/);
      const second = await shop.startWorker(own("accident", "second"));
      await shop.call("deliver_again", []);
      await second.said(/in the middle of twice, run 2/);
      for (const run of [1, 2]) await shop.redis.rpush(`go on:twice:${run}`, "now");
      await Promise.all([first.said(/end of twice, run 1/), second.said(/end of twice, run 2/)]);
    });
    expect(receivers(outcome)).toEqual(people("twice.example"));
    expect(became(outcome).filter((what) => what === "repeat")).toHaveLength(4);
  });

  test("since all of the worker was killed in the middle: the rest is mailed", async ({ shop }) => {
    const first = await shop.startWorker(own("killed", "first"));
    const outcome = await shop.during(6, async () => {
      await shop.publish("slow_newsletter", [people("killed.example"), "News", "killed"], {
        queue: "killed",
      });
      await first.said(/in the middle of killed, run 1/);
      first.signal("SIGKILL");
      await first.exited;
      await shop.call("deliver_again", []);
      const second = await shop.startWorker(own("killed", "second"));
      await second.said(/in the middle of killed, run 2/);
      await shop.redis.rpush("go on:killed:2", "now");
      await second.said(/end of killed, run 2/);
    });
    expect(receivers(outcome)).toEqual(people("killed.example"));
    expect(became(outcome)).toEqual(["queued", "queued", "repeat", "repeat", "queued", "queued"]);
  });

  test("since a process of the pool was killed: the rest is mailed", async ({ shop }) => {
    const outcome = await shop.during(5, () => shop.run("killed_once", [people("lost.example"), "lost"]));
    expect(receivers(outcome)).toEqual(people("lost.example"));
  });

  test("at the same time: what both runs publish is the same, and equal tasks of one run are two", async ({
    shop,
  }) => {
    const outcome = await shop.during(4, async () => {
      const { id } = await shop.publish("equal_bills", ["equal@example.net"]);
      await shop.publish("equal_bills", ["equal@example.net"], { task_id: id });
    });
    expect(became(outcome).sort()).toEqual(["queued", "queued", "repeat", "repeat"]);
  });
});

describe.skipIf(!hasAll)("other workers", () => {
  for (const pool of ["threads", "solo"]) {
    test(`-P ${pool}`, async ({ shop }) => {
      await shop.startWorker(["-P", pool, "-Q", pool, "-n", pool, "--prefetch-multiplier", "0"]);
      const outcome = await shop.during(12, async () => {
        const newsletters = ["a", "b"].map((name) => [`x@${pool}.example`, `${name}@${pool}.example`]);
        for (const [number, some] of newsletters.entries())
          await shop.publish("newsletter", [some, `News ${number}`, `${pool} ${number}`], { queue: pool });
        await shop.run("in_threads", [[`t@${pool}.example`], [`u@${pool}.example`]], { queue: pool });
        await shop.run("forks", [`f@${pool}.example`], { queue: pool });
        await shop.run(
          "bills",
          [
            [
              [`x@${pool}.example`, 1],
              [`x@${pool}.example`, 2],
            ],
            pool,
          ],
          { queue: pool },
        );
      });
      expect(receivers(outcome)).toEqual(
        ["a", "b", "f", "t", "u", "x", "x", "x", "x"].map((name) => `${name}@${pool}.example`),
      );
      expect(became(outcome).filter((what) => what === "repeat")).toHaveLength(3);
      expect(tasks(outcome).filter((task) => task === undefined)).toHaveLength(2);
    });
  }

  test("whose messages are of protocol 1", async ({ shop }) => {
    await shop.startWorker(["-Q", "old", "-n", "old"], { TASK_PROTOCOL: "1" });
    const orders = [
      ["buyer@old.example", 1],
      ["buyer@old.example", 2],
    ];
    const outcome = await shop.during(6, async () => {
      await shop.run("bills", [orders, "old"], { queue: "old" });
      await shop.run("replaced", ["replaced@old.example"], { queue: "old" });
    });
    expect(receivers(outcome)).toEqual([
      ...["buyer@old.example", "buyer@old.example", "replaced@old.example", "replaced@old.example"],
    ]);
  });
});
