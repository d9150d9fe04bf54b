// RQ over Redis, without Django: an occasion of a job is a task, its retries included.
import { describe, expect } from "vitest";
import { test as base, type Place } from "../support/place.ts";
import { has, hasRedis, PYTHON, startMails, startProgram, startRedis } from "./jobs.ts";
import { during, pythonEnvironment, startDesk } from "./python.ts";

const hasAll = hasRedis && has("RQ", PYTHON, ["-c", "import redis, rq"]);

async function startShop(place: Place) {
  const broker = await startRedis(place);
  const mails = await startMails(place);
  const environment = pythonEnvironment(mails, broker);
  const desk = await startDesk(place, broker, "rq_desk.py", environment);
  const startWorker = (...options: string[]) =>
    startProgram(place, PYTHON, ["-m", "rq.cli", "worker", "--url", broker.url, ...options, "mail"], {
      environment: { ...environment, LC_ALL: "C.UTF-8" },
    });
  const worker = startWorker("--job-class", "mailonce_jobs.Job");
  await worker.said(/Listening on mail/);
  const ask = async (name: string, ...args: unknown[]) => (await desk.ask([name, args])).result;
  return {
    ...{ ask, worker },
    async enqueue(name: string, args: readonly unknown[], options: object = {}) {
      const { job_id = null, retry = null, meta = null } = options as Record<string, unknown>;
      return (await ask("enqueue", name, args, job_id, retry, meta)) as string;
    },
    /** Resolves when the job has succeeded so many times. */
    succeeded: (id: string, times = 1) => worker.said(new RegExp(`Job OK \\(${id}\\)`), times),
    /** Resolves when the job has failed so many times. */
    failed: (id: string, times = 1) => worker.said(new RegExp(`\\[Job ${id}\\]: exception raised`), times),
    during: (submissions: number, work: () => Promise<unknown>) => during(mails, submissions, work),
  };
}

const test = base.extend("shop", { scope: "file" }, ({ shared }) => startShop(shared));
const people = (domain: string) => ["a", "b", "c", "d"].map((name) => `${name}@${domain}`);

describe.skipIf(!hasAll)("RQ", () => {
  test("a mail's task is the job and when it was put into the queue", async ({ shop }) => {
    let id = "";
    const outcome = await shop.during(1, async () => {
      id = await shop.enqueue("mail", ["one@example.net", "Welcome"]);
      await shop.succeeded(id);
    });
    expect(outcome.tasks[0]).toMatch(new RegExp(`^${id}:\\d{4}-\\d\\d-\\d\\dT`));
  });

  test("mail outside a job stays as it is, and that of a job that no worker runs", async ({ shop }) => {
    const outcome = await shop.during(4, async () => {
      for (const _ of "12") {
        await shop.ask("mail", "outside@example.net", "Outside");
        await shop.ask("at_once", "outside@example.net");
      }
    });
    expect(outcome.tasks).toEqual([undefined, undefined, undefined, undefined]);
    expect(outcome.mails).toHaveLength(4);
  });

  for (const how of ["raise", "kill"]) {
    test(`a retry mails those that are left (${how})`, async ({ shop }) => {
      const domain = `${how}.example`;
      const outcome = await shop.during(8, async () => {
        const args = [people(domain), "News", how, 2, how];
        await shop.succeeded(await shop.enqueue("newsletter", args, { retry: { max: 3 } }));
      });
      expect(outcome.receivers).toEqual(people(domain));
      expect(outcome.became.filter((what) => what === "repeat")).toHaveLength(4);
    });
  }

  test("a failed job that is put into the queue again mails those that are left", async ({ shop }) => {
    const outcome = await shop.during(8, async () => {
      const id = await shop.enqueue("newsletter", [people("requeue.example"), "News", "requeue", 2]);
      for (const time of [1, 2]) {
        await shop.failed(id, time);
        await shop.ask("requeue", id);
      }
      await shop.succeeded(id);
    });
    expect(outcome.receivers).toEqual(people("requeue.example"));
  });

  test("a second mail to one person is refused aloud", async ({ shop }) => {
    const outcome = await shop.during(2, async () => {
      const id = await shop.enqueue("two_subjects", ["two@example.net"]);
      await shop.succeeded(id);
      expect(await shop.ask("status", id)).toEqual(["finished", 554]);
    });
    expect(outcome.became).toEqual(["queued", "refused"]);
  });

  test("a job that a job runs at once is part of it", async ({ shop }) => {
    let id = "";
    const outcome = await shop.during(1, async () => {
      id = await shop.enqueue("runs_another_at_once", ["inner@example.net"]);
      await shop.succeeded(id);
    });
    expect(outcome.tasks[0]).toMatch(id);
  });
});

describe.skipIf(!hasAll)("a job that runs again after its end is another task", () => {
  for (const again of ["enqueue_again", "enqueue_kept"]) {
    test(again, async ({ shop }) => {
      const outcome = await shop.during(3, async () => {
        const id = await shop.enqueue("mail", [`${again}@example.net`, "Daily"]);
        await shop.succeeded(id);
        for (const time of [2, 3]) {
          await shop.ask(again, id);
          await shop.succeeded(id, time);
        }
      });
      expect(outcome.mails).toHaveLength(3);
    });
  }

  test("a new job under an old job's id, whether that one succeeded or failed", async ({ shop }) => {
    const outcome = await shop.during(7, async () => {
      for (const [time, failures] of [0, 1, 0].entries()) {
        const args = [people("daily.example").slice(0, 3), "Daily", `daily ${time}`, failures];
        const id = await shop.enqueue("newsletter", args, { job_id: "daily" });
        await (failures === 0 ? shop.succeeded(id, time === 0 ? 1 : 2) : shop.failed(id));
      }
    });
    expect(outcome.mails).toHaveLength(7);
    expect(new Set(outcome.tasks).size).toBe(3);
  });

  test("a periodic job whose last run failed", async ({ shop }) => {
    const outcome = await shop.during(3, async () => {
      const args = [["x@cron.example", "y@cron.example"], "Daily", "cron", 1];
      const id = await shop.enqueue("newsletter", args, { meta: { cron_string: "0 7 * * *" } });
      await shop.failed(id);
      await shop.ask("enqueue_again", id);
      await shop.succeeded(id);
    });
    expect(outcome.receivers).toEqual(["x@cron.example", "x@cron.example", "y@cron.example"]);
  });

  test("a job that succeeded at its retry", async ({ shop }) => {
    const outcome = await shop.during(5, async () => {
      const args = [["x@again.example", "y@again.example"], "Weekly", "again", 1];
      const id = await shop.enqueue("newsletter", args, { retry: { max: 2 } });
      await shop.succeeded(id);
      await shop.ask("enqueue_again", id);
      await shop.succeeded(id, 2);
    });
    expect(outcome.receivers).toEqual([
      "x@again.example",
      "x@again.example",
      "y@again.example",
      "y@again.example",
    ]);
  });
});
