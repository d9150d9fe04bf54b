import { describe, expect, test } from "vitest";
import { BATCH_MAX, createGroupCommit } from "../../src/storage/group-commit.ts";

/** A flush that ends when the test says so. */
function heldFlush() {
  const batches: number[][] = [];
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  let arrived: () => void = () => {};
  return {
    batches,
    flush(items: readonly number[]): Promise<void> {
      batches.push([...items]);
      arrived();
      return new Promise((resolve, reject) => ends.push({ resolve, reject }));
    },
    async untilBatches(count: number): Promise<void> {
      while (batches.length < count) {
        await new Promise<void>((resolve) => {
          arrived = resolve;
        });
      }
    },
    end: (index: number) => ends[index]?.resolve(),
    fail: (index: number, error: Error) => ends[index]?.reject(error),
  };
}

describe("group commit", () => {
  test("what arrives while a flush is under way goes as one next batch, in call order", async () => {
    const held = heldFlush();
    const group = createGroupCommit(held.flush);
    const first = [group.add(1), group.add(2)];
    await held.untilBatches(1);
    const second = [group.add(3), group.add(4), group.add(5)];
    expect(held.batches).toEqual([[1, 2]]);
    held.end(0);
    await Promise.all(first);
    await held.untilBatches(2);
    expect(held.batches).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
    held.end(1);
    await Promise.all(second);
  });

  test("a full batch leaves as soon as the one before it has ended, and the next takes what is more", async () => {
    const held = heldFlush();
    const group = createGroupCommit(held.flush);
    const first = group.add(0);
    await held.untilBatches(1);
    const numbers = Array.from({ length: BATCH_MAX + 1 }, (_, i) => i + 1);
    const others = numbers.map((number) => group.add(number));
    held.end(0);
    await first;
    // In the same turn of the event loop: nothing is waited for.
    await Promise.resolve();
    expect(held.batches.length).toBe(2);
    const drained = group.drain();
    held.end(1);
    await held.untilBatches(3);
    held.end(2);
    await drained;
    await Promise.all(others);
    expect(held.batches).toEqual([[0], numbers.slice(0, BATCH_MAX), numbers.slice(BATCH_MAX)]);
  });

  test("every caller of a failed batch hears of it, and no other", async () => {
    const held = heldFlush();
    const group = createGroupCommit(held.flush);
    const failing = Promise.allSettled([group.add(1), group.add(2)]);
    await held.untilBatches(1);
    const later = group.add(3);
    const error = new Error("no space");
    held.fail(0, error);
    expect(await failing).toEqual([
      { status: "rejected", reason: error },
      { status: "rejected", reason: error },
    ]);
    await held.untilBatches(2);
    held.end(1);
    await later;
  });

  test("a flush that throws at once rejects its batch", async () => {
    const group = createGroupCommit<number>(() => {
      throw new Error("at once");
    });
    await expect(group.add(1)).rejects.toThrow("at once");
    await expect(group.add(2)).rejects.toThrow("at once");
  });

  test("drain waits for what was added before it, failed or not, and for nothing later", async () => {
    const held = heldFlush();
    const group = createGroupCommit(held.flush);
    await group.drain();
    const first = group.add(1);
    await held.untilBatches(1);
    const second = group.add(2);
    second.catch(() => {});
    const drained = group.drain();
    held.end(0);
    await first;
    await held.untilBatches(2);
    const third = group.add(3);
    held.fail(1, new Error("lost"));
    await drained;
    await held.untilBatches(3);
    held.end(2);
    await third;
  });
});
