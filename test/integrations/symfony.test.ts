// Symfony's Messenger over Redis and its Mailer: integrations/symfony puts the running message's task on each mail.
import { describe, expect } from "vitest";
import { findProgram } from "../support/peers.ts";
import { test as base, type Place } from "../support/place.ts";
import {
  has,
  hasRedis,
  type Mail,
  type Mails,
  PROGRAMS,
  startMails,
  startProgram,
  startRedis,
} from "./jobs.ts";

const php = findProgram("php") ?? "php";
const REQUIRED =
  'exit((int) !(extension_loaded("redis") && stream_resolve_include_path("Symfony/Component/Mailer/autoload.php")' +
  ' && stream_resolve_include_path("Symfony/Component/Messenger/Bridge/Redis/autoload.php")));';
const hasSymfony = has("Symfony's Messenger and Mailer with php-redis", php, ["-r", REQUIRED]);
const APP = `${PROGRAMS}/symfony/app.php`;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

interface App extends Mails {
  /** Runs the program to its end. */
  run(...args: readonly string[]): Promise<string>;
  /** Does the work and waits until so many more submissions are answered: the tasks they named. */
  answers(count: number, work: () => Promise<unknown>): Promise<(string | undefined)[]>;
  /** Sends a message to the queue and waits until so many more submissions are answered: the tasks they named. */
  job(answers: number, name: string, ...args: readonly unknown[]): Promise<(string | undefined)[]>;
  /** What the upstream took for an address. */
  to(address: string): Mail[];
}

/** A gateway, and workers that a supervisor starts again when they die. */
async function startApp(place: Place): Promise<App> {
  const [mails, redis] = await Promise.all([startMails(place), startRedis(place)]);
  const environment = {
    REDIS: `redis://127.0.0.1:${redis.port}`,
    MAILER: `smtp://127.0.0.1:${mails.gateway.port}`,
    PUBLIC_KEY: `${place.folder}/public.pem`,
  };
  const run = async (...args: readonly string[]): Promise<string> => {
    const program = startProgram(place, php, [APP, ...args], { environment });
    const code = await program.exited;
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${program.output()}`);
    return program.output();
  };
  const worker = `while :; do ${php} ${APP} messenger:consume async --sleep 0.02; done`;
  startProgram(place, "sh", ["-c", worker], { environment });
  const answers = async (count: number, work: () => Promise<unknown>): Promise<(string | undefined)[]> => {
    const before = mails.submissions().length;
    await work();
    await mails.answered(before + count);
    return mails
      .submissions()
      .slice(before)
      .map(({ task }) => task);
  };
  return {
    ...{ ...mails, run, answers },
    job: (count, name, ...args) => answers(count, () => run("dispatch", name, JSON.stringify(args))),
    to: (address) => mails.mails().filter(({ to }) => to.includes(address)),
  };
}

const TIMEOUT = 20_000;
const test = base.extend("app", { scope: "file" }, ({ shared }) => startApp(shared));

describe.skipIf(!hasSymfony || !hasRedis)("Symfony", { timeout: TIMEOUT }, () => {
  test("a message that is delivered twice: one mail each", async ({ app }) => {
    const tasks = await app.job(4, "twice", "a.twice@example.net", "b.twice@example.net");
    expect(new Set(tasks).size).toBe(1);
    expect(tasks[0]).toMatch(UUID);
    expect([app.to("a.twice@example.net").length, app.to("b.twice@example.net").length]).toEqual([1, 1]);
    expect(app.to("a.twice@example.net")[0]?.field("X-Task-Id")).toBeUndefined();
  });

  test("a message that is retried, or redelivered after a kill, after half: the rest only", async ({
    app,
  }) => {
    for (const [name, first, second] of [
      ["half", "a.half@example.net", "b.half@example.net"],
      ["killed", "a.killed@example.net", "b.killed@example.net"],
    ] as const) {
      const tasks = await app.job(3, name, first, second);
      expect(new Set(tasks).size).toBe(1);
      expect([app.to(first).length, app.to(second).length]).toEqual([1, 1]);
    }
  });

  test("the task is the same after the failure transport", async ({ app }) => {
    const first = "a.hopeless@example.net";
    const tasks = await app.job(3, "hopeless", first, "b.hopeless@example.net");
    const again = await app.answers(2, () => app.run("messenger:consume", "failed", "--limit=1"));
    expect(new Set([...tasks, ...again]).size).toBe(1);
    expect([app.to(first).length, app.to("b.hopeless@example.net").length]).toEqual([1, 1]);
  });

  test("two mails to one person in one message: the second hears 554, and nothing is lost in silence", async ({
    app,
  }) => {
    const { gateway } = app;
    await app.job(3, "two", "two@example.net");
    await gateway.until(
      () => gateway.said("submission.conflict").length === 3,
      "each run's second is refused",
    );
    expect(app.to("two@example.net").map(({ subject }) => subject)).toEqual(["Your order"]);
  });

  test("outside a worker nothing is added", async ({ app }) => {
    const tasks = await app.answers(2, async () => {
      await app.run("call", "news", '["outside@example.net"]');
      await app.run("call", "inline", '["outside@example.net"]');
    });
    expect(tasks).toEqual([undefined, undefined]);
    expect(app.to("outside@example.net")).toHaveLength(2);
  });

  test("a mail that the mailer hands to the queue is a task of its own", async ({ app }) => {
    const tasks = await app.answers(2, async () => {
      await app.run("call", "queued", '["queued@example.net"]');
      await app.run("call", "queued", '["queued@example.net"]');
    });
    expect(new Set(tasks).size).toBe(2);
    expect(tasks[0]).toMatch(UUID);
    expect(app.to("queued@example.net")).toHaveLength(2);
  });

  for (const [name, what] of [
    ["invoices", "messages"],
    ["mails", "mails by the mailer's bus"],
  ] as const) {
    describe(`children that a message enqueues, ${what}`, () => {
      const texts = (app: App, to: string): string[] =>
        app.to(to).map(({ content }) => /Invoice \w+/.exec(content)?.[0] ?? "");

      test("the parent is retried: once each", async ({ app }) => {
        const to = `same.${name}@example.net`;
        const tasks = await app.job(4, name, to, ["A", "B"], ["A", "B"]);
        expect(new Set(tasks).size).toBe(2);
        expect(texts(app, to).sort()).toEqual(["Invoice A", "Invoice B"]);
      });

      test("the retry enqueues only the second: it is mailed", async ({ app }) => {
        const to = `second.${name}@example.net`;
        await app.job(2, name, to, ["A"], ["B"]);
        expect(texts(app, to).sort()).toEqual(["Invoice A", "Invoice B"]);
        const left = `left.${name}@example.net`;
        await app.job(3, name, left, ["A", "B"], ["B"]);
        expect(texts(app, left).sort()).toEqual(["Invoice A", "Invoice B"]);
      });

      test("equal ones are as many as the parent enqueued", async ({ app }) => {
        const to = `equal.${name}@example.net`;
        await app.job(4, name, to, ["A", "A"], ["A", "A"]);
        expect(texts(app, to)).toEqual(["Invoice A", "Invoice A"]);
      });

      test("another parent's are others", async ({ app }) => {
        const to = `other.${name}@example.net`;
        await app.job(1, name, to, ["A"]);
        await app.run("forget", to);
        await app.job(1, name, to, ["A"]);
        expect(texts(app, to)).toEqual(["Invoice A", "Invoice A"]);
      });
    });
  }

  test("what is handled inside a message belongs to it, and so does what is put off to after it", async ({
    app,
  }) => {
    const people = ["sync@example.net", "inline@example.net", "after@example.net"];
    const tasks = await app.job(6, "nested", ...people);
    expect(new Set(tasks).size).toBe(2);
    expect(people.map((to) => app.to(to).length)).toEqual([1, 1, 1]);
  });

  test("a batch handler works for many messages, whose mails can't be told apart: nothing is added", async ({
    app,
  }) => {
    const tasks = await app.job(2, "rows", "rows@example.net");
    expect(tasks).toEqual([undefined, undefined]);
    expect(app.to("rows@example.net")).toHaveLength(2);
  });

  test("a mail that names its task itself is left alone", async ({ app }) => {
    for (const field of ["X-Task-Id", "Idempotency-Key", "Resend-Idempotency-Key", "X-EE-Idempotency-Key"]) {
      const to = `${field.toLowerCase()}@example.net`;
      expect(await app.job(1, "ownField", to, field)).toEqual([`own-task-of-${to}`]);
    }
  });

  test("a mail that the worker keeps gets each message's own task", async ({ app }) => {
    const tasks = [
      ...(await app.job(1, "keep", "keep@example.net")),
      ...(await app.job(1, "keep", "keep@example.net")),
    ];
    expect(new Set(tasks).size).toBe(2);
    expect(app.to("keep@example.net")).toHaveLength(2);
  });

  test("what a listener mails about a failed message is not the message's", async ({ app }) => {
    const tasks = await app.job(6, "help", "help@example.net");
    expect(new Set(tasks.filter((task) => task !== undefined)).size).toBe(1);
    expect(app.to("admin@example.net")).toHaveLength(3);
    expect(app.to("help@example.net")).toHaveLength(1);
  });

  test("a signature of the mailer does not cover the field", async ({ app }) => {
    expect(await app.job(1, "signed", "signed@example.net")).toEqual([expect.stringMatching(UUID)]);
    const signature = app.to("signed@example.net")[0]?.field("DKIM-Signature");
    expect(signature).toMatch(/ h=From: To: Subject: /);
    expect(signature).not.toMatch(/x-task/i);
    expect(app.gateway.said("submission.signature_broken")).toEqual([]);
  });

  test("a mail in raw text has no header to add to", async ({ app }) => {
    expect(await app.job(1, "raw", "raw@example.net")).toEqual([undefined]);
    expect(app.to("raw@example.net")).toHaveLength(1);
  });
});
