// Symfony's Messenger over Redis and its Mailer: integrations/symfony puts the running message's task on each mail.
import { describe, expect } from "vitest";
import { test as base } from "../support/place.ts";
import { PROGRAMS } from "./jobs.ts";
import { hasPhp, type PhpApp, startPhp, UUID } from "./php.ts";

const hasSymfony = hasPhp("Symfony's Messenger and Mailer", [
  "Symfony/Component/Mailer/autoload.php",
  "Symfony/Component/Messenger/Bridge/Redis/autoload.php",
]);

const hasTwig = hasSymfony && hasPhp("Symfony's bridge to Twig", ["Symfony/Bridge/Twig/autoload.php"]);

const test = base.extend("app", { scope: "file" }, ({ shared }) =>
  startPhp(shared, {
    program: `${PROGRAMS}/symfony/app.php`,
    worker: "messenger:consume async --sleep 0.02",
    environment: ({ redis, mail }) => ({
      REDIS: `redis://127.0.0.1:${redis}`,
      MAILER: `smtp://127.0.0.1:${mail}`,
    }),
  }),
);
const TIMEOUT = 20_000;

describe.skipIf(!hasSymfony)("Symfony", { timeout: TIMEOUT }, () => {
  test("a message that is delivered twice: one mail each", async ({ app }) => {
    const tasks = await app.jobs(4, ["twice", "a.twice@example.net", "b.twice@example.net"]);
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
      const tasks = await app.jobs(3, [name, first, second]);
      expect(new Set(tasks).size).toBe(1);
      expect([app.to(first).length, app.to(second).length]).toEqual([1, 1]);
    }
  });

  test("the task is the same after the failure transport", async ({ app }) => {
    const first = "a.hopeless@example.net";
    const tasks = await app.jobs(3, ["hopeless", first, "b.hopeless@example.net"]);
    const again = await app.answers(2, () => app.run("messenger:consume", "failed", "--limit=1"));
    expect(new Set([...tasks, ...again]).size).toBe(1);
    expect([app.to(first).length, app.to("b.hopeless@example.net").length]).toEqual([1, 1]);
  });

  test("two mails to one person in one message: the second hears 554, and nothing is lost in silence", async ({
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

  test("outside a worker nothing is added", async ({ app }) => {
    const to = "outside@example.net";
    const tasks = await app.calls(2, ["news", to], ["inline", to]);
    expect(tasks).toEqual([undefined, undefined]);
    expect(app.to(to)).toHaveLength(2);
  });

  test("a mail that the mailer hands to the queue is a task of its own", async ({ app }) => {
    const tasks = await app.calls(2, ["queued", "queued@example.net"], ["queued", "queued@example.net"]);
    expect(new Set(tasks).size).toBe(2);
    expect(tasks[0]).toMatch(UUID);
    expect(app.to("queued@example.net")).toHaveLength(2);
  });

  const texts = (app: PhpApp, to: string): string[] =>
    app.to(to).map(({ content }) => /Invoice (\w+)/.exec(content)?.[1] ?? "");

  test.skipIf(!hasTwig)(
    "two mails by one template to one person, with one subject: both, once",
    async ({ app }) => {
      const tasks = await app.jobs(4, ["templates", "templates@example.net", ["A", "B"], ["A", "B"]]);
      expect(new Set(tasks).size).toBe(1);
      expect(texts(app, "templates@example.net")).toEqual(["A", "B"]);
    },
  );

  for (const [name, what, there] of [
    ["invoices", "messages", true],
    ["mails", "mails by the mailer's bus", true],
    ["queuedTemplates", "templates by the mailer's bus", hasTwig],
  ] as const) {
    test.skipIf(!there)(
      `children that a message enqueues, ${what}: each once, equal ones too, and what only a retry enqueues`,
      async ({ app }) => {
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
      },
    );
  }

  test("equal messages with other stamps are others", async ({ app }) => {
    const tasks = await app.jobs(3, ["tenants", "tenants@example.net", ["A", "B"], ["B"]]);
    const only = await app.jobs(2, ["tenants", "tenant@example.net", ["A"], ["B"]]);
    expect([new Set(tasks).size, new Set(only).size]).toEqual([2, 2]);
    expect([app.to("tenants@example.net").length, app.to("tenant@example.net").length]).toEqual([2, 2]);
  });

  test("what is handled inside a message belongs to it, and so does what is put off to after it", async ({
    app,
  }) => {
    const people = ["sync@example.net", "inline@example.net", "after@example.net"];
    const tasks = await app.jobs(6, ["nested", ...people]);
    expect(new Set(tasks).size).toBe(2);
    expect(people.map((to) => app.to(to).length)).toEqual([1, 1, 1]);
  });

  test("a batch handler works for many messages, whose mails can't be told apart: nothing is added", async ({
    app,
  }) => {
    const tasks = await app.jobs(2, ["rows", "rows@example.net"]);
    expect(tasks).toEqual([undefined, undefined]);
    expect(app.to("rows@example.net")).toHaveLength(2);
  });

  test("a mail that names its task itself is left alone", async ({ app }) => {
    const fields = ["X-Task-Id", "Idempotency-Key", "Resend-Idempotency-Key", "X-EE-Idempotency-Key"];
    const tasks = await app.jobs(
      4,
      ...fields.map((field) => ["ownField", `${field}@example.net`, field] as const),
    );
    expect(tasks.sort()).toEqual(fields.map((field) => `own-task-of-${field}@example.net`).sort());
  });

  test("a mail that the worker keeps gets each message's own task", async ({ app }) => {
    const tasks = await app.jobs(2, ["keep", "keep@example.net"], ["keep", "keep@example.net"]);
    expect(new Set(tasks).size).toBe(2);
    expect(app.to("keep@example.net")).toHaveLength(2);
  });

  test("what a listener mails about a failed message is not the message's", async ({ app }) => {
    const tasks = await app.jobs(6, ["help", "help@example.net"]);
    expect(new Set(tasks.filter((task) => task !== undefined)).size).toBe(1);
    expect(app.to("admin@example.net")).toHaveLength(3);
    expect(app.to("help@example.net")).toHaveLength(1);
  });

  test("a signature of the mailer does not cover the fields", async ({ app }) => {
    for (const name of ["signed", "signedLater"]) {
      const to = `${name}@example.net`;
      expect(await app.jobs(1, [name, to])).toEqual([expect.stringMatching(UUID)]);
      const signature = app.to(to)[0]?.field("DKIM-Signature");
      expect(signature).toMatch(/ h=From: To: Subject: /);
      expect(signature).not.toMatch(/x-task/i);
    }
    expect(app.gateway.said("submission.signature_broken")).toEqual([]);
  });

  test("a mail in raw text has no header to add to", async ({ app }) => {
    expect(await app.jobs(1, ["raw", "raw@example.net"])).toEqual([undefined]);
    expect(app.to("raw@example.net")).toHaveLength(1);
  });
});
