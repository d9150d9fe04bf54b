// The intake over a real queue: what is removed, what is seen again, and what it does while the queue can't be used.
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { Id } from "../../../src/identity/message-id.ts";
import type { EventQueue, Received } from "../../../src/upstream/ses/events/queue.ts";
import type { EventsPlace, SqsFault } from "../../support/events-place.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { idOf } from "../../support/transmission.ts";
import { EVENTS, eventOf, ID, inEventBridge, LEDGER, SES_ID } from "./events.ts";
import { until, useIntakePlace } from "./intake-place.ts";

const site = useIntakePlace();
const { decide, linesOf, taken, logged, counted, start } = site;

describe("an event", () => {
  test("settles what it proves, and is removed then, however it comes", async () => {
    await site.place.publish(EVENTS.Send);
    await site.place.put(EVENTS.Bounce);
    await site.place.put(inEventBridge(EVENTS.Delivery));
    const removed = site.place.answered("DeleteMessageBatch");
    start();
    await taken(3);
    const at = Date.parse("2026-11-27T21:08:49.000Z");
    expect(site.takings).toMatchObject(
      Array(3).fill({ id: ID, proof: { from: "tag", source: "ses", upstreamId: SES_ID, at } }),
    );
    expect(site.takings.map(({ proof }) => proof.fate?.kind).sort()).toEqual([
      "bounced",
      "delivered",
      "sent",
    ]);
    await removed;
    await until(() => site.place.messages().hidden === 0);
    expect(site.place.messages()).toEqual({ ready: 0, hidden: 0 });
    expect(counted("settled")).toBe(3);
  });

  test("is asked for by a long poll of ten", async () => {
    const removed = site.place.answered("DeleteMessageBatch");
    start();
    await site.place.publish(EVENTS.Send);
    await removed;
    expect(site.place.calls[0]).toMatchObject({
      action: "ReceiveMessage",
      body: { MaxNumberOfMessages: 10, WaitTimeSeconds: 20, VisibilityTimeout: 60 },
    });
  });

  test("that has to wait is not removed, and is seen again after 1 s, then 2 s", async () => {
    decide.mockReturnValueOnce("busy").mockReturnValueOnce("busy");
    await site.place.publish(EVENTS.Send);
    const removed = site.place.answered("DeleteMessageBatch");
    start();
    await removed;
    expect(site.takings).toHaveLength(3);
    const shown = site.place.calls.filter(({ action }) => action === "ChangeMessageVisibilityBatch");
    expect(shown.map(({ body }) => body.Entries)).toMatchObject([
      [{ VisibilityTimeout: 1 }],
      [{ VisibilityTimeout: 2 }],
    ]);
    expect(site.place.calls.filter(({ action }) => action === "DeleteMessageBatch")).toHaveLength(1);
    expect([counted("settled"), counted("busy")]).toEqual([1, 2]);
  });

  test("that can't be taken is seen again, and others are not held up by it", async () => {
    decide.mockImplementationOnce(() => {
      throw new Error("no disk");
    });
    await site.place.publish(EVENTS.Send);
    start();
    await logged("events.not_taken");
    expect(linesOf("events.not_taken")).toMatchObject([
      { level: "error", fields: { id: ID, error: "Error: no disk" } },
    ]);
    const removed = site.place.answered("DeleteMessageBatch");
    await site.place.publish(EVENTS.Send);
    await removed;
    await taken(3);
  });

  test("that can never be taken ends in the dead-letter queue, and the others are read", async () => {
    await site.renew(2);
    decide.mockImplementation(({ id }) => {
      if (id === ID) throw new Error("a fault");
      return "settled";
    });
    await site.place.put(EVENTS.Send);
    start();
    await taken(2);
    await site.place.put(eventOf("Send", {}, { tags: { "mailonce-id": [idOf(7)] } }));
    await taken(3);
    await until(() => site.place.dead() === 1, { timeout: 30_000 });
    await until(() => site.place.messages().hidden === 0);
    expect([counted("busy"), counted("settled")]).toEqual([2, 1]);
  });

  test("that was settled but not removed is still in the queue: nothing is removed twice or lost", async () => {
    site.place.play(({ action }) => (action === "DeleteMessageBatch" ? "drop" : undefined));
    await site.place.publish(EVENTS.Send);
    start();
    await taken(1);
    await logged("events.silent");
    expect(site.place.messages()).toEqual({ ready: 0, hidden: 1 });
  });

  test.each([
    [
      "what SNS says first",
      "no_event",
      (to: EventsPlace) => to.publish("Successfully validated SNS topic for Amazon SES event publishing."),
    ],
    [
      "feedback of an identity",
      "no_event",
      (to: EventsPlace) => to.put({ notificationType: "Bounce", mail: {} }),
    ],
    [
      "an event of somebody else's mail",
      "other_mail",
      (to: EventsPlace) => to.put(eventOf("Send", {}, { tags: {} })),
    ],
  ] as const)("of none of ours is counted and removed: %s", async (_, count, put) => {
    await put(site.place);
    const removed = site.place.answered("DeleteMessageBatch");
    start();
    await removed;
    expect(site.takings).toEqual([]);
    expect(counted(count)).toBe(1);
  });
});

describe("a queue that is shared with another ledger", () => {
  const other = (id: Id) =>
    eventOf("Send", {}, { tags: { "mailonce-id": [id], "mailonce-ledger": ["another"] } });

  test("keeps that ledger's events for it; one line says so", async () => {
    for (let at = 0; at < 3; at++) await site.place.put(other(idOf(at)));
    const shown = site.place.answered("ChangeMessageVisibilityBatch");
    const intake = start();
    await shown;
    await until(() => (counted("other_ledger") ?? 0) >= 3);
    expect(linesOf("events.shared_queue")).toEqual([
      {
        level: "error",
        event: "events.shared_queue",
        fields: { queue: "mailonce", ledger: LEDGER, other: "another" },
      },
    ]);
    expect(intake.facts().shared?.with).toBe("another");
    expect(site.takings).toEqual([]);
    expect(site.place.calls.filter(({ action }) => action === "DeleteMessageBatch")).toEqual([]);

    await intake.close();
    start({ ledger: "another" });
    await taken(3);
    expect(site.takings.map(({ id }) => id).sort()).toEqual([0, 1, 2].map(idOf).sort());
  });

  test("an event that names no ledger is of a mail from before the tag: it counts", async () => {
    await site.place.put(eventOf("Send", {}, { tags: { "mailonce-id": [ID] } }));
    start();
    await taken(1);
  });
});

describe("a queue that can't be used", () => {
  const faults: readonly [SqsFault, RegExp][] = [
    ["throttled", /RequestThrottled/],
    ["gone", /QueueDoesNotExist/],
    ["denied", /AccessDenied/],
    ["credentials", /security token/],
    ["down", /Service ?Unavailable/],
    ["drop", /ECONNRESET|hang up/i],
  ];
  test.each(faults)(
    "%s: one line at the second failure and one when it is over; pauses grow",
    async (fault, said) => {
      const clock = createManualClock();
      site.place.play(() => fault);
      const intake = start({ clock });
      const pauses: number[] = [];
      for (let failures = 1; failures <= 9; failures++) {
        await logged("events.silent", failures);
        expect(intake.facts().silent === undefined).toBe(failures === 1);
        await until(() => clock.untilNext() !== undefined);
        pauses.push(clock.untilNext() ?? 0);
        clock.advance(clock.untilNext() ?? 0);
      }
      expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000));
      expect(linesOf("events.silent", "error")).toHaveLength(1);
      expect(linesOf("events.silent", "error")[0]?.fields.error).toMatch(said);
      expect(intake.facts().silent?.reason).toMatch(said);

      site.place.play(() => undefined);
      await site.place.publish(EVENTS.Send);
      const over = logged("events.read_again");
      // One more failure may have been under way.
      const running = setInterval(() => clock.advance(60_000), 50);
      await over;
      clearInterval(running);
      await taken(1);
      expect(site.takings).toHaveLength(1);
      expect(intake.facts()).not.toHaveProperty("silent");
      expect(linesOf("events.read_again")).toHaveLength(1);
    },
  );

  test("is read since the first answer, and again since it was silent", async () => {
    const clock = createManualClock();
    const startedAt = clock.now();
    const intake = start({ clock });
    await until(() => site.place.underWay("ReceiveMessage") === 1);
    expect(intake.facts().readingSince).toBeUndefined();
    clock.advance(5_000);
    await site.place.publish(EVENTS.Send);
    await until(() => counted("settled") === 1);
    expect(intake.facts().readingSince).toBe(startedAt + 5_000);

    site.place.play(() => "down");
    clock.advance(60_000);
    await site.place.publish(EVENTS.Send);
    const failures = async (count: number): Promise<void> => {
      await logged("events.silent", count);
      await until(() => clock.untilNext() !== undefined);
    };
    await failures(1);
    // One failure alone is not silence.
    expect(intake.facts().readingSince).toBe(startedAt + 5_000);
    clock.advance(clock.untilNext() ?? 0);
    await failures(2);
    expect(intake.facts().readingSince).toBeUndefined();

    site.place.play(() => undefined);
    const over = logged("events.read_again");
    await site.place.publish(EVENTS.Send);
    const goneOnAt = clock.now() + (clock.untilNext() ?? 0);
    clock.advance(clock.untilNext() ?? 0);
    await over;
    await until(() => intake.facts().readingSince !== undefined);
    expect(intake.facts().readingSince).toBe(goneOnAt);
  });

  test("one failure alone is said to nobody", async () => {
    const clock = createManualClock();
    let number = 0;
    site.place.play(() => (number++ === 0 ? "drop" : undefined));
    await site.place.publish(EVENTS.Send);
    const removed = site.place.answered("DeleteMessageBatch");
    start({ clock });
    await until(() => clock.untilNext() !== undefined);
    clock.advance(clock.untilNext() ?? 0);
    await removed;
    expect(site.lines.filter(({ level }) => level !== "debug")).toEqual([]);
  });

  test("credentials that are put right in their file are used without a restart", async () => {
    const folder = await mkdtemp(join(tmpdir(), "mailonce-sqs-"));
    const file = join(folder, "credentials");
    const keep = (key: string) =>
      writeFileSync(file, `[default]\naws_access_key_id = ${key}\naws_secret_access_key = secret\n`);
    try {
      keep("WRONG");
      vi.stubEnv("AWS_ACCESS_KEY_ID", "");
      vi.stubEnv("AWS_SECRET_ACCESS_KEY", "");
      vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", file);
      vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
      site.place.play(({ authorization }) =>
        authorization.includes("Credential=RIGHT/") ? undefined : "credentials",
      );
      await site.place.publish(EVENTS.Send);
      start();
      await logged("events.silent");
      keep("RIGHT");
      await taken(1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("its end", () => {
  test("ends the poll at once", async () => {
    const intake = start();
    await until(() => site.place.underWay("ReceiveMessage") === 1);
    // A poll ends by itself after 20 s, with an answer.
    const answered = site.place.answered("ReceiveMessage").then(() => "answered");
    expect(await Promise.race([intake.close(), answered])).toBeUndefined();
    await until(() => site.place.underWay("ReceiveMessage") === 0);
  });

  test("ends a pause at once", async () => {
    site.place.play(() => "down");
    const clock = createManualClock();
    const intake = start({ clock });
    await until(() => clock.untilNext() !== undefined);
    await intake.close();
    expect(clock.untilNext()).toBeUndefined();
  });

  test("ends though the queue hangs", async () => {
    site.place.play(() => "hang");
    const intake = start();
    await until(() => site.place.underWay("ReceiveMessage") === 1);
    await intake.close();
  });

  test("waits for what is being settled, so that the ledger can be closed after it", async () => {
    let settle = (): void => {};
    const settling = new Promise<"settled">((resolve) => {
      settle = () => resolve("settled");
    });
    const begun = new Promise<void>((resolve) => {
      decide.mockImplementation(() => {
        resolve();
        return settling;
      });
    });
    const intake = start();
    await site.place.publish(EVENTS.Send);
    await begun;
    let isClosed = false;
    const closed = intake.close().then(() => {
      isClosed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    settle();
    await closed;
    // It was not removed any more, and the next reader is told so by the ledger.
    expect(site.place.messages()).toEqual({ ready: 0, hidden: 1 });
  });
});

test("a full queue is read by four polls at once, each message once", async () => {
  const count = 1_000;
  const ids = Array.from({ length: count }, (_, at) => idOf(at));
  for (const id of ids) await site.place.put(eventOf("Send", {}, { tags: { "mailonce-id": [id] } }));
  let most = 0;
  decide.mockImplementation(() => {
    most = Math.max(most, site.place.underWay("ReceiveMessage") + site.place.underWay("DeleteMessageBatch"));
    return "settled";
  });
  start();
  await taken(count);
  await until(() => site.place.messages().hidden === 0);
  expect(site.takings.map(({ id }) => id).sort()).toEqual([...ids].sort());
  expect(site.place.messages()).toEqual({ ready: 0, hidden: 0 });
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(4);
});

test("of four polls that fail in the same moment one goes on; Node warns of no leak", async () => {
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on("warning", warned);
  // The queue's answers are in the hands of the test: over a network no two fail in the same moment.
  let calls: { resolve: (messages: Received[]) => void; reject: (error: Error) => void }[] = [];
  const queue: EventQueue = {
    receive: (signal) =>
      new Promise((resolve, reject) => {
        // As calls do until their connection is free again: sixteen in all.
        for (let at = 0; at < 2; at++) signal.addEventListener("abort", () => {});
        calls.push({ resolve, reject });
      }),
    ...{ remove: async () => {}, showAgain: async () => {}, close() {} },
  };
  const clock = createManualClock();
  const intake = start({ queue, clock });
  const full = Array.from({ length: 10 }, (_, at) => ({ body: "", receipt: String(at), receives: 1 }));
  for (let hands = 1; hands < 4; hands++) {
    await until(() => calls.length === hands);
    calls.shift()?.resolve(full);
  }
  await until(() => calls.length === 4);
  const failing = calls;
  calls = [];
  for (const { reject } of failing) reject(new Error("away"));
  await until(() => clock.untilNext() !== undefined);
  clock.advance(clock.untilNext() ?? 0);
  await until(() => calls.length === 1);
  const closed = intake.close();
  calls[0]?.reject(new Error("aborted"));
  await closed;
  process.off("warning", warned);
  expect(warnings.filter(({ name }) => name === "MaxListenersExceededWarning")).toEqual([]);
});
