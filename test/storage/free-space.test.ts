// What stays free stays free: one answer of the disk serves for a second, and what is taken meanwhile counts.
import { expect, test } from "vitest";
import { createFreeSpace } from "../../src/storage/free-space.ts";

function setUp(minOctets = 100) {
  const disk = { free: 1_000, asked: 0 };
  let now = 0;
  const space = createFreeSpace(
    "/",
    minOctets,
    () => now,
    async () => {
      disk.asked++;
      if (disk.free < 0) throw new Error("EIO");
      return disk.free;
    },
  );
  return {
    disk,
    space,
    pass(ms: number) {
      now += ms;
    },
  };
}

test("so many at once get no more than there is together", async () => {
  const { disk, space } = setUp();
  const taken = await Promise.all(Array.from({ length: 20 }, () => space.take(100)));
  // 1,000 less 100 that stay free.
  expect(taken.filter(Boolean)).toHaveLength(9);
  expect(await space.hasRoomFor(0)).toBe(true);
  expect(await space.hasRoomFor(1)).toBe(false);
  expect(disk.asked).toBe(1);
});

test("after a second the disk is asked again, and when the clock was set back", async () => {
  const { disk, space, pass } = setUp();
  expect(await space.take(900)).toBe(true);
  pass(999);
  expect(await space.take(1)).toBe(false);
  disk.free = 500;
  pass(1);
  expect(await space.take(400)).toBe(true);
  disk.free = 1_000;
  pass(-5_000);
  expect(await space.take(900)).toBe(true);
  expect(disk.asked).toBe(3);
});

test("a disk that can't be asked has room; with 0 only who wants to know it asks", async () => {
  const { disk, space } = setUp();
  disk.free = -1;
  expect(await space.take(1e15)).toBe(true);
  const none = setUp(0);
  expect([await none.space.take(1e15), await none.space.hasRoomFor(1e15)]).toEqual([true, true]);
  expect(none.disk.asked).toBe(0);
  expect([await none.space.free(), await space.free()]).toEqual([1_000, undefined]);
});
