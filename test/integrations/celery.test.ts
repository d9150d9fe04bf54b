// Celery and Django over Redis: a mail of a task is the task's, however the task is run, and other mail is not.
import { describe, expect } from "vitest";
import { test as base, type Place } from "../support/place.ts";
import { has, hasRedis, PYTHON, type Running, startMails, startProgram, startRedis } from "./jobs.ts";
import { type Answer, type Desk, during, pythonEnvironment, startDesk } from "./python.ts";

const hasAll = hasRedis && has("Celery with Django", PYTHON, ["-c", "import celery, django, redis"]);

/** A shop with a worker, and a desk that publishes its tasks. */
interface Shop {
  readonly redis: Desk["redis"];
  /** Starts another worker, with options of Celery. */
  startWorker(options?: readonly string[], environment?: Record<string, string>): Promise<Running>;
  /** Publishes a task and waits for its result. */
  run(task: string, args: readonly unknown[], options?: object): Promise<Answer>;
  /** Publishes a task. */
  publish(task: string, args: readonly unknown[], options?: object): Promise<Answer>;
  /** Calls a function in a process that is no worker. */
  call(name: string, args: readonly unknown[]): Promise<Answer>;
  during(submissions: number, work: () => Promise<unknown>): ReturnType<typeof during>;
}

const WORKER = ["-m", "celery", "worker", "-l", "info", "-c", "2", "--without-gossip", "--without-mingle"];

async function startShop(place: Place): Promise<Shop> {
  const broker = await startRedis(place);
  const mails = await startMails(place);
  const python = { ...pythonEnvironment(mails, broker), C_FORCE_ROOT: "1" };
  // What the desk finds unacknowledged, Redis delivers again at once; workers have an hour.
  const desk = await startDesk(place, broker, "celery_desk.py", { ...python, VISIBILITY_TIMEOUT: "0" });
  return {
    redis: desk.redis,
    async startWorker(options = [], environment = {}) {
      const worker = startProgram(place, PYTHON, [...WORKER, ...options], {
        environment: { ...python, CELERY_APP: "celery_shop", ...environment },
      });
      await worker.said(/ ready\./);
      return worker;
    },
    run: (task, args, options = {}) => desk.ask({ task, args, options, wait: true }),
    publish: (task, args, options = {}) => desk.ask({ task, args, options, wait: false }),
    call: (call, args) => desk.ask({ call, args }),
    during: (submissions, work) => during(mails, submissions, work),
  };
}

const test = base.extend("shop", { scope: "file" }, async ({ shared }) => {
  const shop = await startShop(shared);
  await shop.startWorker();
  return shop;
});

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
    expect(outcome.receivers).toEqual(["outside@example.net", "outside@example.net"]);
    expect(outcome.tasks).toEqual([undefined, undefined]);
  });

  test("a retry mails those that are left", async ({ shop }) => {
    const people = ["a", "b", "c", "d"].map((name) => `${name}@retry.example`);
    const outcome = await shop.during(6, () => shop.run("newsletter", [people, "News", "retry"]));
    expect(outcome.receivers).toEqual(people);
    expect(outcome.became).toEqual(["queued", "queued", "repeat", "repeat", "queued", "queued"]);
    expect(new Set(outcome.tasks).size).toBe(1);
  });

  test("autoretry_for mails each once", async ({ shop }) => {
    const people = ["a@auto.example", "b@auto.example"];
    const outcome = await shop.during(5, () => shop.run("invoices_by_autoretry", [people, "auto"]));
    expect(outcome.receivers).toEqual(people);
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
    expect(outcome.became).toEqual(["queued", "repeat", "queued", "repeat"]);
    expect(outcome.mails.map(({ subject }) => subject)).toEqual([
      "[Django] Stock is low",
      "Password reset on shop.example",
    ]);
  });

  test("a second mail to one person is refused aloud, and taken under another part", async ({ shop }) => {
    const refused = await shop.during(2, async () => {
      expect((await shop.run("two_subjects", ["two@example.net"])).result).toEqual([null, 554]);
    });
    expect(refused.became).toEqual(["queued", "refused"]);
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
    expect(differing.receivers).toEqual(["a@bcc.example", "archive@example.net"]);
    const equal = await shop.during(2, async () => {
      const { result } = await shop.run("with_archive", [
        ["c@bcc.example", "d@bcc.example"],
        ["News", "News"],
      ]);
      expect(result).toEqual([null, null]);
    });
    expect(equal.receivers).toEqual(["archive@example.net", "c@bcc.example", "d@bcc.example"]);
  });

  test("a mail that has one of the fields keeps it", async ({ shop }) => {
    const names = ["X-Task-Id", "Idempotency-Key", "Resend-Idempotency-Key", "X-EE-Idempotency-Key"];
    const outcome = await shop.during(4, async () => {
      for (const name of names) await shop.run("with_field", ["own@example.net", name, `own-${name}`]);
    });
    expect(outcome.tasks).toEqual(names.map((name) => `own-${name}`));
  });

  test("what a logging handler mails in a task is no mail of the task", async ({ shop }) => {
    const outcome = await shop.during(2, () => shop.run("logs_errors", [["Away", "Away"]]));
    expect(outcome.tasks).toEqual([undefined, undefined]);
  });

  test("a task that is called in a task, in whatever way, is part of it", async ({ shop }) => {
    for (const task of ["calls_another", "applies_another", "applies_itself"]) {
      const outcome = await shop.during(2, async () => {
        const { id } = await shop.run(task, ["called@example.net"]);
        await shop.run(task, ["called@example.net"], { task_id: id });
      });
      expect(outcome.became).toEqual(["queued", "repeat"]);
    }
  });

  test("an eager task that no worker runs has no id", async ({ shop }) => {
    const outcome = await shop.during(2, async () => {
      for (const _ of "12") await shop.call("eager", ["eager@example.net", "Eager"]);
    });
    expect(outcome.tasks).toEqual([undefined, undefined]);
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
    expect(new Set(threads.tasks)).toEqual(new Set([id, undefined]));
    expect(threads.submitted.filter(({ task }) => task === id)).toHaveLength(2);
    const forked = await shop.during(1, () => shop.run("forks", ["fork@example.net"]));
    expect(forked.tasks).toEqual([undefined]);
  });

  test("a message that is sent in two tasks, and outside, has the id of each", async ({ shop }) => {
    const { result } = await shop.call("one_message_in_two_jobs", ["same@example.net"]);
    expect(result).toEqual(["job-1", "job-2", null, {}]);
    expect((await shop.call("message_of_an_own_class", ["own@example.net"])).result).toEqual([null]);
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
    expect(outcome.became.sort()).toEqual(["queued", "queued", "repeat"]);
  });

  test("equal arguments for two tenants are two tasks, whichever are left", async ({ shop }) => {
    const outcome = await shop.during(3, () =>
      shop.run("tenant_bills", ["ceo@example.net", ["red", "blue"], "tenants"]),
    );
    expect(outcome.mails.map(({ subject }) => subject).sort()).toEqual(["Bill of blue", "Bill of red"]);
    expect(outcome.became.sort()).toEqual(["queued", "queued", "repeat"]);
  });

  test("members and callbacks of chains, groups and chords are the same in the parent's retry", async ({
    shop,
  }) => {
    const outcome = await shop.during(20, () => shop.run("canvases", ["canvas@example.net", "canvases"]));
    expect(outcome.mails.map(({ subject }) => subject).sort()).toEqual([
      ...["callback: 7", "chain's end: 3", "chain: 3", "chord 0: 0", "chord 1: 1", "chord 2: 2"],
      ...["chord's body: [0, 1, 2]", "group 0: 0", "group 1: 1", "group 2: 2"],
    ]);
    expect(outcome.became.filter((what) => what === "repeat")).toHaveLength(10);
  });

  test("a task that replaces another mails the same person anew, and once over its retry", async ({
    shop,
  }) => {
    const outcome = await shop.during(3, () => shop.run("replaced", ["replaced@example.net"]));
    expect(outcome.became).toEqual(["queued", "queued", "repeat"]);
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
    expect(outcome.became).toEqual(["queued", "repeat"]);
  });

  test("an id that somebody chose is of two tasks when it is used twice", async ({ shop }) => {
    const outcome = await shop.during(4, async () => {
      await shop.run("welcome", ["daily@example.net", "Daily"], { task_id: "daily report" });
      await shop.run("newsletter", [["x@example.net", "daily@example.net"], "Daily", "chosen"], {
        task_id: "daily report",
      });
    });
    expect(outcome.receivers).toEqual(["daily@example.net", "daily@example.net", "x@example.net"]);
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
    expect(outcome.receivers).toEqual(people("twice.example"));
    expect(outcome.became.filter((what) => what === "repeat")).toHaveLength(4);
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
    expect(outcome.receivers).toEqual(people("killed.example"));
    expect(outcome.became).toEqual(["queued", "queued", "repeat", "repeat", "queued", "queued"]);
  });

  test("since a process of the pool was killed: the rest is mailed", async ({ shop }) => {
    const outcome = await shop.during(5, () => shop.run("killed_once", [people("lost.example"), "lost"]));
    expect(outcome.receivers).toEqual(people("lost.example"));
  });

  test("at the same time: what both runs publish is the same, and equal tasks of one run are two", async ({
    shop,
  }) => {
    const outcome = await shop.during(4, async () => {
      const { id } = await shop.publish("equal_bills", ["equal@example.net"]);
      await shop.publish("equal_bills", ["equal@example.net"], { task_id: id });
    });
    expect(outcome.became.sort()).toEqual(["queued", "queued", "repeat", "repeat"]);
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
      expect(outcome.receivers).toEqual(
        ["a", "b", "f", "t", "u", "x", "x", "x", "x"].map((name) => `${name}@${pool}.example`),
      );
      expect(outcome.became.filter((what) => what === "repeat")).toHaveLength(3);
      expect(outcome.tasks.filter((task) => task === undefined)).toHaveLength(2);
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
    expect(outcome.receivers).toEqual([
      ...["buyer@old.example", "buyer@old.example", "replaced@old.example", "replaced@old.example"],
    ]);
  });
});

describe.skipIf(!hasRedis || !has("Celery", PYTHON, ["-c", "import celery, redis"]))(
  "Celery with smtplib",
  () => {
    test("a retry mails those that are left", async ({ place }) => {
      const broker = await startRedis(place);
      const mails = await startMails(place);
      const environment = {
        ...pythonEnvironment(mails, broker),
        C_FORCE_ROOT: "1",
        CELERY_APP: "celery_plain",
      };
      const worker = startProgram(place, PYTHON, [...WORKER, "-Q", "plain"], { environment });
      await worker.said(/ ready\./);
      const outcome = await during(
        mails,
        3,
        () =>
          startProgram(place, PYTHON, ["-c", "import celery_plain; celery_plain.publish()"], { environment })
            .exited,
      );
      expect(outcome.receivers).toEqual(["a@plain.example", "b@plain.example"]);
      expect(outcome.became).toEqual(["queued", "repeat", "queued"]);
      expect(outcome.tasks[0]).toMatch(/^[0-9a-f-]{36}$/);
    });
  },
);
