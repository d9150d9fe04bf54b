// Puts ids into a ledger's folder as relayed, without a claim each: several times as fast, so that what a
// large ledger does can be measured without loading for hours. What lies on the disk is the same.

import { FIRST_CAPACITY } from "../src/ledger/embedded/capacity.ts";
import { openGenerations } from "../src/ledger/embedded/generations.ts";
import { openState } from "../src/ledger/embedded/state.ts";
import { DIGEST_OCTETS } from "../src/ledger/ledger.ts";
import { systemClock } from "../src/runtime/clock.ts";
import type { Log } from "../src/runtime/log.ts";
import { createDiskStorage } from "../src/storage/disk.ts";
import { keyStream } from "./ledger-scale-ids.ts";

/** Ids under way at a time. */
const AT_ONCE = 2 ** 14;

/** The ids of the stream "present" from `first` on. */
export async function fill(
  {
    folder,
    first,
    count,
    retentionMs,
  }: { folder: string; first: number; count: number; retentionMs: number },
  log: Log,
): Promise<void> {
  const storage = createDiskStorage(folder);
  const state = await openState(storage);
  const options = {
    storage,
    list: state.generations,
    clock: systemClock,
    log,
    retentionMs,
    firstCapacity: FIRST_CAPACITY,
  };
  const generations = await openGenerations(options);
  const [nextKey, nextDigest] = [keyStream("present", first), keyStream("digest", first)];
  for (let done = 0; done < count; ) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - done) }, () =>
      generations.add(nextKey(), {
        time: systemClock.now(),
        digest: nextDigest().subarray(0, DIGEST_OCTETS),
      }),
    );
    await Promise.all(batch);
    done += batch.length;
  }
  await generations.close();
  await state.close();
}
