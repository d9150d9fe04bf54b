// Laravel's queue over Redis and its mailer: integrations/laravel puts the running job's task on each mail.
import { describe, expect } from "vitest";
import { test as base } from "../support/place.ts";
import { PROGRAMS } from "./jobs.ts";
import { hasPhp, type PhpApp, startPhp, UUID } from "./php.ts";

const hasLaravel = hasPhp("Laravel", ["Illuminate/autoload.php", "Illuminate/Foundation/Application.php"]);

const test = base.extend("app", { scope: "file" }, ({ shared }) =>
  startPhp(shared, {
    program: `${PROGRAMS}/laravel/artisan.php`,
    worker: "queue:work --sleep=0.02",
    environment: ({ redis, mail }) => ({
      ...{ REDIS_PORT: String(redis), MAIL_PORT: String(mail), STORAGE: shared.folder },
    }),
  }),
);
const TIMEOUT = 20_000;

describe.skipIf(!hasLaravel)("Laravel", { timeout: TIMEOUT }, () => {
  test("a job that is delivered twice: one mail each", async ({ app }) => {
    const tasks = await app.jobs(4, ["twice", "a.twice@example.net", "b.twice@example.net"]);
    expect(new Set(tasks).size).toBe(1);
    expect(tasks[0]).toMatch(UUID);
    expect([app.to("a.twice@example.net").length, app.to("b.twice@example.net").length]).toEqual([1, 1]);
    expect(app.to("a.twice@example.net")[0]?.field("X-Task-Id")).toBeUndefined();
  });

  test("a job that is retried, released, or redelivered after a kill, after half: the rest only", async ({
    app,
  }) => {
    for (const name of ["half", "released", "killed"]) {
      const [first, second] = [`a.${name}@example.net`, `b.${name}@example.net`];
      const tasks = await app.jobs(3, [name, first, second]);
      expect(new Set(tasks).size).toBe(1);
      expect([app.to(first).length, app.to(second).length]).toEqual([1, 1]);
    }
  });

  test("the task is the same after queue:retry", async ({ app }) => {
    const first = "a.hopeless@example.net";
    const tasks = await app.jobs(3, ["hopeless", first, "b.hopeless@example.net"]);
    const again = await app.answers(2, () => app.run("queue:retry", String(tasks[0])));
    expect(new Set([...tasks, ...again]).size).toBe(1);
    expect([app.to(first).length, app.to("b.hopeless@example.net").length]).toEqual([1, 1]);
  });

  test("two mails to one person in one job: the second hears 554, and nothing is lost in silence", async ({
    app,
  }) => {
    const { gateway } = app;
    await app.jobs(3, ["two", "two@example.net"]);
    await gateway.until(
      () => gateway.said("submission.conflict").length === 3,
      "each run's second is refused",
    );
    expect(app.to("two@example.net").map(({ subject }) => subject)).toEqual(["Your order"]);
  });

  const texts = (app: PhpApp, to: string): string[] =>
    app.to(to).map(({ content }) => /Invoice (\w+)/.exec(content)?.[1] ?? "");

  for (const [name, what] of [
    ["mailablesNow", "mailables"],
    ["notificationsNow", "notifications"],
    ["alertsNow", "mailables that differ in a property whose name the framework has too"],
    ["documentsNow", "mailables that differ in a file"],
  ] as const) {
    test(`two ${what} to one person in one job, with one subject: both, once`, async ({ app }) => {
      const to = `${name.toLowerCase()}@example.net`;
      const tasks = await app.jobs(4, [name, to, ["A", "B"], ["A", "B"]]);
      expect(new Set(tasks).size).toBe(1);
      expect(texts(app, to)).toEqual(["A", "B"]);
    });
  }

  test("one notification to two who have one address: both, once", async ({ app }) => {
    const to = "owner@example.net";
    const tasks = await app.jobs(4, ["shopsNow", to, ["A", "B"], ["A", "B"]]);
    expect(new Set(tasks).size).toBe(1);
    expect(texts(app, to)).toEqual(["A", "A"]);
  });

  test("outside a job nothing is added", async ({ app }) => {
    const to = "outside@example.net";
    const tasks = await app.calls(5, ["news", to], ["sync", to, to, to], ["mailablesNow", to, ["A"]]);
    expect(tasks).toEqual(Array(5).fill(undefined));
    expect(app.to(to)).toHaveLength(5);
  });

  test("a mail that is put into the queue is a task of its own", async ({ app }) => {
    const tasks = await app.calls(2, ["queued", "queued@example.net"], ["queued", "queued@example.net"]);
    expect(new Set(tasks).size).toBe(2);
    expect(tasks[0]).toMatch(UUID);
    expect(app.to("queued@example.net")).toHaveLength(2);
  });

  for (const [name, what] of [
    ["jobs", "jobs"],
    ["chains", "chains of jobs"],
    ["mailables", "mailables"],
    ["notifications", "notifications, encrypted"],
  ] as const) {
    test(`children that a job enqueues, ${what}: each once, equal ones too, and what only a retry enqueues`, async ({
      app,
    }) => {
      const runs: Record<string, string[][]> = {
        [`same.${name}@example.net`]: [
          ["A", "B"],
          ["A", "B"],
        ],
        [`other.${name}@example.net`]: [["A"], ["B"]],
        [`less.${name}@example.net`]: [["A", "B"], ["B"]],
        [`equal.${name}@example.net`]: [
          ["A", "A"],
          ["A", "A"],
        ],
      };
      // Two jobs that enqueue the same have children of their own.
      const twins = `twins.${name}@example.net`;
      const tasks = await app.jobs(
        4 + 2 + 3 + 4 + 2,
        ...Object.entries(runs).map(([to, runs]) => [name, to, ...runs] as const),
        ...([
          [name, twins, ["A"]],
          [name, twins, ["A"]],
        ] as const),
      );
      expect(new Set(tasks).size).toBe(2 + 2 + 2 + 2 + 2);
      const mailed = [...Object.keys(runs), twins].map((to) => texts(app, to).sort().join(" "));
      expect(mailed).toEqual(["A B", "A B", "A B", "A A", "A A"]);
    });
  }

  test("a job that runs inside another one, in its process, belongs to it", async ({ app }) => {
    const tasks = await app.jobs(3, ["sync", "sync@example.net", "now@example.net", "last@example.net"]);
    expect(new Set(tasks).size).toBe(1);
    expect(tasks[0]).toMatch(UUID);
  });

  test("a mail that names its task itself is left alone", async ({ app }) => {
    const fields = ["X-Task-Id", "Idempotency-Key", "Resend-Idempotency-Key", "X-EE-Idempotency-Key"];
    const tasks = await app.jobs(
      4,
      ...fields.map((field) => ["ownField", `${field}@example.net`, field] as const),
    );
    expect(tasks.sort()).toEqual(fields.map((field) => `own-task-of-${field}@example.net`).sort());
  });

  test("what a job mails about its failure is not dropped when it fails again", async ({ app }) => {
    const tasks = await app.jobs(4, ["help", "help@example.net"]);
    expect(tasks).toEqual([tasks[0], tasks[0], tasks[0], undefined]);
    expect(await app.answers(4, () => app.run("queue:retry", String(tasks[0])))).toEqual(tasks);
    expect(app.to("admin@example.net")).toHaveLength(2);
    expect(app.to("help@example.net")).toHaveLength(1);
  });
});
