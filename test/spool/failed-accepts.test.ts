// A disk that fails for long: what the spool refused is not in it afterwards, and what it has to remember of
// refused mail does not grow with the number of refusals.
import { expect, test } from "vitest";
import type { NewSubmission } from "../../src/spool/spool.ts";
import { openSpool } from "../../src/spool/spool.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";

const submission = (number: number, bodyIn: "record" | "file" = "record"): NewSubmission => {
  const id = `submission${String(number).padStart(6, "0")}`;
  const header = Buffer.from("Subject: x\r\n\r\n");
  const body = bodyIn === "file" ? undefined : Buffer.from("body\r\n");
  return {
    submission: {
      ...{ id, acceptedAt: 0, reversePath: "a@sender.example", bodyIn, eightBit: false },
      ...{ headerSize: header.length, bodySize: 6 },
      header: { slot: 12, setsMessageId: false, date: "", dateStart: 0, dateEnd: 0 },
    },
    header,
    body,
    transmissions: [
      {
        ...{ id: "a".repeat(32), messageId: "<a@b.example>", recipient: "r@example.com", size: 10 },
        ...{ sender: {}, digest: "00".repeat(16), acceptedAt: 0, attempts: 0, dueAt: 0 },
      },
    ],
  };
};

const QUEUE = "spool/queue";

/** Submissions in the store, as a start would find them. */
const stored = (storage: ReturnType<typeof createMemoryStorage>): string[] =>
  [...(storage.view(QUEUE)?.visible.keys() ?? [])].filter((key) => key.startsWith("ssubmission"));

test("while a failed accept is not taken back, no other one reaches the store", async () => {
  const storage = createMemoryStorage();
  const spool = await openSpool(storage);
  storage.fail({ call: "commit", name: QUEUE, times: Number.POSITIVE_INFINITY, takesEffect: true });
  const together = await Promise.allSettled([1, 2, 3].map((number) => spool.accept(submission(number))));
  expect(together.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  for (let number = 4; number < 500; number++) {
    await expect(spool.accept(submission(number))).rejects.toThrow(/was made to fail/);
  }
  expect(stored(storage)).toHaveLength(0);

  storage.mend();
  await spool.accept(submission(1000));
  expect(stored(storage)).toEqual(["ssubmission001000"]);
  await spool.close();
});

test("what failed is taken back once, however many wait for it, before the next is accepted", async () => {
  const storage = createMemoryStorage();
  const spool = await openSpool(storage);
  storage.fail({ call: "commit", name: QUEUE, takesEffect: true });
  await expect(spool.accept(submission(1))).rejects.toThrow();
  expect(stored(storage)).toEqual(["ssubmission000001"]);
  // The taking back fails once too, for all that wait for it.
  storage.fail({ call: "commit", name: QUEUE });
  const refused = await Promise.allSettled([2, 3].map((number) => spool.accept(submission(number))));
  expect(refused.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await Promise.all([4, 5].map((number) => spool.accept(submission(number))));
  expect(stored(storage).sort()).toEqual(["ssubmission000004", "ssubmission000005"]);
  await spool.close();
});

test("the body file of an accept that was refused is removed, whichever way it was refused", async () => {
  const storage = createMemoryStorage();
  const spool = await openSpool(storage);
  const enter = async (number: number): Promise<void> => {
    const added = submission(number, "file");
    const file = await spool.createBody(added.submission.id);
    await file.append(Buffer.from("body\r\n"));
    await file.close();
    await spool.accept(added);
  };
  storage.fail({ call: "commit", name: QUEUE, times: 5 });
  for (const number of [1, 2, 3, 4, 5]) await expect(enter(number)).rejects.toThrow();
  await enter(6);
  expect(await storage.list("spool/bodies")).toEqual(["submission000006"]);
  await spool.close();
});

test("a spool that is closed takes back what failed", async () => {
  const storage = createMemoryStorage();
  const spool = await openSpool(storage);
  storage.fail({ call: "commit", name: QUEUE, takesEffect: true });
  await expect(spool.accept(submission(1))).rejects.toThrow();
  await spool.close();
  expect(stored(storage)).toEqual([]);
});
