// /readyz says whether the gateway's own disk takes what is written: found out by writing, seldom, and without waiting for
// a disk that hangs.
import { expect, test } from "vitest";
import { createDiskProbe } from "../../src/operator/http/disk-probe.ts";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { type Storage, StorageError } from "../../src/storage/storage.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { temporaryFolder } from "../support/storage.ts";

const room = { hasRoomFor: async () => true };

/** A disk that counts what is asked of it, and goes wrong on request. */
async function open() {
  const disk = createDiskStorage(await temporaryFolder());
  const clock = createManualClock();
  const site = { writes: 0, clock, fail: undefined as undefined | (() => Promise<never>) };
  const storage: Pick<Storage, "createFile"> = {
    async createFile(name) {
      site.writes++;
      if (site.fail !== undefined) return await site.fail();
      return await disk.createFile(name);
    },
  };
  return { site, storage };
}

test("a disk that takes it has no fault, and is asked once in five seconds", async () => {
  const { site, storage } = await open();
  const probe = createDiskProbe(storage, room, site.clock);
  expect(await Promise.all([probe(), probe(), probe()])).toEqual([undefined, undefined, undefined]);
  site.clock.advance(4_999);
  await probe();
  expect(site.writes).toBe(1);
  site.clock.advance(1);
  await probe();
  expect(site.writes).toBe(2);
});

test("a disk that fails has one until it takes it again", async () => {
  const { site, storage } = await open();
  const probe = createDiskProbe(storage, room, site.clock);
  site.fail = () => Promise.reject(new StorageError("unavailable", "EIO: i/o error"));
  expect(await probe()).toBe("the disk of the data folder fails: EIO: i/o error");
  site.fail = undefined;
  site.clock.advance(5_000);
  expect(await probe()).toBeUndefined();
});

test("a disk that is too full for mail has one, and is not written to", async () => {
  const { site, storage } = await open();
  const probe = createDiskProbe(storage, { hasRoomFor: async () => false }, site.clock);
  expect(await probe()).toBe("the disk of the data folder is too full to take mail");
  expect(site.writes).toBe(0);
});

test("a disk that hangs has one after five seconds, and is called once only", async () => {
  const { site, storage } = await open();
  const probe = createDiskProbe(storage, room, site.clock);
  site.fail = () => new Promise(() => {});
  const first = probe();
  while (site.clock.untilNext() === undefined) await new Promise((resolve) => setImmediate(resolve));
  site.clock.advance(5_000);
  expect(await first).toBe("the disk of the data folder does not answer");
  site.clock.advance(5_000);
  expect(await probe()).toBe("the disk of the data folder does not answer");
  expect(site.writes).toBe(1);
});
